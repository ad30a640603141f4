"""ARP (RFC 826), for those who come home and those who stand in for them (RFC 5944 4.6)."""

import struct
from collections import namedtuple

from .reader import Malformed

ETHERTYPE_IPV4, ETHERTYPE_ARP = 0x0800, 0x0806
EVERYONE = b"\xff\xff\xff\xff\xff\xff"
ARP_REQUEST, ARP_REPLY = 1, 2
_ARP = ">HHBBH6s4s6s4s"
_ARP_SIZE = 28

Arp = namedtuple("Arp", "operation sender_link_address sender_address target_link_address target_address")


def pack_arp(arp):
    return struct.pack(_ARP, 1, ETHERTYPE_IPV4, 6, 4, *arp)


def unpack_arp(data):
    """The Arp in some octets, paddings after it left out. Raises Malformed."""
    if len(data) < _ARP_SIZE:
        raise Malformed("arp", "%d octets, at least %d" % (len(data), _ARP_SIZE))
    hardware, protocol, size, address_size, *rest = struct.unpack_from(_ARP, data, 0)
    if (hardware, protocol, size, address_size) != (1, ETHERTYPE_IPV4, 6, 4):
        raise Malformed("arp", "not of IPv4 on Ethernet")
    return Arp(*rest)


def gratuitous_arp(link_address, address):
    """The address is at this link-layer address now: the packet that RFC 5944 4.6 sends to everyone.

    A request, as most of them are: it updates a cache as a reply does.
    """
    return pack_arp(Arp(ARP_REQUEST, link_address, address, link_address, address))
