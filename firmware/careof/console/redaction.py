"""Texts as they may be shown: without what an option's type makes a secret, and without what looks like one.

In a configuration the values of secret options are hidden, and so are those of options that the table does
not know: one of them may be a secret with a letter wrong. Anywhere, comments and logs too, so many
hexadecimal digits in a row are hidden (keys have at least 32; no address and no counter has).

HIDDEN in a configuration that comes back (load, receive) means: the value that is there now.
"""

from ..system import uci
from ..system.option_table import BY_KIND

HIDDEN = "<hidden>"
DIGITS_MIN = 32
_HEXADECIMAL = "0123456789abcdefABCDEF"


def option_of(kind, name):
    """The option's row, or None."""
    row = BY_KIND.get(kind)
    if row is not None:
        for option in row.options:
            if option.name == name:
                return option
    return None


def is_secret(kind, name):
    """Must its value not be shown?"""
    option = option_of(kind, name)
    return option is None or option.secret


def secret_run(text, at=0):
    """(begin, end) of the first run of many hexadecimal digits from there on, or None."""
    begin = at
    for index in range(at, len(text) + 1):
        if index < len(text) and text[index] in _HEXADECIMAL:
            continue
        if index - begin >= DIGITS_MIN:
            return begin, index
        begin = index + 1
    return None


def line(text):
    """Any line, without what looks like a key."""
    found = secret_run(text)
    while found:
        text = text[: found[0]] + HIDDEN + text[found[1] :]
        found = secret_run(text, found[0] + len(HIDDEN))
    return text


def rows_of(document):
    """A configuration's rows as they may be shown."""
    hidden = {}
    for section in document.sections:
        for entry in section.entries:
            if is_secret(section.kind, entry.name):
                hidden.setdefault(entry.row, []).append(entry.span)
    shown = []
    for number, text in enumerate(document.rows()):
        for begin, end in reversed(hidden.get(number, ())):
            text = text[:begin] + uci.quoted(HIDDEN) + text[end:]
        shown.append(line(text))
    return shown


def filled(document, before):
    """Give secrets that come as HIDDEN the values that they have in `before`. Raises ValueError."""
    for section in document.sections:
        for name in [entry.name for entry in section.entries if entry.value == HIDDEN]:
            old = before.find(section.kind, section.name)
            values = [entry.value for entry in old.all(name)] if old is not None else []
            if len(values) != 1:
                text = "config %s '%s': option '%s' %s: there is none now: expected the value itself"
                raise ValueError(text % (section.kind, section.name, name, HIDDEN))
            document.set_option(section, name, values[0])
