"""Runs the test_ functions of a module where there is no pytest: MicroPython, or a bare CPython."""

import gc
import sys

# MicroPython looks for a free place from the start of the heap: small garbage in a large heap is slow.
COLLECT_EACH_BYTES = 1 << 20


def main(names):
    """names: globals() of the test module. Exits with 1 if any test fails."""
    if hasattr(gc, "threshold"):
        gc.threshold(COLLECT_EACH_BYTES)
    failed = passed = 0
    for name in sorted(names):
        if not name.startswith("test_") or not callable(names[name]):
            continue
        try:
            names[name]()
            passed += 1
        except Exception as e:  # a test may fail in any way; the next ones still run
            failed += 1
            print("FAILED %s" % name)
            if hasattr(sys, "print_exception"):
                sys.print_exception(e)
            else:
                import traceback

                traceback.print_exc()
    print("%d passed, %d failed" % (passed, failed))
    if failed or not passed:
        sys.exit(1)
