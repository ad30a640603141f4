"""Which code refuses a genuine request, and where an accepted one's tunnel ends."""

from careof.proto import admission
from careof.proto.admission import judge
from careof.wire import mip, mip_codes, mip_extensions
from careof.wire.tunneld import KIND_GRE, KIND_IPIP, KIND_MINIMAL, KIND_MIP_UDP, KIND_MIP_UDP_GRE

HOME, AGENT = bytes((10, 77, 0, 2)), bytes((198, 51, 100, 10))
CARE_OF, OUTSIDE = bytes((192, 168, 8, 2)), bytes((203, 0, 113, 77))
FLAGS = mip.FLAG_D | mip.FLAG_T
ASKS, FORCES = (
    mip_extensions.UdpTunnelRequest(0, 0),
    mip_extensions.UdpTunnelRequest(mip_extensions.UDP_FORCE, mip_extensions.ENCAPSULATION_IPIP),
)


def request(*extensions, flags=FLAGS, lifetime_s=600, home_agent=AGENT):
    return mip.RegistrationRequest(flags, lifetime_s, HOME, home_agent, CARE_OF, 1, list(extensions))


def verdict(message, source=CARE_OF, udp_tunnelling=True, after=b""):
    received = mip.unpack(mip.pack_to_sign(message, 256, 16) + bytes(16) + after)
    return judge(received, source, 40001, AGENT, udp_tunnelling)


def test_what_nothing_translated_is_ip_in_ip_to_the_care_of_address():
    result = verdict(request())
    assert (result.code, result.kind, result.peer, result.port, result.udp) == (
        0,
        KIND_IPIP,
        CARE_OF,
        0,
        None,
    )
    asked = verdict(request(ASKS))
    assert (asked.kind, asked.udp, asked.forced) == (KIND_IPIP, False, False)


def test_what_was_translated_is_udp_to_where_it_came_from():
    result = verdict(request(ASKS), OUTSIDE)
    assert (result.kind, result.peer, result.port) == (KIND_MIP_UDP, OUTSIDE, 40001)
    assert (result.udp, result.forced) == (True, False)


def test_udp_can_be_forced():
    result = verdict(request(FORCES))
    assert (result.kind, result.peer, result.port, result.forced) == (KIND_MIP_UDP, CARE_OF, 40001, True)


def test_through_an_agent_the_tunnel_has_no_port_yet():
    """RFC 3519 4.6: R; a node without a care-of address of its own has no business with it."""
    asks = mip_extensions.UdpTunnelRequest(mip_extensions.UDP_THROUGH_AGENT, 0)
    result = verdict(request(asks), OUTSIDE)
    assert (result.code, result.kind, result.peer, result.port) == (0, KIND_MIP_UDP, OUTSIDE, 0)
    assert (result.udp, result.forced) == (True, False)
    assert verdict(request(asks)).udp is False  # it did not come through one
    assert verdict(request(asks, flags=mip.FLAG_T), OUTSIDE).code == 134


def test_every_refusal_has_its_code():
    through_agent = mip_extensions.UdpTunnelRequest(mip_extensions.UDP_THROUGH_AGENT, 0)
    minimal = mip_extensions.UdpTunnelRequest(0, mip_extensions.ENCAPSULATION_MINIMAL)
    unknown = mip_extensions.CriticalVendor(9, 1, b"")
    for code, message, source, udp in (
        (136, request(home_agent=OUTSIDE), CARE_OF, True),
        (140, request(unknown), CARE_OF, True),
        (134, request(ASKS, flags=mip.FLAG_T), CARE_OF, True),
        (129, request(), OUTSIDE, True),
        (129, request(ASKS), OUTSIDE, False),
        (129, request(FORCES), CARE_OF, False),
        (129, request(through_agent), OUTSIDE, False),
        (142, request(minimal), OUTSIDE, True),
        (142, request(ASKS, flags=FLAGS | mip.FLAG_M), OUTSIDE, True),
    ):
        assert verdict(message, source, udp).code == code, (code, message)


def test_the_encapsulation_that_is_asked_for():
    for flags, kind, in_udp in (
        (0, KIND_IPIP, KIND_MIP_UDP),
        (mip.FLAG_M, KIND_MINIMAL, None),
        (mip.FLAG_G, KIND_GRE, KIND_MIP_UDP_GRE),
        (mip.FLAG_M | mip.FLAG_G, KIND_GRE, KIND_MIP_UDP_GRE),
    ):
        assert verdict(request(flags=FLAGS | flags)).kind == kind
        if in_udp is not None:
            assert verdict(request(ASKS, flags=FLAGS | flags), OUTSIDE).kind == in_udp
    by_name = mip_extensions.UdpTunnelRequest(0, mip_extensions.ENCAPSULATION_GRE)
    assert verdict(request(by_name), OUTSIDE).kind == KIND_MIP_UDP_GRE


def test_what_a_foreign_agent_added():
    asks = mip_extensions.pack_extension(ASKS)
    through = verdict(request(flags=mip.FLAG_T), OUTSIDE, after=asks)
    assert (through.code, through.kind, through.peer) == (0, KIND_MIP_UDP, OUTSIDE)
    assert verdict(request(), after=asks).code == 134  # RFC 3519 4.6.1
    unknown = mip_extensions.pack_extension(mip_extensions.CriticalVendor(9, 1, b""))
    assert verdict(request(), after=unknown).code == 141


def test_care_of_addresses_that_nobody_can_have():
    for care_of in (bytes(4), bytes((127, 0, 0, 1)), bytes((224, 0, 0, 9)), bytes((255, 255, 255, 255))):
        fields = list(request())
        fields[4] = care_of
        assert verdict(mip.RegistrationRequest(*fields), care_of).code == 134


def test_any_home_agent_will_do():
    for address in (bytes(4), bytes((255, 255, 255, 255))):
        assert verdict(request(home_agent=address)).code == 0  # RFC 4433


def test_every_code_has_a_text():
    for code in (129, 134, 136, 139, 140, 142):
        assert mip_codes.CODES[code][0] in mip_codes.describe_code(code)


def test_a_proof_asks_for_no_change():
    result = verdict(request(mip_extensions.NO_CHANGE))
    assert result.no_change and result.code == admission.ACCEPTED
    assert not verdict(request()).no_change


def test_leaving_is_possible_from_anywhere():
    result = verdict(request(lifetime_s=0), OUTSIDE, False)
    assert result.code == admission.ACCEPTED


if __name__ == "__main__":
    from runner import main

    main(globals())
