"""A file of keys, as careof-keyd has it: one a line, NAME ALGORITHM HEXKEY.

Read into a key provider that nothing uses yet, which takes the place of the one before when all was right.
"""

from .line_file import LineFile, shown
from .option_types import SECRET


class KeysFile(LineFile):
    """provider: has add_key(). What it says of the keys themselves never comes into a message."""

    def __init__(self, path, provider):
        super().__init__(path)
        self.provider = provider
        self._names = set()

    def take(self, words):
        if len(words) != 3:
            raise ValueError("expected NAME ALGORITHM HEXKEY")
        name, algorithm, key = words
        if name in self._names:
            raise ValueError("%s: it is there already" % shown(name))
        self._names.add(name)
        try:
            secret = SECRET.read(key)
        except ValueError:
            raise ValueError("key of %s: expected %s" % (shown(name), SECRET.text))
        self.provider.add_key(name, algorithm, secret)
