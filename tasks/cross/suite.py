"""./dev test --only cross: careof for big-endian MIPS, whose programs run here one at a time under QEMU.

Big-endian is what no emulated board has (Debian has no kernel for one); the same processor does not load
words from odd addresses, and is of 32 bits with 64-bit time. So what differs between machines shows there.
"""

import os
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

from ..common import BIN, ROOT
from . import targets

TARGET = targets.find("mips_24kc")
SLOWER = "4"  # than programs of this machine, for Meson's limits of time
HEAP = "4M"
WORKERS = 2
TEST_S = 300
NOT_OF_THE_MACHINE = ("test_rooms", "test_reasons")  # of the source, which is the same


def cross_rows(rows):
    if not shutil.which(TARGET.emulator):
        rows.skip("cross-build", f"needs {TARGET.emulator}")
        return
    from . import (
        build,
        native,
        outputs,
        sources,
        tools,
    )  # their tools are there only where something is built

    print(f"\n== cross-build for {TARGET.triple}", flush=True)
    try:
        made = build.target(TARGET, lambda text: print(f"  {text}", flush=True))
    except sources.Unavailable as e:
        rows.skip("cross-build", str(e))
        return
    except tools.Failed as e:
        print(e, flush=True)
        rows.add("cross-build", False)
        return
    rows.add("cross-build", made["byte_code"] == int(made["micropython"]["byte_code"].partition(".")[0]))
    folder = native.where(TARGET)
    quick = ("--no-rebuild", "--print-errorlogs", "-t", SLOWER)
    rows.step("big-endian: C tests", BIN / "meson", "test", "-C", folder, *quick)
    rows.add("big-endian: a load from an odd address is seen", dies_of_an_unaligned_load(folder))
    units(rows, outputs)
    rows.step("beside what others built", BIN / "pytest", "-q", ROOT / "tests/cross")
    again(rows, made)


def dies_of_an_unaligned_load(folder):
    """The control of all that loads from odd addresses in the C tests: a load that must not go unseen."""
    command = (TARGET.emulator, folder / "tests/native/test_machine", "unaligned")
    return subprocess.run(command, capture_output=True).returncode in (-signal.SIGBUS, 128 + signal.SIGBUS)


def units(rows, outputs):
    """Each file of tests/unit on the target's MicroPython, with careofd as byte code."""
    interpreter = outputs.file(TARGET.triple, "bin/micropython")
    path = ":".join(
        map(str, (outputs.folder(TARGET.triple) / "lib", ROOT / "tests/unit", ROOT / "tests/sim"))
    )
    files = [
        file
        for file in sorted((ROOT / "tests/unit").glob("test_*.py"))
        if file.stem not in NOT_OF_THE_MACHINE
    ]

    def run(file):
        command = (TARGET.emulator, interpreter, "-X", f"heapsize={HEAP}", file)
        try:
            return subprocess.run(
                command,
                env={**os.environ, "MICROPYPATH": path},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=TEST_S,
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 1, f"not done after {TEST_S} s")

    print("\n== big-endian: unit tests on MicroPython", flush=True)
    with ThreadPoolExecutor(WORKERS) as pool:
        for file, done in zip(files, pool.map(run, files), strict=True):
            if done.returncode:
                print(f"{file.stem}: status {done.returncode}\n{done.stdout}", flush=True)
            rows.add(f"big-endian: {file.stem}", done.returncode == 0)


def again(rows, made):
    """The same sources in another folder give the same octets."""
    from . import reproduce, tools

    print("\n== the same again in another folder", flush=True)
    try:
        differing = reproduce.differences(TARGET, made)
    except tools.Failed as e:
        print(e, flush=True)
        differing = ["not built"]
    for name in differing:
        print(f"differs: {name}", flush=True)
    rows.add("cross-build: the same octets in another folder", not differing)
