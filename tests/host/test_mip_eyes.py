"""Independent eyes on the wire: tshark and scapy read every kind of message that we send, and what scapy
builds is read by us. Nothing in here trusts our own decoder where theirs is asked."""

import itertools
import json
import shutil
import struct
import subprocess

import pytest
from careof.crypt import ALGORITHMS
from careof.crypt.soft import SoftProvider
from careof.wire import icmp, ipv4, mip, mip_codes, mip_extensions
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.mobileip import MobileIP, MobileIPRRP, MobileIPRRQ, MobileIPTunnelData
from scapy.utils import wrpcap

HOME, AGENT, CARE_OF = (ipv4.parse_address(a) for a in ("10.77.0.2", "198.51.100.10", "192.0.2.2"))
IDENTIFICATION = 0xE9D5A1B2C3D4E5F6
SPI = 0x1234
FLAGS = (mip.FLAG_S, mip.FLAG_B, mip.FLAG_D, mip.FLAG_M, mip.FLAG_G, mip.FLAG_T)
NAMES_OF_FLAGS = ("s", "b", "d", "m", "g", "t")

UDP_ANSWERS = (
    (mip_extensions.UDP_TUNNEL_WILL_DO, False),
    (mip_extensions.UDP_TUNNEL_WILL_DO, True),
    (mip_extensions.UDP_TUNNEL_DECLINED, False),
)

keys = SoftProvider()
for name in ALGORITHMS:
    keys.add_key(name, name, bytes(range(32)))


def signed(message, algorithm="hmac-sha256"):
    data = mip.pack_to_sign(message, SPI, ALGORITHMS[algorithm].authenticator_size)
    return data + keys.authenticate(algorithm, data)


def request(flags=mip.FLAG_D | mip.FLAG_T, lifetime_s=600, extensions=()):
    return mip.RegistrationRequest(flags, lifetime_s, HOME, AGENT, CARE_OF, IDENTIFICATION, list(extensions))


def requests():
    for count in range(len(FLAGS) + 1):
        for flags in itertools.combinations(FLAGS, count):
            yield request(sum(flags))
    for flags in (0, mip_extensions.UDP_FORCE):
        udp = mip_extensions.UdpTunnelRequest(flags, mip_extensions.ENCAPSULATION_IPIP)
        yield request(extensions=[udp])
        yield request(extensions=[udp, mip_extensions.NO_CHANGE])
    yield request(lifetime_s=0)
    yield request(lifetime_s=0xFFFF)
    yield request(extensions=[mip_extensions.NO_CHANGE])


def replies():
    for code in mip_codes.CODES:
        yield mip.RegistrationReply(code, 600, HOME, AGENT, IDENTIFICATION, [])
    for code, forced in UDP_ANSWERS:
        tunnel = mip_extensions.UdpTunnelReply(code, forced, 110)
        yield mip.RegistrationReply(0, 600, HOME, AGENT, IDENTIFICATION, [tunnel])


def probe():
    return icmp.pack_packet(HOME, AGENT, icmp.Echo(icmp.ECHO_REQUEST, 0xCA0F, 7, b"probe"))


def from_us(payload):
    return IP(src="192.0.2.2", dst="198.51.100.10") / UDP(sport=434, dport=434) / payload


@pytest.fixture
def tshark(tmp_path):
    """decode(packets) -> for each packet its layers, as tshark understands them."""
    if not shutil.which("tshark"):
        pytest.skip("needs tshark")

    def decode(packets):
        path = tmp_path / "eyes.pcap"
        wrpcap(str(path), [IP(bytes(packet)) for packet in packets], linktype=101)
        checks = ("-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE")
        command = ("tshark", "-r", path, "-T", "json", "--no-duplicate-keys", *checks)
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        layers = [packet["_source"]["layers"] for packet in json.loads(done.stdout)]
        assert len(layers) == len(packets)
        return layers

    return decode


def fields(tree):
    """Every (name, value) of a decoded tree, whatever its depth."""
    found = []
    for name, value in tree.items():
        if isinstance(value, dict):
            found += fields(value)
        else:
            for one in value if isinstance(value, list) else [value]:
                found += fields(one) if isinstance(one, dict) else [(name, one)]
    return found


def complaints(layers):
    signs = ("_ws.malformed", "_ws.expert", "_ws.short")
    return [pair for pair in fields(layers) if pair[0].startswith(signs)]


def test_the_complaint_detector_detects(tshark):
    """The control: a message that is cut off is complained about."""
    [layers] = tshark([from_us(signed(request())[:-40])])
    assert complaints(layers) or "_ws.malformed" in layers


def test_tshark_reads_requests(tshark):
    sent = list(requests())
    for message, layers in zip(sent, tshark([from_us(signed(m)) for m in sent]), strict=True):
        assert not complaints(layers), message
        seen = dict(fields(layers["mip"]))
        assert seen["mip.type"] == "1" and seen["mip.life"] == str(message.lifetime_s)
        assert (seen["mip.homeaddr"], seen["mip.haaddr"], seen["mip.coa"]) == (
            "10.77.0.2",
            "198.51.100.10",
            "192.0.2.2",
        )
        for flag, letter in zip(FLAGS, NAMES_OF_FLAGS, strict=True):
            assert seen[f"mip.{letter}"] == str(int(bool(message.flags & flag))), (message, letter)
        assert seen["mip.auth.spi"] == f"0x{SPI:08x}"
        assert seen["mip.auth.auth"].replace(":", "") == signed(message)[-32:].hex()


def test_tshark_reads_replies(tshark):
    sent = list(replies())
    for message, layers in zip(sent, tshark([from_us(signed(m)) for m in sent]), strict=True):
        assert not complaints(layers), message
        seen = dict(fields(layers["mip"]))
        assert seen["mip.type"] == "3" and seen["mip.code"] == str(message.code)
        assert seen["mip.life"] == "600" and seen["mip.homeaddr"] == "10.77.0.2"


def test_tshark_reads_both_algorithms(tshark):
    decoded = tshark([from_us(signed(request(), name)) for name in ALGORITHMS])
    for name, layers in zip(ALGORITHMS, decoded, strict=True):
        assert not complaints(layers)
        authenticator = dict(fields(layers["mip"]))["mip.auth.auth"].replace(":", "")
        assert len(authenticator) == 2 * ALGORITHMS[name].authenticator_size


def test_tshark_reads_tunnels(tshark):
    by_udp = from_us(mip.pack_tunnel_data(mip.TunnelData(4, probe())))
    by_ipip = IP(src="192.0.2.2", dst="198.51.100.10", proto=4) / probe()
    for layers in tshark([by_udp, by_ipip]):
        assert not complaints(layers)
        seen = dict(fields(layers))
        assert seen["icmp.type"] == "8" and seen["icmp.checksum.status"] == "1"
        assert int(seen["icmp.ident"], 0) == 0xCA0F


def test_scapy_reads_what_we_send():
    for message in requests():
        read = MobileIP(signed(message))[MobileIPRRQ]
        assert (read.flags, read.lifetime, read.id) == (message.flags, message.lifetime_s, IDENTIFICATION)
        assert (read.homeaddr, read.haaddr, read.coaddr) == ("10.77.0.2", "198.51.100.10", "192.0.2.2")
    for message in replies():
        read = MobileIP(signed(message))[MobileIPRRP]
        assert (read.code, read.lifetime, read.id) == (message.code, 600, IDENTIFICATION)
    inner = MobileIP(mip.pack_tunnel_data(mip.TunnelData(4, probe())))[MobileIPTunnelData][IP]
    assert inner.dst == "198.51.100.10" and inner[ICMP].id == 0xCA0F


def by_hand(spi, key_name):
    """A mobile-home authentication extension (the figure of RFC 5944 3.5.2), but for the authenticator."""
    size = ALGORITHMS[key_name].authenticator_size
    return struct.pack(">BBI", 32, 4 + size, spi)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_scapy_builds_is_read(algorithm):
    built = MobileIP(type=1) / MobileIPRRQ(
        flags=0x22, lifetime=300, homeaddr="10.77.0.2", haaddr="198.51.100.10", coaddr="192.0.2.2", id=77
    )
    data = bytes(built) + by_hand(SPI, algorithm)
    data += keys.authenticate(algorithm, data)
    received = mip.unpack(data)
    expected = mip.RegistrationRequest(mip.FLAG_D | mip.FLAG_T, 300, HOME, AGENT, CARE_OF, 77, [])
    assert received.message == expected
    assert keys.verify(algorithm, received.protected, received.authentication.authenticator)

    built = MobileIP(type=3) / MobileIPRRP(
        code=1, lifetime=200, homeaddr="10.77.0.2", haaddr="198.51.100.10", id=77
    )
    data = bytes(built) + by_hand(SPI, algorithm)
    data += keys.authenticate(algorithm, data)
    received = mip.unpack(data)
    assert received.message == mip.RegistrationReply(1, 200, HOME, AGENT, 77, [])
    assert keys.verify(algorithm, received.protected, received.authentication.authenticator)


def test_what_scapy_tunnels_is_read():
    packet = IP(src="10.77.0.2", dst="10.78.0.2") / UDP(sport=1, dport=2) / b"inner"
    data = bytes(MobileIP(type=4) / MobileIPTunnelData(nexthdr=4) / packet)
    assert mip.unpack_tunnel_data(data) == mip.TunnelData(4, bytes(packet))


# -- Names, home agents that are found, networks, host configuration, words for people

NAI = b"branch7@example.net"
LAN, FOREIGN = ipv4.parse_prefix("10.77.1.0/24"), ipv4.parse_prefix("10.99.0.0/16")


def values(layers, name):
    """All values of one field, in their order."""
    return [value for field, value in fields(layers["mip"]) if field == name]


def by_name(extensions, code=None):
    """A request, or a reply with that code, that says a name before the rest."""
    extensions = [mip_extensions.Nai(NAI), *extensions]
    if code is None:
        return mip.RegistrationRequest(
            mip.FLAG_D | mip.FLAG_T, 600, bytes(4), b"\xff" * 4, CARE_OF, IDENTIFICATION, extensions
        )
    return mip.RegistrationReply(code, 600, HOME, AGENT, IDENTIFICATION, extensions)


def test_tshark_reads_names(tshark):
    asked, told = tshark([from_us(signed(by_name([]))), from_us(signed(by_name([], 0)))])
    for layers in (asked, told):
        assert not complaints(layers)
        assert values(layers, "mip.nai") == [NAI.decode()]
    assert values(asked, "mip.haaddr") == ["255.255.255.255"] and values(asked, "mip.homeaddr") == ["0.0.0.0"]


def test_dynamic_home_agents_stand_as_the_figure_draws_them(tshark):
    """tshark is no witness here: it takes the long header of RFC 4433 3.4 (a length of 16 bits) for a short
    one, and complains of what it then finds. So the figure is written out by hand, and shown to be what
    tshark stumbles over: the same octets in a short extension that it does not know pass."""
    for kind, code in ((mip_extensions.HA_REQUESTED, None), (mip_extensions.HA_REDIRECTED, 143)):
        message = by_name([mip_extensions.DynamicHomeAgent(kind, AGENT)], code)
        drawn = struct.pack(">BBH4s", 139, kind, 4, AGENT)
        assert drawn in mip.pack(message) and mip.pack(message).endswith(drawn)
        unknown = struct.pack(">BB6s", 250, 6, drawn[2:])
        [layers] = tshark([from_us(mip.pack(by_name([], code)) + unknown)])
        assert not complaints(layers)


def test_tshark_reads_mobile_networks(tshark):
    asked = by_name([mip_extensions.MobileNetworkRequest(*prefix) for prefix in (LAN, FOREIGN)])
    told = [
        mip_extensions.MobileNetworkReply(mip_extensions.NETWORK_EXPLICIT, 0, *LAN),
        mip_extensions.MobileNetworkReply(mip_extensions.NETWORK_EXPLICIT, 2, *FOREIGN),
        mip_extensions.MobileNetworkReply(mip_extensions.NETWORK_IMPLICIT, 0, *LAN),
    ]
    request_layers, reply_layers = tshark([from_us(signed(asked)), from_us(signed(by_name(told, 0)))])
    assert not complaints(request_layers) and not complaints(reply_layers)
    assert values(request_layers, "mip.ext.mne.subtype") == ["0", "0"]
    assert values(request_layers, "mip.ext.mne.prefix_length") == ["24", "16"]
    assert values(request_layers, "mip.ext.mne.prefix") == ["10.77.1.0", "10.99.0.0"]
    assert values(reply_layers, "mip.ext.mne.subtype") == ["1", "1", "2"]
    assert values(reply_layers, "mip.ext.mne.code") == ["0", "2", "0"]
    assert values(reply_layers, "mip.ext.mne.prefix") == ["10.77.1.0", "10.99.0.0", "10.77.1.0"]


def test_tshark_reads_words_and_vendor_extensions(tshark):
    host = [
        mip_extensions.host_configuration(mip_extensions.HOST_DNS, AGENT),
        mip_extensions.host_configuration(mip_extensions.HOST_DNS_SUFFIX, b"example.net"),
    ]
    words = mip_extensions.MessageString(mip_extensions.MESSAGE_FROM_HOME_AGENT, b"80 % of your quota")
    critical = mip_extensions.CriticalVendor(99999, 7, b"abc")
    [layers] = tshark([from_us(signed(by_name([words, *host, critical], 0)))])
    assert not complaints(layers)
    assert values(layers, "mip.ext.msgstr.subtype") == ["1"]
    assert values(layers, "mip.ext.msgstr.text") == ["80 % of your quota"]
    assert values(layers, "mip.ext.nvse.vendor_id") == [str(mip_extensions.CISCO)] * 2
    assert values(layers, "mip.ext.nvse.vendor_type") == ["14", "14"]
    shown = [value.replace(":", "") for value in values(layers, "mip.ext.nvse.vendor_value")]
    assert shown == ["0002" + AGENT.hex(), "0006" + b"example.net".hex()]
    assert values(layers, "mip.ext.cvse.vendor_id") == ["99999"]
    assert values(layers, "mip.ext.cvse.vendor_type") == ["0x0007"]


def test_what_a_foreign_agent_adds_is_read_behind_the_authentication(tshark):
    data = signed(by_name([], 0))
    for extension in (
        mip_extensions.MessageString(mip_extensions.MESSAGE_FROM_FOREIGN_AGENT, b"first floor"),
        mip_extensions.AgentError(65),
    ):
        data += mip_extensions.pack_extension(extension)
    [layers] = tshark([from_us(data)])
    assert not complaints(layers)
    assert values(layers, "mip.ext.msgstr.text") == ["first floor"]
    assert values(layers, "mip.ext.type") == ["131", "32", "145", "45"]


def test_scapy_reads_what_stands_before_and_behind_names():
    """It knows no extensions: their octets are what is left, and where the RFCs' figures have them."""
    message = by_name([mip_extensions.DynamicHomeAgent(mip_extensions.HA_REQUESTED, AGENT)])
    read = MobileIP(signed(message))[MobileIPRRQ]
    assert (read.homeaddr, read.haaddr, read.id) == ("0.0.0.0", "255.255.255.255", IDENTIFICATION)
    figures = struct.pack(">BB", 131, len(NAI)) + NAI  # RFC 2794 figure 1
    figures += struct.pack(">BBH4s", 139, 1, 4, AGENT)  # RFC 4433 figure 1
    assert bytes(read.payload).startswith(figures)


def test_a_request_by_name_that_scapy_builds_is_read():
    built = MobileIP(type=1) / MobileIPRRQ(
        flags=0x22, lifetime=300, homeaddr="0.0.0.0", haaddr="255.255.255.255", coaddr="192.0.2.2", id=77
    )
    data = bytes(built) + struct.pack(">BB", 131, len(NAI)) + NAI
    data += struct.pack(">BBBB4s", 148, 6, 0, 24, LAN[0])  # RFC 5177 4.1
    data += by_hand(SPI, "hmac-md5")
    data += keys.authenticate("hmac-md5", data)
    received = mip.unpack(data)
    assert received.message.home_address == bytes(4) and received.message.home_agent == b"\xff" * 4
    assert received.message.extensions == [
        mip_extensions.Nai(NAI),
        mip_extensions.MobileNetworkRequest(*LAN),
    ]
    assert keys.verify("hmac-md5", received.protected, received.authentication.authenticator)
