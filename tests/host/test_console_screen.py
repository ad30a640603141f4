"""The line editor on pyte, a terminal that somebody else wrote: what is on the screen is what was typed."""

import random

import pyte
import pytest
from careof.console.editor import Editor
from test_console_editor import DELETE, END_OF_LINE, HOME, LEFT, RIGHT, Guide


@pytest.mark.parametrize("width", [30, 80])
def test_the_line_on_the_screen_is_the_line(width):
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    screen = pyte.Screen(width, 24)
    stream = pyte.ByteStream(screen)
    editor = Editor(Guide(), "careof> ", width)
    keys = [bytes((octet,)) for octet in b"abc \x7f\x17\x0b\x19\x0c"] + [LEFT] * 3
    keys += [DELETE, RIGHT, HOME, END_OF_LINE]
    wanted, cursor = "", 0
    for _ in range(600):
        key = chance.choice(keys)
        if len(wanted) > width - 12:
            key = b"\x15" if chance.random() < 0.5 else b"\x7f"
        if key in (b"\x17", b"\x0b", b"\x19"):
            key = b"d"  # what they do is in the unit tests
        editor.feed(key)
        editor.refresh()
        stream.feed(editor.take_output())
        if key == b"\x15":
            wanted, cursor = wanted[cursor:], 0
        elif key == b"\x7f":
            wanted, cursor = wanted[: max(cursor - 1, 0)] + wanted[cursor:], max(cursor - 1, 0)
        elif key == DELETE:
            wanted = wanted[:cursor] + wanted[cursor + 1 :]
        elif key in (LEFT, RIGHT):
            cursor = max(cursor - 1, 0) if key == LEFT else min(cursor + 1, len(wanted))
        elif key in (HOME, END_OF_LINE):
            cursor = 0 if key == HOME else len(wanted)
        elif key != b"\x0c":
            wanted, cursor = wanted[:cursor] + key.decode() + wanted[cursor:], cursor + 1
        row = screen.display[screen.cursor.y]
        assert row.rstrip() == ("careof> " + wanted).rstrip(), seed
        assert screen.cursor.x == len("careof> ") + cursor, seed
