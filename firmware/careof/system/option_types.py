"""What makes the value of an option right: one Type for each kind of value."""

from collections import namedtuple

from ..wire import ipv4
from . import uci

MIP_PORT = 434
SENTENCE_MAX = 200  # octets: a message extension has room for 254 (RFC 4917 3)

# text: what is expected, as an error and the documentation say it. read(text): the value, or ValueError.
Type = namedtuple("Type", "text read")
WORDS: dict = {}  # text of a type -> the words that its values are, where they are a few


def _number(text):
    if not text or len(text) > 10:
        return None
    for character in text:
        if not "0" <= character <= "9":
            return None
    return int(text)


def whole(least, most):
    """A whole number."""

    def read(text):
        value = _number(text)
        if value is None or not least <= value <= most:
            raise ValueError
        return value

    return Type("a number from %d to %d" % (least, most), read)


def choice(*words):
    def read(text):
        if text not in words:
            raise ValueError
        return text

    made = Type("one of " + ", ".join(words), read)
    WORDS[made.text] = words
    return made


_YES, _NO = ("1", "on", "true", "yes", "enabled"), ("0", "off", "false", "no", "disabled")


def _read_boolean(text):
    if text in _YES or text in _NO:
        return text in _YES
    raise ValueError


def _read_address(text):
    address = ipv4.parse_address(text)
    if address[0] in (0, 127) or address[0] >= 224:
        raise ValueError
    return address


def _read_contact(text):
    address, colon, port = text.partition(":")
    port = _number(port) if colon else MIP_PORT
    if not port or port > 65535:
        raise ValueError
    return (_read_address(address), port)


def _read_device(text):
    if not 1 <= len(text) <= 15 or text in (".", ".."):
        raise ValueError
    for character in text:
        if not "!" <= character <= "~" or character in "/:":
            raise ValueError
    return text


def _read_name(text):
    if not uci.is_name(text):
        raise ValueError
    return text


def _read_key(text):
    if not 32 <= len(text) <= 128 or len(text) % 2:
        raise ValueError
    for character in text.lower():
        if character not in "0123456789abcdef":
            raise ValueError
    return bytes.fromhex(text)


def _read_text(text):
    if not 1 <= len(text) <= 255:
        raise ValueError
    for character in text:
        if not "!" <= character <= "~":
            raise ValueError
    return text


def _read_sentence(text):
    if not 1 <= len(text.encode()) <= SENTENCE_MAX:
        raise ValueError
    for character in text:
        if ord(character) < 32 or 127 <= ord(character) < 160:
            raise ValueError
    return text


def _read_domain(text):
    if not 1 <= len(text) <= 245:  # what a host configuration extension has room for
        raise ValueError
    for label in text.split("."):
        if not 1 <= len(label) <= 63 or label[0] == "-" or label[-1] == "-":
            raise ValueError
        for character in label.lower():
            if character not in "abcdefghijklmnopqrstuvwxyz0123456789-_":
                raise ValueError
    return text


def _read_url(text):
    scheme, _, rest = text.partition("://")
    if scheme not in ("http", "https") or not rest or len(text) > 245:
        raise ValueError
    return _read_text(text)


def _read_path(text):
    if not text.startswith("/"):
        raise ValueError
    return _read_text(text)


BOOLEAN = Type("1 or 0 (or on, off, true, false, yes, no)", _read_boolean)
WORDS[BOOLEAN.text] = ("1", "0")
ADDRESS = Type("an IPv4 address of one host, such as 198.51.100.10", _read_address)
CONTACT = Type("an IPv4 address, or one with a port, such as 198.51.100.10:434", _read_contact)
PREFIX = Type("an IPv4 prefix without bits beyond its length, such as 10.77.1.0/24", ipv4.parse_prefix)
DEVICE = Type("a network device, such as wan (1 to 15 characters)", _read_device)
TEXT = Type("1 to 255 printable characters without blanks", _read_text)
SENTENCE = Type("1 to %d octets of UTF-8 without control characters" % SENTENCE_MAX, _read_sentence)
DOMAIN = Type("a domain name, such as example.net", _read_domain)
URL = Type("an http or https URL of at most 245 characters", _read_url)
PATH = Type("a path from the root, such as /etc/careof/nodes", _read_path)
NAME = Type("the name of a section (letters, digits, _)", _read_name)
SECRET = Type("32 to 128 hexadecimal digits, an even number", _read_key)
