"""Attacks on a home agent (docs/threats.md), each with its control: with the defence off it succeeds."""

import gc
import sys

from careof.agent import events
from careof.limits import REFUSALS_PER_S
from careof.proto import admission
from careof.wire import mip
from careof.wire import mip_extensions as ext
from careof.wire.reader import Malformed
from foreign import Foreign
from office import AGENT, HOME
from test_home_agent import CARE_OF, FORGER, NTP_S, OUTSIDE, SPI, UNIX_MS, Agent
from test_home_agents_peers import Home, supported, through_agent
from test_mobile_router import Router
from test_nodes import Fleet, group, options


def registered(agent=None):
    agent = (agent or Agent()).started()
    agent.datagram(agent.request())
    assert agent.code() == 0 and care_ofs(agent) == [CARE_OF]
    return agent


def care_ofs(agent):
    return [binding.care_of for node in agent.role.nodes for binding in node.bindings]


def believing(agent):
    """The defence off: every authenticator passes."""
    agent.keys.verify = lambda key, data, authenticator: True
    return agent


# -- Replay


def test_a_replayed_registration_binds_nothing():
    for defended in (True, False):
        agent = registered()
        first = agent.request(care_of=OUTSIDE)
        agent.datagram(first, OUTSIDE, now_ms=1000)
        agent.datagram(agent.request(), now_ms=2000)
        assert care_ofs(agent) == [CARE_OF]
        if not defended:
            for association in agent.role.nodes.find(HOME).associations.values():
                association.guard.lets_in = lambda identification, unix_ms: True
        agent.datagram(first, OUTSIDE, now_ms=3000)
        assert care_ofs(agent) == [CARE_OF if defended else OUTSIDE]


# -- Redirection


def test_whoever_has_no_key_moves_no_binding_not_even_its_port():
    moves = (
        lambda agent: (agent.request(care_of=FORGER), FORGER, 434),
        lambda agent: (agent.request(extensions=[ext.UdpTunnelRequest(ext.UDP_FORCE, 0)]), CARE_OF, 40404),
        lambda agent: (agent.request(extensions=[ext.UdpTunnelRequest(ext.UDP_FORCE, 0)]), FORGER, 434),
        lambda agent: (agent.request(lifetime_s=0), CARE_OF, 434),
    )
    for make in moves:
        for defended in (True, False):
            agent = registered()
            before = dict(agent.held)
            data, source, port = make(agent)
            if not defended:
                believing(agent)
            agent.datagram(data[:-16] + bytes(16), source, port, now_ms=1000)
            assert (agent.held == before) == defended, (source, port)


def test_a_keepalive_is_no_business_of_the_home_agents():
    """RFC 3519 6.1.2: whatever comes by or beside a tunnel is no event that could move it."""
    agent = registered()
    before = dict(agent.held)
    for event in (events.Inner(2, bytes(28)), events.Unanswered(2, 1), events.Answered(2)):
        agent.tell(event, 1000)
    agent.datagram(b"\4\4\0\0" + bytes(28), FORGER, now_ms=1000)
    assert agent.held == before
    agent.datagram(agent.request(care_of=OUTSIDE), OUTSIDE, now_ms=2000)  # the control
    assert agent.held != before


# -- Revocation


def test_a_forged_revocation_ends_nothing():
    for defended in (True, False):
        home = Home()
        home.by_agent(through_agent(home), supported())
        if not defended:
            believing(home)
        revocation = mip.Revocation(0, HOME, AGENT, CARE_OF, 5001, [])
        home.datagram(home.signed(revocation, "wrong"), now_ms=1000)
        assert (care_ofs(home) == [CARE_OF]) == defended


# -- Reflection and amplification


def test_no_refusal_is_longer_than_what_it_answers():
    extensions = (
        [],
        [ext.Nai(b"somebody@example.net")],
        [ext.MobileNetworkRequest(bytes((10, 1, 0, 0)), 16)] * 3,
        [ext.UdpTunnelRequest(ext.UDP_FORCE, 0)],
        [ext.RevocationSupport(True, 1)],
    )
    for chosen in extensions:
        for change in (lambda data: data[:-16] + bytes(16), lambda data: data):
            agent = Agent().started()
            data = agent.request(extensions=chosen)
            agent.tell(events.WallClock(UNIX_MS + 3600000))  # what is genuine is stale
            agent.datagram(change(data), FORGER)
            assert agent.code() in (131, 133) and len(agent.sent_octets[-1]) <= len(data), chosen


def test_a_flood_is_not_reflected():
    for defended in (True, False):
        agent = Agent().started()
        if not defended:
            agent.role.requests._allowance.take = lambda now_ms: True
        for n in range(3 * REFUSALS_PER_S):
            data = agent.request()
            agent.datagram(data[:-16] + bytes(16), bytes((100, 0, 0, n)), now_ms=n)
        assert len(agent.sent) == (REFUSALS_PER_S if defended else 3 * REFUSALS_PER_S)


JUDGE, IS_UNICAST = admission.judge, admission.is_unicast


def trusting(received, source, port, home_agent, udp_tunnelling):
    """Of a home agent that does not know its own address."""
    return JUDGE(received, received.message.care_of_address, port, b"", udp_tunnelling)


def test_addresses_that_several_or_nobody_have():
    """A source that an answer would reach many at, or a care-of address that sends packets in a circle."""
    several = (bytes(4), bytes((127, 0, 0, 1)), bytes((224, 0, 0, 11)), b"\xff" * 4, bytes((0, 0, 0, 9)))
    for source in several:
        agent = Agent().started()
        agent.datagram(agent.request(), source)
        assert agent.sent == [] and agent.counts["source_not_unicast"] == 1
    agent = Agent().started()
    agent.datagram(agent.request(), port=0)
    assert agent.sent == []
    for care_of in several + (HOME, AGENT):
        for defended in (True, False):
            agent = Agent().started()
            if not defended:
                admission.is_unicast, admission.judge = lambda address: True, trusting
            try:
                agent.datagram(agent.request(care_of=care_of, agent=AGENT if defended else bytes(4)))
            finally:
                admission.judge, admission.is_unicast = JUDGE, IS_UNICAST
            assert (care_ofs(agent) == []) == (defended or care_of == HOME), care_of
            assert not defended or agent.code() == 134


# -- Bugs that hit daemons of this kind


def signed_wrong(agent, message, kind=ext.MOBILE_HOME):
    return mip.pack_to_sign(message, SPI, 16, kind) + bytes(16)


def test_every_kind_of_message_in_every_state_changes_only_what_is_listed():
    """CVE-2014-2338: only a genuine request, and a genuine revocation by a foreign agent, do anything."""
    identification = (UNIX_MS // 1000 + NTP_S) << 32 | 0xFFFF

    def kinds(home):
        yield mip.RegistrationRequest(mip.FLAG_D, 600, HOME, AGENT, FORGER, identification, [])
        yield mip.RegistrationRequest(mip.FLAG_D, 0, HOME, AGENT, HOME, identification, [])
        yield mip.RegistrationReply(0, 600, HOME, AGENT, identification, [])
        yield mip.Revocation(0, HOME, AGENT, CARE_OF, 5001, [])
        yield mip.Revocation(mip.REVOKED_BY_HOME_AGENT, HOME, AGENT, CARE_OF, 5001, [])
        yield mip.RevocationAcknowledgment(0, HOME, 5001, [])

    def nobody(home):
        pass

    def bound(home):
        home.by_agent(through_agent(home), supported())

    def revoking(home):
        bound(home)
        home.tell(events.Command("revoke", ["10.77.0.2"]), 10)

    for state in (nobody, bound, revoking):
        for number in range(6):
            for signature in (ext.MOBILE_HOME, ext.FOREIGN_HOME, None):
                for source in (CARE_OF, FORGER):
                    home = Home()
                    state(home)
                    before, bindings = dict(home.held), care_ofs(home)
                    message = list(kinds(home))[number]
                    try:
                        data = (
                            mip.pack(message) if signature is None else signed_wrong(home, message, signature)
                        )
                    except ValueError:
                        continue  # such a message cannot be made
                    home.datagram(data, source, now_ms=1000)
                    assert home.held == before and care_ofs(home) == bindings, (state, message)
    home = Home()  # the control
    bound(home)
    home.datagram(home.signed(mip.Revocation(0, HOME, AGENT, CARE_OF, 5001, [])), now_ms=1000)
    assert care_ofs(home) == []


def test_every_type_of_message_and_extension():
    """CVE-2014-9221: all values of the fields that choose what a message or an extension is."""
    agent = Agent().started()
    genuine = agent.request()
    for kind in range(256):
        agent.datagram(bytes((kind,)) + genuine[1:], now_ms=kind)
    assert care_ofs(agent) == [CARE_OF]  # by type 1, the control
    for kind in range(256):
        for place in (0, 1):
            for body in (b"\0\0", b"\0" * 6, b"\1" * 8, b"\xff" * 20):
                agent = Agent().started()
                whole = agent.request()
                extension = bytes((kind, len(body))) + body
                data = whole[:24] + extension + whole[24:] if place == 0 else whole + extension
                agent.datagram(data)
                # Before the authentication it is not what was signed; behind it, it is known or skipped.
                assert place == 1 or care_ofs(agent) == [], (kind, body)


def test_every_refusal_is_driven():
    """CVE-2023-38710: the answer that says no is made of less than the one that says yes."""
    vendor = ext.CriticalVendor(9, 1, b"")
    udp = ext.UdpTunnelRequest(ext.UDP_FORCE, 9)
    network = ext.MobileNetworkRequest(bytes((10, 99, 0, 0)), 16)
    co_located = mip.FLAG_D | mip.FLAG_T
    cases = (
        (129, {}, {"flags": co_located}, OUTSIDE),
        (133, {}, {"at": 1}, CARE_OF),
        (134, {}, {"care_of_address": bytes(4)}, CARE_OF),
        (136, {}, {"home_agent": FORGER}, CARE_OF),
        (137, {"reverse_tunnel": "off"}, {}, CARE_OF),
        (138, {"reverse_tunnel": "required"}, {"flags": mip.FLAG_D}, CARE_OF),
        (139, {"encapsulation": ("gre",)}, {}, CARE_OF),
        (140, {}, {"extensions": [vendor]}, CARE_OF),
        (142, {}, {"extensions": [udp]}, CARE_OF),
        (148, {}, {"extensions": [network]}, CARE_OF),
    )
    for code, policy, request, source in cases:
        for more in ([], [ext.Nai(b"who@example.net")]):
            fleet = Fleet(options(groups=group(**policy)))
            asked = dict(request)
            asked["extensions"] = more + list(request.get("extensions", []))
            assert fleet.ask(source=source, **asked) == code, (code, fleet.code())
            reply = mip.unpack(fleet.sent_octets[-1])
            proof = reply.authentication
            assert fleet.keys.verify("node-10.64.0.1-256", reply.protected, proof.authenticator)
            assert fleet.routes() == {}


def test_what_is_discarded_can_be_logged_with_its_contents():
    """RFC 5944 1.7, of each role: the octets as they came, under the name that is counted."""
    agent, foreign, router = Agent().started(), Foreign(), Router().link()
    stranger, garbage = agent.request(home=FORGER), b"\x01\x02 garbage"
    for data, name in ((stranger, "request_unknown_node"), (garbage, "request_malformed")):
        agent.datagram(data)
        assert contents(agent.others)[-1] == (name, data)
    foreign.from_agent(garbage)
    assert contents(foreign.others)[-1] == ("agent_malformed", garbage)
    foreign.ask(garbage)
    name, packet = contents(foreign.others)[-1]
    assert name == "visitor_malformed" and packet.endswith(garbage)
    uplink = router.sent[-1][0]
    router.tell(events.Datagram(uplink, AGENT, 434, CARE_OF, 64, garbage), 10)
    assert contents(router.others)[-1] == ("reply_malformed", garbage)
    agent.datagram(agent.request())  # the control: what is answered is nobody's to look at
    assert agent.code() == 0 and len(contents(agent.others)) == 2


def contents(actions):
    return [(a.name, a.data) for a in actions if isinstance(a, events.Contents)]


def test_wrong_cut_and_padded_authenticators():
    """CVE-2020-16088, CVE-2026-50722: what is not exactly the authenticator is none."""
    for defended in (True, False):
        agent = Agent().started()
        if not defended:
            believing(agent)
        passed = 0
        for size in list(range(16)) + [17, 20, 32, 64, 200]:
            right = agent.request()
            authenticator = (right[-16:] + bytes(200))[:size]
            head = right[:-18] if size == 16 else right[: 24 + 1] + bytes((4 + size,)) + right[26:30]
            before = len(care_ofs(agent))
            agent.datagram(head + authenticator, bytes((100, 0, 0, size)), now_ms=size)
            passed += agent.code() in (0, 129) and len(agent.sent) > 0
            assert not defended or len(care_ofs(agent)) == before == 0, size
        assert (passed > 0) != defended
    agent = Agent().started()
    for name in ("branch-wwan", "branch-lte"):  # another association's key
        data = agent.request()[:-16]
        agent.datagram(data + agent.keys.authenticate(name, data), now_ms=1)
        assert care_ofs(agent) == [] and agent.code() == 131


def test_chains_of_extensions_as_long_as_a_datagram():
    """CVE-2026-28532: sums of lengths beyond 65,535."""
    agent = Agent().started()
    fixed = agent.request()[:24]
    for extension in (b"\x84\xff" + bytes(255), b"\x84\0", b"\0", b"\x84\xfd" + bytes(253)):
        chain = extension * (65530 // len(extension))
        for size in (len(chain), 65530, 65507 - 24, 4096):
            try:
                mip.unpack(fixed + chain[:size])
            except Malformed:
                continue
        agent.datagram(fixed + chain)
    assert care_ofs(agent) == [] and agent.sent == []
    agent.datagram(agent.request())
    assert care_ofs(agent) == [CARE_OF]


def test_nothing_is_kept_of_what_proves_nothing():
    """CVE-2019-1708: what strangers send leaves no memory behind, and a good request is served after it."""

    def flood(agent, rounds):
        unsigned = agent.request()[:24]
        unknown = agent.request(home=bytes((10, 77, 0, 9)))
        false = agent.request()[:-16] + bytes(16)
        for n in range(rounds):
            source = bytes((100, n >> 16 & 255, n >> 8 & 255, n & 255))
            for data in (unsigned, unknown, false, b"\1", data_of(n)):
                for action in agent.role.handle(events.Datagram(1, source, 434, AGENT, 64, data), n):
                    if isinstance(action, events.Verify):
                        agent.role.handle(events.Verified(action.token, False), n)

    def data_of(n):
        return bytes((1, 2)) + n.to_bytes(4, "big") * 9

    agent = Agent().started()
    flood(agent, 600)  # tables of fixed size are filled
    before = in_use()
    flood(agent, 2000)
    grown = in_use() - before
    kept = []
    flood_keeps = in_use()
    for n in range(1000):  # the control: what it would be to keep so much of each
        kept.append(data_of(n))
    assert grown < 16000 < in_use() - flood_keeps, grown
    agent.datagram(agent.request(), now_ms=5000)
    assert agent.code() == 0


def in_use():
    """Octets that are in use by Python."""
    gc.collect()
    if hasattr(gc, "mem_alloc"):
        return gc.mem_alloc()
    return sum([sys.getsizeof(o) for o in gc.get_objects()]) + 64 * sys.getallocatedblocks()


if __name__ == "__main__":
    from runner import main

    main(globals())
