"""Which code refuses a genuine request, and where an accepted one's tunnel ends."""

from careof.proto import admission
from careof.proto.admission import judge
from careof.wire import mip, mip_codes, mip_extensions
from careof.wire.tunneld import KIND_IPIP, KIND_MIP_UDP

HOME, AGENT = bytes((10, 77, 0, 2)), bytes((198, 51, 100, 10))
CARE_OF, OUTSIDE = bytes((192, 168, 8, 2)), bytes((203, 0, 113, 77))
FLAGS = mip.FLAG_D | mip.FLAG_T
ASKS, FORCES = (
    mip_extensions.UdpTunnelRequest(0, 0),
    mip_extensions.UdpTunnelRequest(mip_extensions.UDP_FORCE, mip_extensions.ENCAPSULATION_IPIP),
)


def request(*extensions, flags=FLAGS, lifetime_s=600, home_agent=AGENT):
    return mip.RegistrationRequest(flags, lifetime_s, HOME, home_agent, CARE_OF, 1, list(extensions))


def verdict(message, source=CARE_OF, udp_tunnelling=True):
    return judge(message, source, 40001, AGENT, udp_tunnelling)


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


def test_every_refusal_has_its_code():
    through_agent = mip_extensions.UdpTunnelRequest(mip_extensions.UDP_THROUGH_AGENT, 0)
    gre = mip_extensions.UdpTunnelRequest(0, mip_extensions.ENCAPSULATION_GRE)
    unknown = mip_extensions.CriticalVendor(9, 1, b"")
    for code, message, source, udp in (
        (136, request(home_agent=bytes(4)), CARE_OF, True),
        (140, request(unknown), CARE_OF, True),
        (134, request(ASKS, flags=mip.FLAG_T), CARE_OF, True),
        (139, request(flags=FLAGS | mip.FLAG_G), CARE_OF, True),
        (139, request(flags=FLAGS | mip.FLAG_M), CARE_OF, True),
        (129, request(), OUTSIDE, True),
        (129, request(ASKS), OUTSIDE, False),
        (129, request(FORCES), CARE_OF, False),
        (129, request(through_agent), OUTSIDE, True),
        (142, request(gre), OUTSIDE, True),
    ):
        assert verdict(message, source, udp).code == code, (code, message)


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
