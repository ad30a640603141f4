"""The form of what a role keeps over a restart: rows of plain JSON values, in an order that a table says.

A row has no names in it, since thousands of them are kept; its layout has them, and what each field must be.
What was kept comes back through here, so whatever is wrong with it is found before anything is made of it.
What the order of another version was, its reader knows (system.kept has the number of the version).
"""

from collections import namedtuple


def _address(value):
    octets = bytes.fromhex(value)
    if len(octets) != 4:
        raise ValueError("not four octets")
    return octets


def _only(*kinds):
    def read(value):
        if type(value) not in kinds:
            raise TypeError("another type")
        return value

    return read


_WRONG = (ValueError, TypeError, AttributeError)

# What a field may be: (how it is read, what to say of one that cannot be)
ADDRESS = (_address, "an address as 8 hexadecimal digits")
OCTETS = (bytes.fromhex, "octets as hexadecimal digits")
NUMBER = (_only(int), "a number")
TEXT = (_only(str), "a text")
FLAG = (_only(bool), "true or false")
LIST = (_only(list), "a list")


def maybe(kind):
    """This, or null."""
    read, text = kind
    return (lambda value: None if value is None else read(value)), text + ", or null"


class Layout:
    """The fields of one kind of row, each a name and what it may be."""

    def __init__(self, name, *fields):
        self._name, self._fields = name, fields
        self._reads = tuple([read for _, (read, _) in fields])
        self._row = namedtuple(name, tuple([field for field, _ in fields]))

    def read(self, values):
        """The row, with its fields by name. Raises ValueError."""
        if type(values) is not list or len(values) != len(self._reads):
            raise ValueError("%s: expected a list of %d fields" % (self._name, len(self._reads)))
        try:
            return self._row(*[read(value) for read, value in zip(self._reads, values)])
        except _WRONG:
            raise ValueError(self._mistake(values))

    def _mistake(self, values):
        """Which field it is, and what was expected there."""
        for value, (field, (read, text)) in zip(values, self._fields):
            try:
                read(value)
            except _WRONG:
                return "%s.%s: expected %s" % (self._name, field, text)
        return self._name
