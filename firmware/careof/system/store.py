"""Small values kept over a restart of careofd, in some files that are appended to.

    state/00.log ... 3f.log     a line for each change: a name, a space, the value (system.kept); or the name
                                alone: it is forgotten. The last line of a name counts

The folder lies on the run file system (memory), so nothing here waits for a disk; what has to outlive a
power cut is careof-keyd's. A line that was cut off is none: the old value counts. When much of a file is out
of date it is written anew, under a temporary name, and renamed. A name belongs to one file, so that this is
a small piece of all.

The first careofd had a file for each value (name.json): those are read, and turned into lines.
"""

import os

from ..limits import STORE_FILES, STORE_SLACK_SIZE
from . import kept

SIZE_MAX = 16777216  # octets of one file; a larger one is not ours
SUFFIX, TEMPORARY, OLDER = ".log", ".new", ".json"


class Store:
    def __init__(self, folder):
        """Raises OSError if the folder cannot be made."""
        self._folder = folder
        self._sizes = [0] * STORE_FILES  # octets of each file,
        self._grown = [0] * STORE_FILES  # and at how many it is written anew
        try:
            os.mkdir(folder)
        except OSError as e:
            if e.errno != 17:  # EEXIST
                raise

    def save(self, name, value):
        """Keep a JSON value under a name, or forget it (None). Raises OSError."""
        number = self._file_of(name)
        line = name.encode() + (b"\n" if value is None else b" " + kept.pack(value) + b"\n")
        if self._sizes[number] + len(line) > self._grown[number]:
            self._write_anew(number)
        with open(self._path(number), "ab") as file:
            file.write(line)
        self._sizes[number] += len(line)

    def restore(self):
        """kept.Restored of all that was kept. Raises nothing: what cannot be read is named there."""
        found = kept.Restored()
        for number in range(STORE_FILES):
            try:
                lines = self._lines(number)
            except (OSError, ValueError):
                found.unreadable.append("%02x%s" % (number, SUFFIX))
                continue
            for name, octets in lines.items():
                found.take(name, octets)
        self._restore_older(found)
        if not found.is_newer():
            self._tidy()
        return found

    # -- Files

    def _path(self, number):
        return "%s/%02x%s" % (self._folder, number, SUFFIX)

    @staticmethod
    def _file_of(name):
        found = 0
        for character in name:
            if not (character.isalpha() or character.isdigit() or character in "._-"):
                raise ValueError("store: name '%s'" % name)
            found = (found * 33 + ord(character)) & 0xFFFFFF
        return found % STORE_FILES

    def _lines(self, number):
        """{name: octets of the last value} of one file. Raises OSError, ValueError."""
        path, lines = self._path(number), {}
        try:
            size = os.stat(path)[6]
        except OSError:
            return lines  # there is none yet
        if size > SIZE_MAX:
            raise ValueError("larger than %d octets" % SIZE_MAX)
        with open(path, "rb") as file:
            octets = file.read()
        whole = octets[: octets.rfind(b"\n") + 1]
        for line in whole.split(b"\n"):
            name, _, value = line.partition(b" ")
            try:
                name = name.decode()
            except UnicodeError:
                continue
            if value:
                lines[name] = value
            else:
                lines.pop(name, None)
        return lines

    def _write_anew(self, number):
        """Each name once. What cannot be read makes way. Raises OSError."""
        try:
            lines = self._lines(number)
        except ValueError:
            lines = {}
        path = self._path(number)
        octets = b"".join([name.encode() + b" " + value + b"\n" for name, value in lines.items()])
        with open(path + TEMPORARY, "wb") as file:
            file.write(octets)
        os.rename(path + TEMPORARY, path)
        self._sizes[number] = len(octets)
        self._grown[number] = 2 * len(octets) + STORE_SLACK_SIZE

    def _tidy(self):
        """After a restart: behind a line that was cut off nothing is appended."""
        for number in range(STORE_FILES):
            try:
                os.stat(self._path(number))
                self._write_anew(number)
            except OSError:
                pass  # there is none, or it cannot be written: saving will say so

    # -- The first form

    def _restore_older(self, found):
        for file_name in sorted(os.listdir(self._folder)):
            if not file_name.endswith(OLDER):
                continue
            name = file_name[: -len(OLDER)]
            try:
                path = self._folder + "/" + file_name
                if name not in found.values and os.stat(path)[6] <= SIZE_MAX:
                    with open(path, "rb") as file:
                        octets = file.read()
                    found.take(name, octets)
                if name in found.values and not found.is_newer():
                    self.save(name, found.values[name])
                    os.remove(path)
            except (OSError, ValueError):
                found.unreadable.append(name)
