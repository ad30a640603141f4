"""Files that a power cut leaves as they were before or after, never between.

replace() writes beside the file, has it on the disk (fsync), renames, and has the folder on the disk. Owner
and mode are those of the file that was there; where there was none, only the owner may read it. It waits for
the disk: whoever calls it is no loop.

MicroPython's flush() is an fsync, of folders too; it has neither chmod nor chown, so `cp -p` brings them.
"""

import os

from .sockets import MICROPYTHON

ENOENT = 2
NEW = "new"


def beside(path, kind):
    """The path of a hidden file beside one: uci and the like do not take it for a configuration."""
    folder, slash, name = path.rpartition("/")
    return "%s%s.%s.%s" % (folder, slash, name, kind)


def shell_word(text):
    """Any text as one word of a shell's command line."""
    return "'" + text.replace("'", "'\\''") + "'"


def exists(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def read(path):
    """The octets of a file. Raises OSError."""
    pieces = []
    with open(path, "rb") as file:
        while True:
            piece = file.read(4096)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)


def replace(path, data, like=None):
    """The file is these octets. like: a file whose owner and mode it gets, else its own. Raises OSError, and
    then it is as it was."""
    fresh = beside(path, NEW)
    old, new = shell_word(like or path), shell_word(fresh)
    remove(fresh)
    if os.system("cp -p %s %s 2>/dev/null || (umask 077; : >%s) 2>/dev/null" % (old, new, new)):
        raise OSError(5, "%s cannot be written" % fresh)  # EIO
    try:
        with open(fresh, "wb") as file:
            file.write(data)
            _sync(file)
    except OSError:
        remove(fresh)
        raise
    os.rename(fresh, path)
    sync_folder(path)


def remove(path):
    """True if it was there."""
    try:
        os.remove(path)
    except OSError as e:
        if e.errno == ENOENT:
            return False
        raise
    return True


def _sync(file):
    file.flush()
    if not MICROPYTHON:
        os.fsync(file.fileno())


def sync_folder(path):
    """What was renamed or removed in the folder of that path is so after a power cut."""
    folder = path.rpartition("/")[0] or "/"
    if MICROPYTHON:
        with open(folder, "rb") as file:
            file.flush()
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
