"""JSON that is whole: MicroPython up to 1.25 reads a text that was cut off (`{`, `[1`) as what is there.

Where it does, the brackets of a text are counted before it is read: one that is not closed is refused as any
other mistake is, with ValueError.
"""

import json


def _reads_what_was_cut():
    try:
        json.loads("[")
    except ValueError:
        return False
    return True


LAX = _reads_what_was_cut()


def loads(text):
    """The value of a text. Raises ValueError."""
    value = json.loads(text)
    if LAX and not closed(text):
        raise ValueError("JSON that was cut off")
    return value


def closed(text):
    """Is there an end to every object, list and string of a text that can be read?"""
    if not isinstance(text, str):
        text = bytes(text).decode()
    depth, quoted, escaped = 0, False, False
    for letter in text:
        if quoted:
            if escaped:
                escaped = False
            elif letter == "\\":
                escaped = True
            elif letter == '"':
                quoted = False
        elif letter == '"':
            quoted = True
        elif letter in "[{":
            depth += 1
        elif letter in "]}":
            depth -= 1
    return depth == 0 and not quoted
