"""Octets of a terminal -> keys: a character that is text, or the name of what was pressed.

    text      any character from " " on, UTF-8 put together
    ^A ...    control characters that mean something (CONTROLS); others are nothing
    ESC [ ... a sequence of VT100 and its heirs (SEQUENCES), ESC b: a word back; others are nothing

On a line that loses octets a sequence may stay without its end, or a character without its last octets:
what is no continuation begins anew, and after a silence (idle()) whatever was begun is forgotten. Nothing
that comes makes a key that was not pressed, but for octets that became others.
"""

CONTROLS = {
    0x01: "home",
    0x02: "left",
    0x03: "interrupt",
    0x04: "delete or end",
    0x05: "end of line",
    0x06: "right",
    0x08: "backspace",
    0x09: "complete",
    0x0A: "enter",
    0x0B: "kill to end",
    0x0C: "redraw",
    0x0D: "enter",
    0x0E: "next",
    0x10: "previous",
    0x15: "kill to begin",
    0x17: "kill word",
    0x19: "yank",
    0x7F: "backspace",
}
SEQUENCES = {
    b"[A": "previous",
    b"[B": "next",
    b"[C": "right",
    b"[D": "left",
    b"[H": "home",
    b"[F": "end of line",
    b"[1~": "home",
    b"[3~": "delete",
    b"[4~": "end of line",
    b"[7~": "home",
    b"[8~": "end of line",
    b"[200~": "paste begins",
    b"[201~": "paste ends",
    b"OA": "previous",
    b"OB": "next",
    b"OC": "right",
    b"OD": "left",
    b"OH": "home",
    b"OF": "end of line",
    b"b": "word left",
    b"f": "word right",
}
SEQUENCE_SIZE_MAX = 16  # octets after ESC; whatever is longer is none that we know
ESCAPE, CARRIAGE_RETURN, LINE_FEED = 0x1B, 0x0D, 0x0A


class Keys:
    def __init__(self):
        self._sequence = None  # octets after ESC
        self._character = b""  # of UTF-8, not all there
        self._missing = 0
        self._after_return = False  # CR LF is one key

    def feed(self, octet):
        """The key that this octet completes, or None."""
        after_return, self._after_return = self._after_return, octet == CARRIAGE_RETURN
        if octet == ESCAPE:
            self.idle()
            self._sequence = b""
            return None
        if self._sequence is not None:
            if octet >= 0x20:
                return self._continue_sequence(octet)
            self._sequence = None  # its end was lost: what comes is a key of its own
        if octet >= 0x80:
            return self._part(octet)
        self._character, self._missing = b"", 0
        if 0x20 <= octet < 0x7F:
            return chr(octet)
        if octet == LINE_FEED and after_return:
            return None
        return CONTROLS.get(octet)

    def idle(self):
        """Nothing came for a while: what was begun will not be completed."""
        self._sequence = None
        self._character, self._missing = b"", 0

    def _continue_sequence(self, octet):
        sequence = self._sequence + bytes((octet,))
        if sequence in (b"[", b"O"):
            self._sequence = sequence
            return None
        first = sequence[0]
        if first == 0x5B and 0x20 <= octet < 0x40 and len(sequence) < SEQUENCE_SIZE_MAX:
            self._sequence = sequence  # parameters; the last octet is one from @ to ~
            return None
        self._sequence = None
        return SEQUENCES.get(sequence)

    def _part(self, octet):
        if octet & 0xC0 == 0x80:
            if not self._missing:
                return None
            self._character += bytes((octet,))
            self._missing -= 1
            if self._missing:
                return None
            try:
                text = self._character.decode()
            except UnicodeError:
                text = None
            self._character = b""
            # Control characters of Latin-1 do something to some terminals.
            return None if text is None or 0x7F <= ord(text) < 0xA0 else text
        self._character = bytes((octet,))
        if octet & 0xE0 == 0xC0:
            self._missing = 1
        elif octet & 0xF0 == 0xE0:
            self._missing = 2
        elif octet & 0xF8 == 0xF0:
            self._missing = 3
        else:
            self._character, self._missing = b"", 0
        return None
