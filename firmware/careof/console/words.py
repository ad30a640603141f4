"""The words of a line that is typed, quoted as in a file: bare, 'quoted', "with \\" escapes", or pieces of
these side by side; # at the begin of a word begins a comment."""

_BLANKS = " \t"
NO_MATE = "a %s without its other one"


def words(text):
    """[(word, begin, end)]. Raises ValueError."""
    found = []
    at = 0
    while True:
        while at < len(text) and text[at] in _BLANKS:
            at += 1
        if at == len(text) or text[at] == "#":
            return found
        begin = at
        value, at = _word(text, begin)
        found.append((value, begin, at))


def _word(text, at):
    """(value, end) of the word that begins there. Raises ValueError."""
    value = ""
    while at < len(text) and text[at] not in _BLANKS:
        character = text[at]
        if character == "'":
            end = text.find("'", at + 1)
            if end < 0:
                raise ValueError(NO_MATE % "'")
            value += text[at + 1 : end]
            at = end + 1
        elif character == '"':
            piece, at = _double_quoted(text, at + 1)
            value += piece
        elif character == "\\":
            value += text[at + 1 : at + 2]
            at += 2
        elif character == "#" and not value:
            break
        else:
            value += character
            at += 1
    return value, at


def _double_quoted(text, at):
    value = ""
    while at < len(text) and text[at] != '"':
        if text[at] == "\\" and at + 1 < len(text):
            at += 1
        value += text[at]
        at += 1
    if at >= len(text):
        raise ValueError(NO_MATE % '"')
    return value, at + 1
