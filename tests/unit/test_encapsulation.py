"""What a mobile node asks for, and what it falls back to when that is not to be had."""

from careof.proto.encapsulation import ALL, Encapsulation
from careof.proto.registration import BIND
from careof.wire import mip, mip_extensions, tunneld
from test_registration import AGENT, HOME, NO_WISHES, Talk, Terms

ANY, GRE, IPIP = (
    mip_extensions.ENCAPSULATION_ANY,
    mip_extensions.ENCAPSULATION_GRE,
    mip_extensions.ENCAPSULATION_IPIP,
)
M, G = mip.FLAG_M, mip.FLAG_G


def test_each_wish_has_its_flags_its_name_in_udp_and_its_tunnels():
    rows = (
        (0, IPIP, tunneld.KIND_IPIP, tunneld.KIND_MIP_UDP),
        (M, IPIP, tunneld.KIND_MINIMAL, tunneld.KIND_MIP_UDP),
        (G, GRE, tunneld.KIND_GRE, tunneld.KIND_MIP_UDP_GRE),
    )
    for flags, in_udp, native, udp in rows:
        wish = Encapsulation(flags)
        assert (wish.flags(), wish.in_udp()) == (flags, in_udp)
        assert (wish.kind(False), wish.kind(True)) == (native, udp)


def test_nothing_is_asked_for_that_an_agent_does_not_offer():
    assert Encapsulation(G, M).flags() == 0 and Encapsulation(G, ALL).flags() == G
    talk = Talk(Terms(HOME, AGENT, 600, True, False, G, NO_WISHES))
    talk.registration.attached(True, 300, 0)
    request = talk.ask().request()
    assert request.flags == mip.FLAG_T and request.extensions == [] and request.lifetime_s == 300
    talk.registration.attached(True, 300, ALL)
    assert talk.ask(now_ms=2000, simultaneous=True).request().flags == mip.FLAG_T | mip.FLAG_S | G


def test_what_an_agent_has_not_is_asked_for_without_at_once():
    for code in (72, 139, 142):
        talk = Talk(Terms(HOME, AGENT, 600, True, False, M, NO_WISHES))
        talk.registration.attached(True, 600, ALL)
        talk.ask().reply(code).run(1100)
        assert [request.flags & ALL for _, request in talk.sent[:2]] == [M, 0], code
        talk.reply(now_ms=1200)
        assert talk.registration.bound
        # The next attachment may be another matter.
        talk.registration.attached(True, 600, ALL)
        assert talk.ask(now_ms=3000, simultaneous=True).request().flags & ALL == M


def test_in_udp_whatever_the_home_agent_has_comes_before_plain():
    talk = (
        Talk(Terms(HOME, AGENT, 600, True, False, G, NO_WISHES))
        .ask()
        .reply(142)
        .run(1100)
        .reply(142)
        .run(2200)
    )
    asked = [(request.flags & ALL, request.extensions[0].encapsulation) for _, request in talk.sent[:3]]
    assert asked == [(G, GRE), (G, ANY), (0, ANY)]


def test_a_refusal_of_plain_is_not_asked_again_at_once():
    talk = Talk(Terms(HOME, AGENT, 600, False, False, 0, NO_WISHES)).ask().reply(139).run(20000)
    assert len(talk.sent) == 1


def test_leaving_asks_for_no_encapsulation():
    assert Talk(Terms(HOME, AGENT, 600, True, False, G, NO_WISHES)).ask("leave").request().flags & ALL == 0
    assert Talk(Terms(HOME, AGENT, 600, True, False, G, NO_WISHES)).ask(BIND).request().flags & ALL == G


if __name__ == "__main__":
    from runner import main

    main(globals())
