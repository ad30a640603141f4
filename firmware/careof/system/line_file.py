"""A long file of lines, read in pieces so that the loop goes on beside it.

    # a comment                 words, separated by blanks; # begins a comment
    10.77.0.2 vans 256

step() reads a piece; `mistakes` names every wrong line as file:line, up to so many. Whoever reads makes
something of its own from the lines, and takes it into use when all of it was right.
"""

from ..limits import READ_MISTAKES_MAX, READ_PIECE_SIZE
from ..wire.reader import printable

LINE_SIZE_MAX = 4096
TOO_LONG = "a line of more than %d octets" % LINE_SIZE_MAX


class LineFile:
    """Its heirs have take(words), which raises ValueError with what was expected."""

    def __init__(self, path):
        self.path = path
        self.mistakes = []
        self.line = 0
        self._rest = b""
        self._file = None
        try:
            self._file = open(path, "rb")  # noqa: SIM115  it is read on for as long as it takes
        except OSError as e:
            self.mistakes.append("%s: cannot be read: %s" % (path, e))

    def step(self):
        """Read on a little; is it done?"""
        if self._file is None:
            return True
        try:
            piece = self._file.read(READ_PIECE_SIZE)
        except OSError as e:
            self.mistakes.append("%s: cannot be read: %s" % (self.path, e))
            return self._end()
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop() if piece else b""
        for line in lines:
            self._take_line(line)
            if len(self.mistakes) >= READ_MISTAKES_MAX:
                self.mistakes.append("%s: not read further" % self.path)
                return self._end()
        if len(self._rest) > LINE_SIZE_MAX:
            self.line += 1
            self.mistake(TOO_LONG)
            return self._end()
        return self._end() if not piece else False

    def mistake(self, why, line=None):
        self.mistakes.append("%s:%d: %s" % (self.path, line or self.line, why))

    def _take_line(self, line):
        self.line += 1
        if len(line) > LINE_SIZE_MAX:
            self.mistake(TOO_LONG)
            return
        words = line.split(b"#")[0].split()
        if not words:
            return
        try:
            self.take([word.decode() for word in words])
        except UnicodeError:
            self.mistake("expected UTF-8")
        except ValueError as e:
            self.mistake(str(e))

    def _end(self):
        self._file.close()
        self._file = None
        return True


def shown(word):
    """A word of the file, for a message about it."""
    return "'%s'" % printable(word[:64].encode())
