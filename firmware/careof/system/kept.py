"""The form of a value that is kept over a restart: the version of its form, a space, and JSON.

    2 ["0a4d0002", [[256, "timestamps", [16887872...   of this careofd
    {"care_of": "c0000207", "visitors": [...           without a version: of the first, which had none

Version 2 keeps a row of each binding and visitor (agent.layout), where version 1 had lists of them. What an
older careofd kept is read. What a newer one kept says who knows what: careofd does not start over it, and
changes nothing.
"""

import json

from .. import json_text

VERSION = 2
_PREFIX = b"%d " % VERSION


def pack(value):
    """The octets of a JSON value."""
    return _PREFIX + json.dumps(value).encode()


def unpack(octets):
    """(version, value); the value of a newer one is not read: None. Raises ValueError."""
    version = bytes(octets[:12]).split(b" ")[0]
    if version.isdigit() and len(version) < min(len(octets), 12):
        number = int(version)
        if number > VERSION:
            return number, None
        octets = octets[len(version) + 1 :]
    else:
        number = 1
    try:
        return number, json_text.loads(bytes(octets).decode())
    except (ValueError, UnicodeError):
        raise ValueError("not JSON")


class Restored:
    """What was found, value by value: `values` by name, `unreadable` names, and the `newest` version."""

    def __init__(self):
        self.values, self.unreadable, self.newest = {}, [], 0

    def take(self, name, octets):
        try:
            version, self.values[name] = unpack(octets)
            self.newest = max(self.newest, version)
        except ValueError:
            self.unreadable.append(name)

    def is_newer(self):
        """Was some of it kept by a careofd that knows more than this one?"""
        return self.newest > VERSION
