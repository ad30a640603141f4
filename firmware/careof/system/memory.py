"""How the interpreters collect garbage, made fit for a process that runs for years.

MicroPython does not move what lives, and collects when its heap is used up once: by then what was kept last
lies anywhere, and no room for a whole message may be left between. Collecting after a part of the heap was
used keeps it together at the beginning; from the start on, since what is read and restored then stays. A
collection goes through all that lives whatever there is to collect (5 to 10 ms with 1,000 bindings), so the
part is a large one.

CPython frees at once what nobody refers to, and looks for circles of objects besides: among all that lives,
each time that there is a quarter more of it, which with 100,000 bindings takes a second. Ours make no
circles; so it looks among the young, at no more than some thousands at a time (with 200,000 it was half of
a second on a busy machine), and hardly ever through all.
"""

import gc

YOUNG, ROUNDS, FULL = 2000, 5, 5000  # objects more than before; so often until the older; until all
SHARE = 4  # of MicroPython's free heap: so much of it is used between two collections


def begin():
    """Before anything is made."""
    if hasattr(gc, "set_threshold"):
        gc.set_threshold(YOUNG, ROUNDS, FULL)
    else:
        settle()


def settle():
    """What is there now will mostly stay."""
    if hasattr(gc, "threshold"):
        gc.collect()
        gc.threshold(gc.mem_free() // SHARE)
    else:
        gc.freeze()
