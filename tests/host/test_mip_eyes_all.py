"""Every kind of message and every extension there is a row for, as tshark and scapy read them.

What they do not know is in TSHARK_DOES_NOT_KNOW and SCAPY_KNOWS, with the reason; a new row without an entry
in EXPECTED is a failure.
"""

import pytest
from careof.wire import ipv4, mip
from careof.wire import mip_extensions as ext
from careof.wire import router_discovery as discovery
from scapy.layers.inet import IP
from scapy.layers.mobileip import MobileIP, MobileIPRRP, MobileIPRRQ, MobileIPTunnelData
from scapy.packet import Raw
from test_mip_eyes import complaints, fields, from_us, tshark  # noqa: F401
from test_mip_messages import ADVERTISEMENTS, MESSAGES, ONES, SAMPLES, SIGNED, at_home_in, row_of

dotted = ipv4.address_text


def authentication(extension):
    return {"mip.auth.spi": f"0x{extension.spi:08x}", "mip.auth.auth": extension.authenticator}


def unnamed(octets):
    """tshark has no fields of its own for it; it shows its data."""
    return {"mip.extension": octets}


# Of each kind: what tshark is to say of one. Octets: in its notation, with colons.
EXPECTED = {
    ext.MobileHomeAuthentication: authentication,
    ext.MobileForeignAuthentication: authentication,
    ext.ForeignHomeAuthentication: authentication,
    ext.MobileAaaAuthentication: lambda e: {"mip.ext.auth.subtype": "1", **authentication(e)},
    ext.CriticalVendor: lambda e: {
        "mip.ext.cvse.vendor_id": str(e.vendor),
        "mip.ext.cvse.vendor_type": f"0x{e.kind:04x}",
        "mip.ext.cvse.vendor_value": e.value,
    },
    ext.UdpTunnelReply: lambda e: {
        "mip.ext.utrp.code": str(e.code),
        "mip.ext.utrp.f": str(int(e.forced)),
        "mip.ext.utrp.keepalive": str(e.keepalive_s),
    },
    ext.AgentError: lambda e: unnamed(bytes((0, e.status))),
    ext.EncapsulatingDelivery: lambda e: unnamed(b""),
    ext.Nai: lambda e: {"mip.nai": e.name.decode()},
    ext.Challenge: lambda e: unnamed(e.value),
    ext.NormalVendor: lambda e: {
        "mip.ext.nvse.vendor_id": str(e.vendor),
        "mip.ext.nvse.vendor_type": str(e.kind),
        "mip.ext.nvse.vendor_value": e.value,
    },
    ext.CarriedNai: lambda e: unnamed(bytes((e.kind,)) + e.name),
    ext.RevocationSupport: lambda e: {
        "mip.ext.rev.i": str(int(e.inform)),
        "mip.ext.rev.tstamp": str(e.timestamp),
    },
    ext.UdpTunnelRequest: lambda e: {
        "mip.ext.utrq.f": str(int(bool(e.flags & ext.UDP_FORCE))),
        "mip.ext.utrq.r": str(int(bool(e.flags & ext.UDP_THROUGH_AGENT))),
        "mip.ext.utrq.encaptype": str(e.encapsulation),
    },
    ext.MessageString: lambda e: {
        "mip.ext.msgstr.subtype": str(e.origin),
        "mip.ext.msgstr.text": e.text.decode(),
    },
    ext.MobileNetworkRequest: lambda e: {
        "mip.ext.mne.subtype": "0",
        "mip.ext.mne.prefix_length": str(e.length),
        "mip.ext.mne.prefix": dotted(e.prefix),
    },
    ext.MobileNetworkReply: lambda e: {
        "mip.ext.mne.subtype": str(e.kind),
        "mip.ext.mne.code": str(e.code),
        "mip.ext.mne.prefix_length": str(e.length),
        "mip.ext.mne.prefix": dotted(e.prefix),
    },
}
TSHARK_DOES_NOT_KNOW = {
    ext.DynamicHomeAgent: "it takes the short form for it, where RFC 4433 3.4 (figure 1) has the long one",
}
SCAPY_KNOWS = {
    mip.RegistrationRequest: MobileIPRRQ,
    mip.RegistrationReply: MobileIPRRP,
    # Of revocations (RFC 3543) it knows nothing, and of extensions neither: they are octets to it.
}


def carriers():
    """(extension, datagram, message) for each sample in each place where it is legal."""
    for samples in SAMPLES:
        for extension in samples:
            row, octets = row_of(extension), ext.pack_extension(extension)
            for message, protected in at_home_in(row):
                behind = octets + SIGNED if protected else SIGNED + octets
                if row.kind == ext.MOBILE_HOME:
                    behind = octets
                yield extension, mip.pack(message) + behind, message


def as_shown(value):
    return ":".join(f"{octet:02x}" for octet in value) if isinstance(value, bytes) else value


def test_each_kind_is_in_one_of_the_lists():
    kinds = {type(extension) for samples in SAMPLES for extension in samples}
    assert kinds == set(EXPECTED) | set(TSHARK_DOES_NOT_KNOW)
    assert not set(EXPECTED) & set(TSHARK_DOES_NOT_KNOW)


def test_tshark_reads_every_extension_in_every_place(tshark):  # noqa: F811
    sent = [row for row in carriers() if type(row[0]) not in TSHARK_DOES_NOT_KNOW]
    assert len(sent) > 100
    for (extension, data, message), layers in zip(
        sent, tshark([from_us(d) for _, d, _ in sent]), strict=True
    ):
        assert not complaints(layers) and "_ws.malformed" not in layers, (extension, message)
        seen = fields(layers["mip"])
        assert ("mip.ext.type", str(row_of(extension).kind)) in seen, (extension, message)
        for name, value in EXPECTED[type(extension)](extension).items():
            assert (name, as_shown(value)) in seen, (name, extension, message, data.hex())


def test_what_tshark_does_not_know_it_reads_wrongly(tshark):  # noqa: F811
    """So that a tshark that has learnt it is noticed here."""
    for kind in TSHARK_DOES_NOT_KNOW:
        sent = [from_us(data) for extension, data, _ in carriers() if type(extension) is kind]
        assert all(complaints(layers) or "_ws.malformed" in layers for layers in tshark(sent))


def test_tshark_reads_every_message(tshark):  # noqa: F811
    for message, layers in zip(
        MESSAGES, tshark([from_us(mip.pack(m) + SIGNED) for m in MESSAGES]), strict=True
    ):
        assert not complaints(layers), message
        seen = dict(fields(layers["mip"]))
        if isinstance(message, mip.Revocation):
            assert (seen["mip.type"], seen["mip.revid"]) == ("7", str(message.identifier))
            assert seen["mip.rev.a"] == str(int(bool(message.flags & mip.REVOKED_BY_HOME_AGENT)))
            assert seen["mip.rev.i"] == str(int(bool(message.flags & mip.REVOCATION_INFORM)))
            assert seen["mip.rev.hda"] == dotted(message.home_domain)
            assert seen["mip.rev.fda"] == dotted(message.foreign_domain)
        elif isinstance(message, mip.RevocationAcknowledgment):
            assert (seen["mip.type"], seen["mip.revid"]) == ("15", str(message.identifier))
        else:
            assert seen["mip.life"] == str(message.lifetime_s)
        assert seen["mip.homeaddr"] == dotted(message.home_address)


def on_the_link(message):
    """With a TTL that tshark has nothing to say about."""
    return IP(src="198.51.100.10", dst="224.0.0.9", ttl=1, proto=1) / Raw(discovery.pack(message))


AGENT_BITS = {
    "icmp.mip.r": discovery.AGENT_R,
    "icmp.mip.b": discovery.AGENT_B,
    "icmp.mip.h": discovery.AGENT_H,
    "icmp.mip.f": discovery.AGENT_F,
    "icmp.mip.m": discovery.AGENT_M,
    "icmp.mip.g": discovery.AGENT_G,
    "icmp.mip.rt": discovery.AGENT_T,
    "icmp.mip.u": discovery.AGENT_U,
    "icmp.mip.x": discovery.AGENT_X,
}


def test_tshark_reads_advertisements_and_solicitations(tshark):  # noqa: F811
    messages = (*ADVERTISEMENTS, discovery.Solicitation())
    for message, layers in zip(messages, tshark([on_the_link(m) for m in messages]), strict=True):
        seen = dict(fields(layers["icmp"]))
        assert not complaints(layers["icmp"]) and seen["icmp.checksum.status"] == "1", message
        if message == discovery.Solicitation():
            assert seen["icmp.type"] == "10"
            continue
        assert (seen["icmp.type"], seen["icmp.code"]) == ("9", str(message.code))
        assert seen["icmp.num_addrs"] == str(len(message.routers))
        for length in message.prefix_lengths or ():
            assert ("icmp.mip.prefixlength", str(length)) in fields(layers["icmp"])
        if message.challenge is not None:
            assert seen["icmp.mip.challenge"] == as_shown(message.challenge)
        if message.agent is None:
            continue
        assert seen["icmp.mip.seq"] == str(message.agent.sequence)
        assert seen["icmp.mip.life"] == str(message.agent.lifetime_s)
        for name, bit in AGENT_BITS.items():
            assert seen[name] == str(int(bool(message.agent.flags & bit))), name
        shown = [value for name, value in fields(layers["icmp"]) if name == "icmp.mip.coa"]
        assert shown == [dotted(address) for address in message.agent.care_of]


def test_scapy_reads_every_message_that_it_knows_and_passes_on_the_rest():
    known = [row for row in carriers() if type(row[2]) in SCAPY_KNOWS]
    assert len(known) > 50
    for _, data, message in known:
        read = MobileIP(data)[SCAPY_KNOWS[type(message)]]
        assert bytes(read.payload) == data[len(mip.pack(message)) :]
        assert (read.lifetime, read.homeaddr) == (message.lifetime_s, dotted(message.home_address))
        assert read.id == message.identification
        assert bytes(MobileIP(data)) == data
    data = MobileIP(mip.pack_tunnel_data(mip.TunnelData(4, bytes(IP(src="10.77.0.2", dst=dotted(ONES))))))
    assert data[MobileIPTunnelData][IP].src == "10.77.0.2"


@pytest.mark.parametrize("message", [m for m in MESSAGES if type(m) not in SCAPY_KNOWS], ids=repr)
def test_what_scapy_does_not_know_it_leaves_alone(message):
    read = MobileIP(mip.pack(message))
    assert read.type == mip.pack(message)[0] and bytes(read) == mip.pack(message)
