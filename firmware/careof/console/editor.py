"""The line editor: octets in, events and octets out; it reads and writes nothing itself.

    feed(octets, more)  -> events: Line(text), Interrupt(), End(); `more`: others wait behind these
    refresh()           what is typed appears on the screen: called when no input waits and the line is free
    take_output()       octets for the terminal

So nothing is echoed while input is queued: a pasted configuration is not slowed down by its own echo, and on
a slow line only the state that counts is drawn. Lines of a paste leave no trace but what their commands say.

A `?` shows what may come here and Tab completes, both from `guide` (grammar), unless they are pasted: within
a bracketed paste, within quotes, and where more octets wait behind them they are text. A value that is a
secret is shown as stars (guide.secret_from).

A line longer than LINE_SIZE_MAX is told as Line(None), never cut; it has no other effect.
"""

from collections import namedtuple

from .keys import Keys
from .screen import Screen

LINE_SIZE_MAX = 1024  # characters
HISTORY_MAX = 50  # lines
BELL = b"\x07"
STAR = "*"

Line = namedtuple("Line", "text")
Interrupt = namedtuple("Interrupt", "")
End = namedtuple("End", "")


class Editor:
    """guide: complete(text) -> (what to put in, lines to show); help(text) -> lines; in_quotes(text);
    secret_from(text) -> where a secret begins, or None. prompt: set it whenever it changes."""

    def __init__(self, guide, prompt, width):
        self._guide = guide
        self.prompt = prompt
        self.screen = Screen(width)
        self._keys = Keys()
        self._text, self._cursor = "", 0
        self._killed = ""  # what yank puts in
        self._history, self._place = [], None  # place: index of the line that is shown, None: a new one
        self._new_line = ""  # what was typed before the history was looked at
        self._too_long = False
        self._pasting = False
        self._output = []
        self.is_raw = False  # text that is no command: no completion, no help, no history
        self.is_secret = False  # an answer that nobody may read
        self.was_shown = True  # the last line; one of a paste is not

    # -- Input

    def feed(self, octets, more=False):
        events = []
        for index, octet in enumerate(octets):
            key = self._keys.feed(octet)
            if key is not None:
                self._press(key, more or index + 1 < len(octets), events)
        return events

    def idle(self):
        """Nothing came for a while: no paste is under way."""
        self._keys.idle()
        self._pasting = False

    def _press(self, key, more, events):
        if key == "complete" and (more or self._pasting or self.is_raw):
            key = "\t" if self.is_raw else " "
        if len(key) == 1:
            if key == "?" and not (more or self._pasting or self.is_raw) and self._wants_help():
                self.say(self._guide.help(self._text[: self._cursor]))
            else:
                self._insert(key)
        elif key == "enter":
            self._entered(more or self._pasting, events)
        elif key == "interrupt":
            self._pasting = False
            self._leave_line("^C")
            events.append(Interrupt())
        elif key == "delete or end" and not self._text:
            if not more:  # in a paste, or in noise, it means nothing
                events.append(End())
        elif key == "complete":
            self._complete()
        else:
            ACTIONS[key](self)

    def _wants_help(self):
        return not self._guide.in_quotes(self._text[: self._cursor])

    def _entered(self, queued, events):
        text, self._text, self._cursor = self._text, "", 0
        too_long, self._too_long, self._place = self._too_long, False, None
        self.was_shown = not queued
        if not queued:
            self._text, self._cursor = text, len(text)
            self._leave_line("")
        if too_long:
            events.append(Line(None))
            return
        if not (self.is_raw or queued):
            self._remember(text)
        events.append(Line(text))

    def _remember(self, text):
        """In the history; what has a secret is nowhere kept."""
        if not text.strip() or self._guide.secret_from(text) is not None:
            return
        if not self._history or self._history[-1] != text:
            self._history.append(text)
            del self._history[:-HISTORY_MAX]

    def _leave_line(self, mark):
        """Show the line as it is, and begin a new one."""
        self.refresh()
        self._output.append(self.screen.leave(mark))
        self._text, self._cursor, self._place, self._too_long = "", 0, None, False

    # -- Output

    def refresh(self):
        """Draw what changed."""
        shown = self._text.replace("\t", " ")
        secret = 0 if self.is_secret else self._guide.secret_from(self._text)
        if secret is not None:
            shown = shown[:secret] + STAR * (len(shown) - secret)
        self._output.append(self.screen.show(self.prompt, shown, self._cursor))

    def say(self, lines):
        """Lines of text, each on its own; the line that is edited comes again after them."""
        if lines:
            self._output.append(self.screen.leave())
            self._output.append("".join([line + "\r\n" for line in lines]).encode())

    def take_output(self):
        output = b"".join(self._output)
        self._output = []
        return output

    # -- Keys

    def _insert(self, text):
        if len(self._text) + len(text) > LINE_SIZE_MAX:
            if not self._too_long:
                self._output.append(BELL)
            self._too_long = True
            return
        self._text = self._text[: self._cursor] + text + self._text[self._cursor :]
        self._cursor += len(text)

    def _complete(self):
        put_in, lines = self._guide.complete(self._text[: self._cursor])
        if put_in:
            self._insert(put_in)
        elif lines:
            self.say(lines)
        else:
            self._output.append(BELL)

    def _cut(self, begin, end, keep=True):
        if keep and begin < end:
            self._killed = self._text[begin:end]
        self._text = self._text[:begin] + self._text[end:]
        self._cursor = begin

    def _left(self):
        self._cursor = max(self._cursor - 1, 0)

    def _right(self):
        self._cursor = min(self._cursor + 1, len(self._text))

    def _home(self):
        self._cursor = 0

    def _end_of_line(self):
        self._cursor = len(self._text)

    def _word_begin(self):
        at = self._cursor
        while at and self._text[at - 1] == " ":
            at -= 1
        while at and self._text[at - 1] != " ":
            at -= 1
        return at

    def _word_left(self):
        self._cursor = self._word_begin()

    def _word_right(self):
        at, size = self._cursor, len(self._text)
        while at < size and self._text[at] == " ":
            at += 1
        while at < size and self._text[at] != " ":
            at += 1
        self._cursor = at

    def _backspace(self):
        if self._cursor:
            self._cut(self._cursor - 1, self._cursor, False)

    def _delete(self):
        self._cut(self._cursor, self._cursor + 1, False)

    def _kill_to_end(self):
        self._cut(self._cursor, len(self._text))

    def _kill_to_begin(self):
        self._cut(0, self._cursor)

    def _kill_word(self):
        self._cut(self._word_begin(), self._cursor)

    def _yank(self):
        self._insert(self._killed)

    def _redraw(self):
        if self.screen.is_shown:
            self._output.append(b"\r\x1b[K")
        self.screen.forget()

    def _previous(self):
        if self._place is None and self._history:
            self._new_line = self._text
            self._recall(len(self._history) - 1)
        elif self._place:
            self._recall(self._place - 1)

    def _next(self):
        if self._place is not None:
            self._recall(self._place + 1)

    def _recall(self, place):
        self._place = place if place < len(self._history) else None
        self._text = self._new_line if self._place is None else self._history[place]
        self._cursor = len(self._text)

    def _paste_begins(self):
        self._pasting = True

    def _paste_ends(self):
        self._pasting = False


ACTIONS = {
    "left": Editor._left,
    "right": Editor._right,
    "home": Editor._home,
    "end of line": Editor._end_of_line,
    "word left": Editor._word_left,
    "word right": Editor._word_right,
    "backspace": Editor._backspace,
    "delete": Editor._delete,
    "delete or end": Editor._delete,
    "kill to end": Editor._kill_to_end,
    "kill to begin": Editor._kill_to_begin,
    "kill word": Editor._kill_word,
    "yank": Editor._yank,
    "redraw": Editor._redraw,
    "previous": Editor._previous,
    "next": Editor._next,
    "paste begins": Editor._paste_begins,
    "paste ends": Editor._paste_ends,
}
