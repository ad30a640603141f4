"""Log lines to standard error, where procd and systemd take them up; at a bounded rate a tag.

A tag may write LINES_MAX lines in WINDOW_MS; what is over is counted, and said when the window ends
and the tag speaks again. Text from outside is cut and stripped of what a terminal would obey.
"""

import sys

LEVELS = ("error", "warning", "notice", "info", "debug")
LINES_MAX = 20
WINDOW_MS = 10000
LINE_MAX = 400  # characters
OCTETS_MAX = 160  # of a datagram, as hexadecimal digits
TAGS_MAX = 64


class Log:
    def __init__(self, clock, level="info", write=None):
        self._clock = clock
        self._write = _to_stderr if write is None else write
        self._windows = {}  # tag -> [start_ms, lines, suppressed]
        self.set_level(level)

    def set_level(self, level):
        self._most = LEVELS.index(level)

    def line(self, level, tag, text):
        """Write one line, or count it as suppressed."""
        if LEVELS.index(level) > self._most:
            return
        now_ms = self._clock.now_ms()
        window = self._windows.get(tag)
        if window is None or now_ms - window[0] >= WINDOW_MS:
            if window is None and len(self._windows) >= TAGS_MAX:
                self._windows.clear()
            suppressed = window[2] if window else 0
            window = self._windows[tag] = [now_ms, 0, 0]
            if suppressed:
                self._write("careofd: notice: %s: %d lines suppressed\n" % (tag, suppressed))
        window[1] += 1
        if window[1] > LINES_MAX and level != "error":
            window[2] += 1
            return
        self._write("careofd: %s: %s: %s\n" % (level, tag, _printable(text[:LINE_MAX])))

    def octets(self, level, tag, name, data):
        """A line with what came, or how it begins; where it is not written it costs nothing."""
        if LEVELS.index(level) <= self._most:
            self.line(level, tag, "%s: %d octets: %s" % (name, len(data), data[:OCTETS_MAX].hex()))


def _printable(text):
    for character in text:
        if not 32 <= ord(character) < 127:
            return "".join([c if 32 <= ord(c) < 127 else "?" for c in text])
    return text


def _to_stderr(line):
    sys.stderr.write(line)
