"""What RFC 5944 demands of a mobile node beside the stories of test_registration, test_discovery and
test_router_visiting, rule by rule."""

from careof.agent import events
from careof.agent.mobile_router.paths import NESTED_BACK, NESTED_OUT, TO_MANY
from careof.limits import SOLICITATION_GAP_MS, SOLICITATIONS_FIRST
from careof.proto.registration import BIND, HOME, LEAVE, PROVE, Ask
from careof.proto.replay import NonceSource, TimestampSource
from careof.wire import ipv4, mip, tunneld, udp
from careof.wire import mip_extensions as ext
from careof.wire import router_discovery as discovery
from office import AGENT
from test_discovery import LIFETIME_S, A, B, Link
from test_registration import CARE_OF, Talk, counting
from test_router_visiting import A_MAC, AGENTS, B_MAC, FIRST, ROUTE, Node, home
from test_router_visiting import CARE_OF as AGENTS_CARE_OF
from test_router_visiting import HOME as HOME_ADDRESS
from test_router_visiting import OTHER_CARE_OF as OTHER
from world import Chance

UNIX_MS = 1790000000000
NTP_S = 2208988800  # RFC 5905 6: from 1900 to 1970


def security_logs(node):
    return [a for a in node.order if isinstance(a, events.Log) and a.tag == "security"]


# -- Requests (3.6.1)


def test_every_kind_of_request_is_authenticated():
    for kind in (BIND, PROVE, LEAVE, HOME):
        talk, sent = Talk(), []
        for action in talk.registration.handle(Ask(kind, CARE_OF, False, 2), 0):
            sent.append(action.data)
        assert len(sent) == 1
        received = mip.unpack(sent[0] + bytes(16))
        assert received.authentication.spi == 256 and received.protected == sent[0]
        assert received.unprotected == [] and received.agent_authentication is None


def test_the_parts_of_a_request_are_in_their_order():
    """3.6.1.3, 3024 3.3, 4721 3.1: what is for home, its authentication, what is for the agent, and its."""
    node = Node(shared="agents", delivery="encapsulating").up().hears(challenge=b"abcdefgh")
    data, at, kinds = node.last()[1].data, 24, []
    while at < len(data):
        kinds.append(data[at])
        at += 2 + data[at + 1]
    assert node.last()[2].message.flags & mip.FLAG_T  # without which the delivery style would be an error
    assert kinds[-4:] == [ext.MOBILE_HOME, 130, 132, ext.MOBILE_FOREIGN]
    assert not [kind for kind in kinds[:-4] if kind in (ext.MOBILE_HOME, 130, 132, ext.MOBILE_FOREIGN)]


def test_only_what_is_meant_is_asked_for():
    """3.6.1.2: neither broadcasts nor encapsulations that nobody offered; D with an address of one's own."""
    by_agent = Node().up().hears().last()[2].message.flags
    own = Talk().ask().request().flags
    # RFC 3543 3.2: only with an address of one's own.
    assert ext.find(Node().up().hears().last()[2].message.extensions, ext.RevocationSupport) is None
    assert own == mip.FLAG_D | mip.FLAG_T and by_agent & ~mip.FLAG_S == mip.FLAG_T


def heard_of_all(node):
    """{the tunnel's number: destinations beside its own that may come by it}"""
    found = {}
    for key in node.held:
        if key[0] == "inner" and key[4:] in TO_MANY:
            found.setdefault(key[1], set()).add(key[4:])
    return found


def test_broadcasts_are_asked_for_where_they_can_be_decapsulated():
    """3.6.1.2, 4.3: behind a foreign agent they come in one more tunnel, from home agent to home address."""
    asked, everything, back = mip.FLAG_B | mip.FLAG_D, set(TO_MANY), FIRST + NESTED_BACK
    for networks in ((), (bytes((10, 77, 5, 0)), 24)):
        networks = (networks,) if networks else ()
        node = Node(attachment="auto", broadcast=True, mobile_network=networks)
        node.up(address=bytes((203, 0, 113, 2)))
        assert mip.unpack(node.sent[-1].data).message.flags & asked == asked
        node.hears(now_ms=20, flags=discovery.AGENT_F | discovery.AGENT_R).late(1000)
        assert node.last()[2].message.flags & asked == mip.FLAG_B
        node.reply(now_ms=1010).answer_probe(1020)
        assert heard_of_all(node) == {back: everything}
        assert node.held["tunnel", back] == tunneld.SetTunnel(back, tunneld.KIND_IPIP, FIRST, AGENT, 0, 0, 0)
        assert (("tunnel", FIRST + NESTED_OUT) in node.held) == bool(networks)
        node.late(5000)  # that agent is heard no more
        assert back not in heard_of_all(node) and ("tunnel", back) not in node.held
    deaf = Node(mobile_network=()).up().hears().reply()  # who did not ask takes none, and has no such tunnel
    assert heard_of_all(deaf) == {} and ("tunnel", back) not in deaf.held


def test_who_has_no_home_address_asks_for_one_without_any():
    node = Node(home_address=None, nai="laptop@example.net").up().hears()
    source, _ = discovery.unpack_packet(node.frames[0].data)
    mac, datagram, received = node.last()
    assert source == bytes(4) == datagram.source == received.message.home_address and mac == A_MAC
    assert ext.find(received.message.extensions, ext.Nai) == ext.Nai(b"laptop@example.net")


def test_the_first_of_several_care_of_addresses_is_registered():
    node = Node().up()
    agent = discovery.Agent(1, 300, discovery.AGENT_F, (OTHER, AGENTS_CARE_OF))
    message = discovery.Advertisement(0, 3, [(A, 0)], agent, (24,), None)
    node.frame(discovery.pack_packet(A, discovery.ALL_SYSTEMS, message))
    assert node.last()[2].message.care_of_address == OTHER


def test_a_goodbye_names_the_home_address_for_all_care_of_addresses():
    node = Node().up().hears().reply().answer_probe(60)
    node.tell(events.Command("stop", []), 5000)
    request = node.last()[2].message
    assert request.lifetime_s == 0 and request.care_of_address == HOME_ADDRESS == request.home_address


# -- Replies (3.6.2)


def test_a_refusals_lifetime_means_nothing():
    talk = Talk().ask().reply(code=128, lifetime_s=600)
    assert not talk.registration.bound
    talk = Talk().ask().reply().ask(now_ms=10000).reply(code=128, lifetime_s=1, now_ms=10050)
    assert talk.registration.bound and talk.registration.expires_ms == 600000


def test_a_lifetime_that_is_shorter_than_asked_for_holds():
    talk = Talk().ask(now_ms=1000).reply(lifetime_s=90, now_ms=1500)
    assert talk.registration.lifetime_s == 90 and talk.registration.expires_ms == 91000


def test_a_reply_with_a_wrong_checksum_is_not_heard():
    node = Node().up().hears()
    before = len(node.frames)
    for wrong, bound in ((1, False), (0, True)):
        request = node.last()[2].message
        message = mip.RegistrationReply(0, 300, HOME_ADDRESS, AGENT, request.identification, [])
        data = mip.pack_to_sign(message, 256, 16)
        data += node.keys.authenticate("branch-wan", data)
        packet = bytearray(udp.pack_packet(udp.Datagram(A, 434, HOME_ADDRESS, 434, 255, data)))
        packet[27] ^= wrong
        node.frame(bytes(packet), A_MAC, 20)
        assert node.row(20)["bound"] == bound
    assert node.counts["link_malformed"] == 1 and before


def test_replies_that_are_not_believed_are_security_exceptions():
    """3.6.2.1; the control is logged as none."""
    for lie in (
        {"by_agent": False},
        {"genuine": False},
        {"extra": [ext.MobileForeignAuthentication(AGENTS.spi, bytes(32))]},  # and then the genuine one
    ):
        node = Node(shared="agents").up().hears().reply(**lie)
        assert not node.row()["bound"]
        assert len(security_logs(node)) == 1 or node.counts["link_malformed"] == 1, lie
    node = Node().up().hears().reply(code=131, signed=False)
    assert len(security_logs(node)) == 1
    node = Node(shared="agents").up().hears().reply()
    assert node.row()["bound"] and security_logs(node) == []


def test_a_refusal_is_logged_with_its_meaning():
    for refused in (
        Node().up().hears().reply(code=129),
        Node().up().hears().hears(B, B_MAC, 1010).reply(65, 0, 1020, B, B_MAC, signed=False),
    ):
        logs = [a for a in refused.order if isinstance(a, events.Log) and a.level == "warning"]
        assert [log for log in logs if "administratively prohibited" in log.text]


def test_a_refusal_of_who_knows_no_reverse_tunnels_is_taken_for_one():
    """RFC 3024 3.4: an older agent calls the request poorly formed; a newer one has codes of its own."""
    for code, signed in ((70, False), (74, False), (134, True), (137, True)):
        node = Node().up().hears().reply(code=code, signed=signed)
        assert not node.row(20)["bound"] and node.held[ROUTE].gate == tunneld.GATE_HOLD
        assert node.row(20)["last_refusal"].startswith("code %d " % code), node.row(20)["last_refusal"]


# -- How often (2.4.2, 3.6.3)


def test_agents_that_change_their_minds_all_the_time_are_asked_once_a_second():
    """A flood of advertisements, each with another care-of address or link-layer address or restart."""
    for attack in (
        {"care_of": (AGENTS_CARE_OF, OTHER)},
        {"mac": (A_MAC, B_MAC)},
        {"sequence": (5000, 0)},
        {"source": (A, B)},
    ):
        node = Node().up()
        for number in range(80):
            now_ms = 50 * number
            changes = {name: values[number % 2] for name, values in attack.items()}
            node.hears(now_ms=now_ms, **changes).late(now_ms)
            node.order = []  # MicroPython's heap is small
        assert 3 <= len(node.requests()) <= 5, (attack, len(node.requests()))


def test_a_redirect_is_no_reason_for_anything():
    node = Node().up().hears().reply().answer_probe(60)
    held, requests = dict(node.held), len(node.requests())
    redirect = b"\x05\x01\x00\x00" + B + bytes(28)
    redirect = redirect[:2] + ipv4.checksum(redirect).to_bytes(2, "big") + redirect[4:]
    node.frame(ipv4.pack(ipv4.Packet(A, HOME_ADDRESS, ipv4.ICMP, 64, 0, 0, False, redirect)), A_MAC, 100)
    assert node.held == held and len(node.requests()) == requests


# -- Discovery (2.4)


def gaps_of(link, count, now_ms):
    times = []
    for _ in range(count):
        now_ms = link.discovery.deadline()
        assert link.discovery.solicits(now_ms)
        times.append(now_ms)
    return [times[i + 1] - times[i] for i in range(len(times) - 1)]


def test_who_has_a_care_of_address_from_elsewhere_asks_no_agent_for_one():
    for address, asked in ((bytes((203, 0, 113, 2)), 0), (None, 4)):
        node = Node(attachment="auto").up(address=address)
        for now_ms in range(0, 5000, 100):
            node.late(now_ms)
        assert asked <= node.counts.get("solicited", 0) <= asked + 1, address
    # When that one goes, it does.
    node = Node(attachment="auto").up(address=bytes((203, 0, 113, 2))).late(1000)
    node.up(2000)
    for now_ms in range(2000, 70000, 500):
        node.late(now_ms)
    assert node.counts["solicited"] >= 1


def test_who_lost_an_agent_solicits_quickly_again():
    link = Link()
    link.discovery.link_up(0)
    slow = gaps_of(link, 9, 0)[-1]
    link.hears(A, 10**6)
    now_ms = 10**6 + LIFETIME_S * 1000
    link.discovery.time_passed(now_ms)
    quick = gaps_of(link, SOLICITATIONS_FIRST, now_ms)
    assert max(quick) <= SOLICITATION_GAP_MS and slow > 8 * SOLICITATION_GAP_MS


def test_solicitations_are_at_random_times():
    found = []
    for seed in range(1, 9):
        link = Link()
        link.discovery._random = Chance(seed).octets
        link.discovery.link_up(0)
        found.append(tuple(gaps_of(link, 6, 0)))
    assert len(set(found)) == 8


def test_an_agent_that_is_not_heard_any_more_is_not_registered_with():
    link = Link(eager=False)
    link.hears(A)
    link.hears(B, 100)
    link.hears(A, 2900)
    link.discovery.time_passed(LIFETIME_S * 1000 + 100)
    assert link.at() == A
    assert link.discovery.denied(link.discovery.current, 99999, 3200) and link.at() is None  # B expired


# -- Home and away (4.6)


def test_who_leaves_home_without_a_link_event_falls_silent_before_it_asks():
    node = home(Node().up()).reply(lifetime_s=0, source=AGENT, mac=b"\x02\x00\x00\x00\x00\x03")
    assert ("quiet", "wan0") not in node.held
    before = len(node.order)
    node.hears(now_ms=3100)
    node.late(3200)
    assert node.row(3200)["agent"] == "10.9.1.1"
    assert node.held["quiet", "wan0"] == tunneld.SetQuiet("wan0")
    later = node.order[before:]
    quiet = [i for i, a in enumerate(later) if isinstance(a, events.Hold) and a.key[0] == "quiet"]
    asked = [i for i, a in enumerate(later) if isinstance(a, events.SendFrame) and a.link_address == A_MAC]
    assert quiet and asked and quiet[0] < asked[0]
    assert node.gratuitous()[-1] and node.held[ROUTE].gate == tunneld.GATE_HOLD


def test_visiting_nothing_is_asked_by_arp_and_the_agent_is_known_before_it_is_needed():
    node = Node().up().hears().reply()
    assert node.gratuitous() == []
    assert node.held["neighbour", "wan0", A] == tunneld.SetNeighbour("wan0", A, A_MAC)
    assert node.held["tunnel", FIRST].link_address == A_MAC


# -- Identifications (5.7)


def test_a_timestamp_is_that_of_the_network_time_protocol_with_random_low_bits():
    low = set()
    for seed in range(1, 9):
        source = TimestampSource(Chance(seed).octets)
        source.wall_clock(UNIX_MS)
        stamp = source.next(1500)
        assert stamp >> 32 == UNIX_MS // 1000 + 1 + NTP_S
        assert abs((stamp & 0xFFFFFFFF) / (1 << 32) - 0.5) < 0.002
        low.add(stamp & 0xFFFF)
    assert len(low) > 4


def test_no_two_identifications_are_alike():
    for source in (TimestampSource(Chance(1).octets), NonceSource(counting())):
        seen = [source.next(now_ms) for now_ms in (0, 0, 0, 1, 5000)]
        assert len(set([stamp & 0xFFFFFFFF for stamp in seen])) == len(seen)


if __name__ == "__main__":
    from runner import main

    main(globals())
