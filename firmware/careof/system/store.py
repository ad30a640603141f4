"""Small values kept over a restart of careofd: one JSON file each, replaced as a whole.

The folder lies on the run file system (memory), so nothing here waits for a disk; what has to outlive a
power cut is careof-keyd's. A value is written to a temporary name and renamed: old or new, never between.
"""

import json
import os

SIZE_MAX = 262144  # octets of one value; a larger file is not ours
SUFFIX, TEMPORARY = ".json", ".new"


class Store:
    def __init__(self, folder):
        """Raises OSError if the folder cannot be made."""
        self._folder = folder
        try:
            os.mkdir(folder)
        except OSError as e:
            if e.errno != 17:  # EEXIST
                raise

    def save(self, name, value):
        """Keep a JSON value under a name, or forget it (None). Raises OSError."""
        path = self._path(name)
        if value is None:
            try:
                os.remove(path)
            except OSError as e:
                if e.errno != 2:  # ENOENT
                    raise
            return
        with open(path + TEMPORARY, "w") as file:
            file.write(json.dumps(value))
        os.rename(path + TEMPORARY, path)

    def restore(self):
        """[(name, value)] of all that was kept, and [name] of what cannot be read."""
        kept, unreadable = [], []
        for file_name in sorted(os.listdir(self._folder)):
            if not file_name.endswith(SUFFIX):
                continue
            name = file_name[: -len(SUFFIX)]
            try:
                path = self._folder + "/" + file_name
                if os.stat(path)[6] > SIZE_MAX:
                    raise ValueError("larger than %d octets" % SIZE_MAX)
                with open(path) as file:
                    kept.append((name, json.loads(file.read())))
            except (OSError, ValueError):
                unreadable.append(name)
        return kept, unreadable

    def _path(self, name):
        for character in name:
            if not (character.isalpha() or character.isdigit() or character in "._-"):
                raise ValueError("store: name '%s'" % name)
        return self._folder + "/" + name + SUFFIX
