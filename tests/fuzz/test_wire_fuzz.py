"""Any octets to every parser of the wire room: a value or Malformed; and what was packed is read back.

Mutations begin with messages that are right, so that most get past the first check.
"""

import struct

from careof.wire import icmp, ipv4, keyd, link, mip, mip_extensions, netlink, router_discovery, tunneld, udp
from careof.wire.messages import split as messages_of
from careof.wire.reader import Malformed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

settings.register_profile("smoke", max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("smoke")

ADDRESS = st.binary(min_size=4, max_size=4)
U8, U16, U32, U64 = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 32, 64))

EXTENSIONS = st.lists(
    st.one_of(
        st.builds(mip_extensions.UdpTunnelRequest, st.sampled_from((0, 0x40, 0x80, 0xC0)), U8),
        st.builds(mip_extensions.CriticalVendor, U32, U16, st.binary(max_size=40)),
        st.builds(mip_extensions.NormalVendor, U32, U16, st.binary(max_size=40)),
        st.builds(mip_extensions.Nai, st.binary(min_size=1, max_size=40)),
    ),
    max_size=4,
    unique_by=lambda extension: (type(extension), extension if "Vendor" in type(extension).__name__ else 0),
)
REQUESTS = st.builds(
    mip.RegistrationRequest,
    *(U8.map(lambda flags: flags & mip.FLAGS), U16, ADDRESS, ADDRESS, ADDRESS, U64, EXTENSIONS),
)
REPLIES = st.builds(
    mip.RegistrationReply,
    *(U8, U16, ADDRESS, ADDRESS, U64),
    st.lists(st.builds(mip_extensions.UdpTunnelReply, U8, st.booleans(), U16), max_size=1),
)


@st.composite
def mutated(draw, valid):
    """Right octets, with some changed, cut off, put in or repeated."""
    data = bytearray(draw(valid))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        how = draw(st.sampled_from(["change", "cut", "insert", "repeat"]))
        if how == "change" and at < len(data):
            data[at] = draw(U8)
        elif how == "cut":
            del data[at:]
        elif how == "insert":
            data[at:at] = draw(st.binary(max_size=8))
        elif how == "repeat":
            data[at:at] = data[at : at + draw(st.integers(0, 40))]
    return bytes(data)


def read(parse, data):
    """The value, or None if it was refused as it should be."""
    try:
        return parse(data)
    except Malformed as e:
        assert e.where and e.why and str(e)
        return None


def signed(message):
    return mip.pack_to_sign(message, 256, 16) + bytes(16)


@given(st.one_of(REQUESTS, REPLIES))
def test_registrations_are_read_back(message):
    received = mip.unpack(signed(message))
    assert received.message == message and received.protected == signed(message)[:-16]


@given(st.one_of(st.binary(max_size=300), mutated(st.one_of(REQUESTS, REPLIES).map(signed))))
def test_any_registration(data):
    received = read(mip.unpack, data)
    if received is not None and received.authentication is not None:
        assert data.startswith(received.protected)
        assert len(received.protected) + len(received.authentication.authenticator) <= len(data)


def sample(kind):
    sizes = {"u8": U8, "u16": U16, "u32": U32, "u64": U64, "ip": ADDRESS}
    device = st.text("abcdefghijklmnopqrstuvwxyz0123456789.-", max_size=15)
    more = {
        "device": device,
        "mac": st.binary(min_size=6, max_size=6),
        "list32": st.lists(U32, max_size=9).map(tuple),
        "name": st.text("abcXYZ019.-_", min_size=1, max_size=63),
        "short": st.binary(max_size=255),
        "octets": st.binary(max_size=60),
    }
    return {**sizes, **more}[kind]


def messages(table):
    rows = table.ROWS
    return st.one_of(
        [st.builds(getattr(table, row.name), *[sample(kind) for _, kind in row.fields]) for row in rows]
    )


TO_TUNNELD, TO_KEYD = messages(tunneld), messages(keyd)


@given(TO_TUNNELD, U32)
def test_tunneld_messages_are_read_back(message, number):
    assert tunneld.unpack(tunneld.pack(message, number)) == (message, number)


@given(st.one_of(st.binary(max_size=100), mutated(TO_TUNNELD.map(lambda m: tunneld.pack(m, 1)))))
def test_any_tunneld_message(data):
    found = read(tunneld.unpack, data)
    if found is not None:
        assert tunneld.pack(*found) == data


@given(st.lists(TO_KEYD, max_size=5))
def test_keyd_datagrams_are_read_back(several):
    datagram = b"".join([keyd.pack(message, number) for number, message in enumerate(several)])
    assert keyd.messages(datagram) == [(message, number) for number, message in enumerate(several)]


@given(st.one_of(st.binary(max_size=100), mutated(TO_KEYD.map(lambda m: keyd.pack(m, 1) * 2))))
def test_any_keyd_datagram(data):
    found = read(keyd.messages, data)
    assert found == read(lambda d: [keyd.unpack(m) for m in messages_of(d, "keyd message")], data)
    if found is not None:
        assert b"".join([keyd.pack(*message) for message in found]) == data


@given(st.binary(max_size=400))
def test_any_counters(data):
    read(tunneld.counters, data)
    read(keyd.counters, data)


PACKETS = st.builds(ipv4.Packet, ADDRESS, ADDRESS, U8, U8, U8, U16, st.booleans(), st.binary(max_size=100))


@given(PACKETS)
def test_packets_are_read_back(packet):
    assert ipv4.unpack(ipv4.pack(packet)) == packet
    assert ipv4.unpack(ipv4.pack(packet) + b"padding") == packet


@given(st.one_of(st.binary(max_size=100), mutated(PACKETS.map(ipv4.pack))))
def test_any_packet(data):
    read(ipv4.unpack, data)
    read(icmp.unpack, data)
    read(icmp.unpack_packet, data)


@given(ADDRESS, ADDRESS, U16, U16, st.binary(max_size=64))
def test_probes_are_read_back(source, destination, identifier, sequence, data):
    echo = icmp.Echo(icmp.ECHO_REQUEST, identifier, sequence, data)
    assert icmp.unpack_packet(icmp.pack_packet(source, destination, echo)) == (source, destination, echo)


DATAGRAMS = st.builds(udp.Datagram, ADDRESS, U16, ADDRESS, U16, U8, st.binary(max_size=100))


@given(DATAGRAMS)
def test_datagrams_are_read_back(datagram):
    assert udp.unpack(ipv4.unpack(udp.pack_packet(datagram))) == datagram


@given(st.one_of(st.binary(max_size=100), mutated(DATAGRAMS.map(udp.pack_packet))))
def test_any_datagram(data):
    packet = read(ipv4.unpack, data)
    if packet is not None:
        read(udp.unpack, packet)
        read(router_discovery.unpack, packet.payload)


AGENTS = st.builds(
    lambda sequence, lifetime_s, flags, care_of: router_discovery.Agent(
        sequence, lifetime_s, flags & router_discovery.FLAGS | router_discovery.AGENT_F, tuple(care_of)
    ),
    U16,
    U16,
    U16,
    st.lists(ADDRESS, min_size=1, max_size=4),
)
ADVERTISEMENTS = st.builds(
    router_discovery.Advertisement,
    st.sampled_from((0, 16)),
    U16,
    st.just([(b"\x0a\0\0\1", 0), (b"\x0a\0\0\2", -5)]),
    st.none() | AGENTS,
    st.none() | st.just((24, 16)),
    st.none() | st.binary(min_size=1, max_size=20),
)


@given(ADVERTISEMENTS)
def test_advertisements_are_read_back(message):
    assert router_discovery.unpack(router_discovery.pack(message)) == message


@given(mutated(ADVERTISEMENTS.map(router_discovery.pack)))
def test_any_advertisement(data):
    data = data[:2] + bytes(2) + data[4:]
    data = data[:2] + ipv4.checksum(data).to_bytes(2, "big") + data[4:]  # past the checksum
    read(router_discovery.unpack, data)


@given(st.binary(max_size=40))
def test_any_arp(data):
    found = read(link.unpack_arp, data)
    if found is not None:
        assert link.pack_arp(found) == data[:28]


def netlink_message(kind, body):
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body + bytes(-len(body) % 4)


def attribute(kind, value):
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


ATTRIBUTES = st.lists(st.builds(attribute, st.integers(0, 12), st.binary(max_size=12)), max_size=6).map(
    b"".join
)
NETLINK = st.lists(
    st.builds(
        netlink_message,
        st.sampled_from((2, 3, 16, 17, 20, 21, 24, 25, 99)),
        st.builds(
            lambda head, attributes: head + attributes, st.binary(min_size=12, max_size=20), ATTRIBUTES
        ),
    ),
    max_size=4,
).map(b"".join)


@given(st.one_of(st.binary(max_size=200), NETLINK, mutated(NETLINK)))
def test_any_netlink_datagram(data):
    messages = read(netlink.unpack, data)
    for message in messages or ():
        assert isinstance(message, (netlink.Link, netlink.Address, netlink.Route, netlink.Done))


@given(st.text(max_size=40))
def test_any_text_as_an_address_or_a_prefix(text):
    for parse, write in ((ipv4.parse_address, ipv4.address_text), (ipv4.parse_prefix, ipv4.prefix_text)):
        try:
            value = parse(text)
        except ValueError:
            continue
        assert write(value) == text
