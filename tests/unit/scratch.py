"""Names for a test's files that no other run has; what stands there when the interpreter ends is removed."""

import os
import sys

_handed_out = []


def path(name):
    fresh = "/tmp/careof-test-%s-%s" % (name, os.urandom(6).hex())
    _handed_out.append(fresh)
    return fresh


def _clean():
    for name in _handed_out:
        try:
            inside = os.listdir(name)
        except OSError:  # a file, or nothing
            _removed(os.remove, name)
            continue
        for file in inside:
            _removed(os.remove, name + "/" + file)
        _removed(os.rmdir, name)


def _removed(remove, name):
    try:
        remove(name)
    except OSError:
        pass


if hasattr(sys, "atexit"):
    sys.atexit(_clean)
else:
    import atexit

    atexit.register(_clean)
