"""./dev test: every suite in order, from the quick to the slow."""

import os
import subprocess

from invoke import task

from .build import compile_kind
from .common import ASAN, BIN, BUILD, ROOT, Rows
from .cross.suite import cross_rows
from .fuzz import fuzz_rows
from .lint import lint_rows

FUZZ_SMOKE_S = 5
# Both machines and all that passed between them are in one heap: the default's 2 MB are a router's.
SIMULATOR_HEAP = "16M"


def native(rows):
    """The C unit tests, as shipped and under the address and undefined-behaviour sanitizers."""
    if not (ROOT / "meson.build").exists():
        rows.skip("native", "nothing to build")
        return
    for kind, folder in (("release", BUILD), ("sanitizers", ASAN)):
        try:
            compile_kind(kind)
        except subprocess.CalledProcessError:
            rows.add(f"build {kind}", False)
            continue
        rows.add(f"build {kind}", True)
        rows.step(f"C tests {kind}", BIN / "meson", "test", "-C", folder, "--no-rebuild", "--print-errorlogs")


def pytest_suite(name, folder, *options):
    def run(rows):
        if list((ROOT / folder).glob("test_*.py")):
            rows.step(name, BIN / "pytest", "-q", *options, folder)

    return run


def micropython_units(rows):
    """Each file of tests/unit and tests/sim under MicroPython, which has no pytest."""
    path = ":".join(str(ROOT / part) for part in ("firmware", "tests/unit", "tests/sim"))
    for folder in ("tests/unit", "tests/sim"):
        for file in sorted((ROOT / folder).glob("test_*.py")):
            heap = ("-X", f"heapsize={SIMULATOR_HEAP}") if folder == "tests/sim" else ()
            rows.step(
                f"MicroPython {file.stem}",
                *(BIN / "micropython", *heap, file),
                env={"MICROPYPATH": path + ":.frozen"},
            )


def lab(rows):
    if not (ROOT / "tests/lab").exists():
        return
    if os.geteuid() != 0:
        rows.skip("lab", "needs root for its namespaces")
        return
    compile_kind("release")
    pytest_suite("lab scenarios", "tests/lab")(rows)


def sanitized(rows):
    """careof-tunneld and careof-keyd as processes once more, under the sanitizers."""
    for name, files in (("tunneld", "test_tunneld_*.py"), ("keyd", "test_keyd*.py")):
        binary = ASAN / f"native/{name}/careof-{name}"
        if not binary.exists():
            rows.skip(f"{name} under sanitizers", "not built: the suite 'native' builds it")
            continue
        # Leaks are looked for by the fuzzers: the leak detector wants ptrace(), which the filter refuses.
        environment = {f"CAREOF_{name.upper()}": str(binary), "ASAN_OPTIONS": "detect_leaks=0"}
        found = sorted((ROOT / "tests/host").glob(files))
        rows.step(f"{name} under sanitizers", BIN / "pytest", "-q", *found, env=environment)


SUITES = {
    "lint": lint_rows,
    "native": native,
    "unit": pytest_suite("unit tests on CPython", "tests/unit", "-n2"),
    "micropython": micropython_units,
    "sim": pytest_suite("simulations on CPython", "tests/sim", "-n2"),
    "host": pytest_suite("host tests", "tests/host"),
    "sanitized": sanitized,
    "cross": cross_rows,
    "fuzz": lambda rows: fuzz_rows(rows, FUZZ_SMOKE_S),
    "lab": lab,
}
SLOW = ("host", "sanitized", "cross", "fuzz", "lab")


@task(
    help={
        "fast": "only what takes seconds",
        "only": f"one suite: {', '.join(SUITES)}",
        "json": "write the rows there",
    }
)
def test(_, fast=False, only=None, json=None):
    """All suites; the last line counts them."""
    if only and only not in SUITES:
        raise SystemExit(f"test: --only {only}: expected one of {', '.join(SUITES)}")
    rows = Rows()
    for name, suite in SUITES.items():
        if (only and name != only) or (fast and name in SLOW):
            continue
        suite(rows)
    rows.finish(json)
