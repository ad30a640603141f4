"""One line of a terminal that is far away: what it is believed to show, and the octets that change it.

At 9600 baud a line of 80 columns takes 83 ms, so what is there already is not written again: a changed line
is what it was, up to the first difference; then characters put in or taken out where the terminal can
(VT102's insert and delete character), or the rest written anew, whatever is less. A text longer than the line
has a window, which moves by half its width, so that typing on redraws seldom.

What is believed may be wrong after noise: forget() and show() write all of it.
"""

WIDTH, WIDTH_MIN, WIDTH_MAX = 80, 20, 500
WINDOW_MARK = "<"  # there is more before it


class Screen:
    def __init__(self, width=WIDTH):
        self.width = width
        self._prompt = None  # on the line now; None: the line is not ours
        self._shown, self._at = "", 0  # after the prompt; where the cursor is in it
        self._start = 0  # of the window

    @property
    def is_shown(self):
        return self._prompt is not None

    def forget(self):
        """The next show() begins at the left with nothing known."""
        self._prompt, self._shown, self._at, self._start = None, "", 0, 0

    def show(self, prompt, text, cursor):
        """Octets after which the line is prompt and text, with the cursor there."""
        out = []
        if prompt != self._prompt:
            if self._prompt is not None:
                out.append("\r\x1b[K")
            out.append(prompt)
            self._prompt, self._shown, self._at = prompt, "", 0
        window, at = self._window(len(prompt), text, cursor)
        out.append(self._changed(window))
        out.append(self._moved(at))
        return "".join(out).encode()

    def leave(self, mark=""):
        """Octets after which the cursor is on a new line, and the line is somebody else's. mark: after what
        is there, if there is room."""
        out = ""
        if self._prompt is not None:
            room = self.width - len(self._prompt) - len(self._shown)
            out = self._moved(len(self._shown)) + (mark if len(mark) <= room else "") + "\r\n"
        self.forget()
        return out.encode()

    def _window(self, used, text, cursor):
        """(what of the text can be seen, where the cursor is in that)"""
        room = max(self.width - used - 1, 8)  # the last column is never written: terminals differ there
        if len(text) <= room:
            self._start = 0
        elif cursor < self._start + 1 or cursor > self._start + room:
            self._start = max(0, cursor - room // 2)
            if self._start == 1:
                self._start = 0
        seen = text[self._start : self._start + room]
        if self._start:
            seen = WINDOW_MARK + seen[1:]
        return seen, cursor - self._start

    def _changed(self, wanted):
        """The line becomes that; the cursor is wherever it came to."""
        shown = self._shown
        if shown == wanted:
            return ""
        least = min(len(shown), len(wanted))
        same = 0
        while same < least and shown[same] == wanted[same]:
            same += 1
        tail = 0
        while tail < least - same and shown[-1 - tail] == wanted[-1 - tail]:
            tail += 1
        moved = self._moved(same)
        self._shown = wanted
        more = len(wanted) - len(shown)
        rest = wanted[same:]
        if more < 0:
            rest += " \b" if more == -1 else "\x1b[K"
        in_place = None
        if more > 0 and same + tail == len(shown):
            in_place = "\x1b[%d@" % more if more > 1 else "\x1b[@"
            in_place += wanted[same : same + more]
        elif more < 0 and same + tail == len(wanted):
            in_place = "\x1b[%dP" % -more if more < -1 else "\x1b[P"
        # The cursor then has to go back over what was written again.
        if in_place is not None and tail and len(in_place) < len(rest) + min(tail, 4):
            self._at = same + max(more, 0)
            return moved + in_place
        self._at = len(wanted)
        return moved + rest

    def _moved(self, to):
        by = to - self._at
        out = ""
        if by < 0:
            out = "\b" * -by if by >= -4 else "\x1b[%dD" % -by
        elif by > 0:
            out = self._shown[self._at : to] if by <= 4 else "\x1b[%dC" % by
        self._at = to
        return out
