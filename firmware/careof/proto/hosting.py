"""Host configuration as a node takes it from its home agent's replies (RFC 4332), and words for its user (RFC
4917).

The home agent is authenticated; still nothing of it goes into a file or onto a terminal that does not look
like what it says it is.
"""

from collections import namedtuple

from ..wire import ipv4, mip_extensions
from ..wire.mip_extensions import (
    HOST_DNS,
    HOST_DNS_SUFFIX,
    HOST_GATEWAY,
    HOST_PREFIX_LENGTH,
    HOST_URL,
)
from ..wire.reader import printable
from .visiting import is_unicast

DNS_SERVERS_MAX = 2  # 3.3: primary and secondary
_DOMAIN = "abcdefghijklmnopqrstuvwxyz0123456789-_."

# What is not told is None. dns_servers: addresses.
Host = namedtuple("Host", "prefix_length gateway dns_servers dns_suffix url")
NOTHING = Host(None, None, (), None, None)


def read(extensions):
    """The Host of a reply's extensions."""
    items = mip_extensions.host_configuration_of(extensions)
    length = int.from_bytes(items.get(HOST_PREFIX_LENGTH, b""), "big")
    dns = items.get(HOST_DNS, b"")
    servers = [dns[at : at + 4] for at in range(0, len(dns) - len(dns) % 4, 4)][:DNS_SERVERS_MAX]
    gateway = items.get(HOST_GATEWAY, b"")
    return Host(
        length if 0 < length <= 32 else None,
        gateway if len(gateway) == 4 and is_unicast(gateway) else None,
        tuple([server for server in servers if is_unicast(server)]),
        _domain(items.get(HOST_DNS_SUFFIX, b"")),
        _url(items.get(HOST_URL, b"")),
    )


def _domain(octets):
    text = words(octets)
    looks_so = text and all([character in _DOMAIN for character in text.lower()])
    return text if looks_so else None


def _url(octets):
    text = printable(octets)
    looks_so = text.partition("://")[0] in ("http", "https") and all([33 <= octet < 127 for octet in octets])
    return text if looks_so else None


def words(octets):
    """UTF-8 from outside as text for a log or a terminal; control characters, and what is no UTF-8: "?"."""
    try:
        text = octets.decode()
    except ValueError:
        return printable(octets)
    return "".join(["?" if ord(c) < 32 or 127 <= ord(c) < 160 else c for c in text])


def said(extensions, origin):
    """What a message says to the user, by that origin; or None."""
    for extension in mip_extensions.find_all(extensions, mip_extensions.MessageString):
        if extension.origin == origin:
            return words(extension.text)
    return None


def quoted(extensions, origin):
    """The same for the end of a log line, or nothing."""
    text = said(extensions, origin)
    return "" if text is None else '; it says "%s"' % text


def shown(host):
    """For status: plain JSON values of what was told."""
    values = {
        "prefix_length": host.prefix_length,
        "gateway": host.gateway and ipv4.address_text(host.gateway),
        "dns_servers": [ipv4.address_text(server) for server in host.dns_servers] or None,
        "dns_suffix": host.dns_suffix,
        "url": host.url,
    }
    return {name: value for name, value in values.items() if value is not None}


def saved(host):
    return [
        host.prefix_length,
        host.gateway and host.gateway.hex(),
        [server.hex() for server in host.dns_servers],
        host.dns_suffix,
        host.url,
    ]


def restored(value):
    prefix_length, gateway, servers, suffix, url = value
    servers = tuple([bytes.fromhex(server) for server in servers])
    return Host(prefix_length, gateway and bytes.fromhex(gateway), servers, suffix, url)
