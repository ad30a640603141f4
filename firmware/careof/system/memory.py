"""How the interpreters collect garbage, made fit for a process that runs for years.

MicroPython does not move what lives, and collects when its heap is used up once: by then what was kept last
lies anywhere, and no room for a whole message may be left between. Collecting after a part of the heap was
used keeps it together at the beginning. CPython looks through everything that lives, now and then: what was
made at the start is left out of that.
"""

import gc

SHARE = 4  # of MicroPython's free heap: so much of it is used between two collections


def settle():
    """What is there now will mostly stay."""
    gc.collect()
    if hasattr(gc, "threshold"):
        gc.threshold(gc.mem_free() // SHARE)
    else:
        gc.freeze()
