"""Messages between careofd and careof-keyd (DESIGN section 2): one table, both ends.

A datagram of an AF_UNIX SOCK_SEQPACKET socket has one message or several, one after the other (wire/messages
has their form and the types of their fields), so that many questions cost one system call. Nothing in here
knows what a message is for.
"""

import struct

from .messages import Table, named_counters, split

VERSION = 1
DATAGRAM_SIZE_MAX = 8192  # octets of a datagram with several messages; MicroPython takes so much for each
PART_SIZE_MAX = 8000  # octets of a value in one Save or Value; more of it follows in the next
VALUE_SIZE_MAX = 262144  # octets of one value of the state

TO_KEYD, FROM_KEYD = "to", "from"

# What a key is for (AddKey.algorithm, and by name in keyd's file). Authenticators are not truncated.
ALGORITHM_HMAC_MD5 = 1  # RFC 2104, RFC 5944 5.1
ALGORITHM_HMAC_SHA1 = 2
ALGORITHM_HMAC_SHA256 = 3  # RFC 4231, with the two below
ALGORITHM_HMAC_SHA384 = 4
ALGORITHM_HMAC_SHA512 = 5
ALGORITHMS = {
    "hmac-md5": ALGORITHM_HMAC_MD5,
    "hmac-sha1": ALGORITHM_HMAC_SHA1,
    "hmac-sha256": ALGORITHM_HMAC_SHA256,
    "hmac-sha384": ALGORITHM_HMAC_SHA384,
    "hmac-sha512": ALGORITHM_HMAC_SHA512,
}

# Counters.values has one u64 each, in this order.
COUNTERS = (
    # questions
    "authenticated",
    "verified_genuine",
    "verified_false",
    "no_key",
    # keys held now, and files of them read
    "keys_added",
    "keys_of_file",
    "keys_loads",
    "keys_load_failed",
    # the state
    "values",
    "values_octets",
    "values_saved",
    "value_refused",
    "state_appended",
    "state_rewritten",
    "state_failed",
    # the socket to careofd
    "client_refused",
    "client_malformed",
    "client_unknown_kind",
    "client_refused_value",
)

_table = Table("keyd message")
_row = _table.row
ROWS = _table.rows
pack, unpack = _table.pack, _table.unpack

# Both say Hello first. keyd's `epoch` differs each time it starts. Keys that were added belong to the
# connection: when it ends they are wiped, and the next one begins without any.
Hello = _row(1, "Hello", TO_KEYD, (("version", "u16"),))
HelloBack = _row(2, "HelloBack", FROM_KEYD, (("version", "u16"), ("epoch", "u64"), ("keys_of_file", "u32")))
# The answer to whatever was refused, and to every LoadKeys (error 0: the new file is in force). `error` is an
# errno, `text` UTF-8 for a log line.
Done = _row(5, "Done", FROM_KEYD, (("of_number", "u32"), ("error", "u16"), ("text", "octets")))
#
# Keys. A key that was added goes before one of the same name in keyd's file. LoadKeys reads the file again:
# either all of it is in force then, or all that was before.
AddKey = _row(16, "AddKey", TO_KEYD, (("name", "name"), ("algorithm", "u8"), ("secret", "octets")))
DropKey = _row(17, "DropKey", TO_KEYD, (("name", "name"),))
LoadKeys = _row(18, "LoadKeys", TO_KEYD, ())
#
# Questions. `token` is the asker's, and comes back with the answer. NoKey: there is no key of that name.
Authenticate = _row(32, "Authenticate", TO_KEYD, (("token", "u32"), ("key", "name"), ("data", "octets")))
Authenticated = _row(33, "Authenticated", FROM_KEYD, (("token", "u32"), ("authenticator", "octets")))
Verify = _row(
    34,
    "Verify",
    TO_KEYD,
    (("token", "u32"), ("key", "name"), ("authenticator", "short"), ("data", "octets")),
)
Verified = _row(35, "Verified", FROM_KEYD, (("token", "u32"), ("genuine", "u8")))
NoKey = _row(36, "NoKey", FROM_KEYD, (("token", "u32"),))
#
# The state: values by name, which outlive a power cut. more: the value goes on in the next message, which has
# the same name. Saved: every Save and Forget up to that number is on the disk. Trouble: the disk refuses;
# what was saved is kept in memory and tried again until Saved says otherwise.
Save = _row(48, "Save", TO_KEYD, (("name", "name"), ("more", "u8"), ("value", "octets")))
Forget = _row(49, "Forget", TO_KEYD, (("name", "name"),))
Saved = _row(50, "Saved", FROM_KEYD, (("of_number", "u32"),))
Trouble = _row(51, "Trouble", FROM_KEYD, (("error", "u16"), ("text", "octets")))
# All values, in pages: after a page keyd says RestorePause and waits for RestoreMore, and at last RestoreEnd.
Restore = _row(52, "Restore", TO_KEYD, ())
RestoreMore = _row(53, "RestoreMore", TO_KEYD, ())
Value = _row(54, "Value", FROM_KEYD, (("name", "name"), ("more", "u8"), ("value", "octets")))
RestorePause = _row(55, "RestorePause", FROM_KEYD, ())
RestoreEnd = _row(56, "RestoreEnd", FROM_KEYD, ())
#
AskCounters = _row(64, "AskCounters", TO_KEYD, ())
Counters = _row(65, "Counters", FROM_KEYD, (("values", "octets"),))  # u64 each, as COUNTERS names them


def messages(datagram):
    """[(message, number)] of one datagram. Raises Malformed: then none of it is taken."""
    return [unpack_part(part) for part in parts(datagram)]


def parts(datagram):
    """The octets of each of its messages. Raises Malformed."""
    return split(datagram, "keyd message")


def unpack_part(part):
    """(message, number) of one of these. Raises Malformed."""
    answer = _ANSWERS.get(part[1]) if part[0] == 0 and len(part) >= _ANSWER_SIZE else None
    return answer(part) if answer else _table.unpack(part)


# -- What is said ten thousand times a second, in one step each; to the octet the same as by the table

_ANSWER_SIZE = 12  # octets of a header and a token


def key_octets(name):
    """A key's name as it stands in a question. Raises ValueError."""
    return pack(DropKey(name), 0)[8:]


def pack_authenticate(number, token, key, data):
    """pack(Authenticate(token, NAME, data), number), with key_octets(NAME)."""
    return struct.pack(">HHII", 32, 12 + len(key) + len(data), number, token) + key + data


def pack_verify(number, token, key, authenticator, data):
    """pack(Verify(token, NAME, authenticator, data), number), with key_octets(NAME)."""
    head = struct.pack(">HHII", 34, 13 + len(key) + len(authenticator) + len(data), number, token)
    return head + key + bytes((len(authenticator),)) + authenticator + data


def _authenticated(message):
    _, _, number, token = struct.unpack_from(">HHII", message, 0)
    return Authenticated(token, bytes(message[12:])), number


def _verified(message):
    if len(message) != 13:
        return _table.unpack(message)
    _, _, number, token, genuine = struct.unpack_from(">HHIIB", message, 0)
    return Verified(token, genuine), number


_ANSWERS = {33: _authenticated, 35: _verified}  # by kind, those below 256


def counters(values):
    """{name: count} of the octets of a Counters message. Raises Malformed."""
    return named_counters(COUNTERS, values)
