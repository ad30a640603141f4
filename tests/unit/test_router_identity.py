"""What a mobile router learns of itself from replies, one at a time. Whole stories are in tests/sim."""

from careof.agent import events
from careof.limits import REDIRECT_TRIES
from careof.wire import ipv4, mip, tunneld
from careof.wire import mip_extensions as ext
from office import AGENT, HOME, LAN, NAMES, WAN, router_options
from test_mobile_router import FIRST, Router

NAI = b"branch7@example.net"
GRANTED, OTHER = ipv4.parse_address("10.80.0.5"), ipv4.parse_address("10.80.0.6")
CONTACT, ELSEWHERE = ipv4.parse_address("203.0.113.99"), ipv4.parse_address("198.51.100.99")
MORE = ipv4.parse_prefix("10.77.2.0/24")


class Learner(Router):
    """A router that knows its name and a contact."""

    def __init__(self, contact=AGENT, mode="implicit", networks=(), contact_known=True, **changes):
        values = {
            "home_address": None,
            "nai": NAI.decode(),
            "home_agent": None,
            "contact": (contact, 434),
            "network_mode": mode,
            "mobile_network": networks,
            "host_configuration": True,
        }
        values.update(changes)
        if not contact_known:
            values.update({"contact": None, "home_prefix_length": 24})
        super().__init__(router_options(**values))
        self.contact = contact

    @property
    def destinations(self):
        return [(a.destination, a.port) for a in self.order if isinstance(a, events.Send)]

    def reply(self, code=0, home=GRANTED, agent=AGENT, nai=NAI, now_ms=20, extensions=(), **more):
        uplink, received = self.sent[-1]
        spi = received.authentication.spi
        names = [ext.Nai(nai)] if nai else []
        message = mip.RegistrationReply(
            code, 600, home, agent, received.message.identification, names + list(extensions)
        )
        data = mip.pack_to_sign(message, spi, 16)
        data += self.keys.authenticate(more.get("key") or "branch-" + NAMES[spi - 256], data)
        for extension in more.get("after", ()):
            data += ext.pack_extension(extension)
        source = more.get("source") or self.contact
        return self.tell(events.Datagram(uplink, source, 434, WAN, 64, data), now_ms)

    def home(self):
        return self.role.snapshot(0)["home_address"]

    def asked(self):
        return self.sent[-1][1].message


def test_before_anything_is_learnt_every_table_has_something_to_say():
    router = Learner()
    shown = router.role.snapshot(0)
    assert (shown["nai"], shown["home_address"], shown["home_agent"]) == (NAI.decode(), None, None)
    tables = router.role.tables
    assert tables.facts(0)["home_address"] == "0.0.0.0"
    assert tables.rows("registrations", None, 0)[0][0]["who"] == NAI.decode()
    assert tables.rows("agents", None, 0) == ([], None)
    router.link().reply()
    assert tables.facts(0)["home_agent"] == "198.51.100.10"
    assert tables.rows("agents", None, 0)[0][0]["how"] == "learnt"
    assert Router().role.tables.rows("agents", None, 0)[0][0]["how"] == "configured"


def implicit(*prefixes):
    return [ext.MobileNetworkReply(ext.NETWORK_IMPLICIT, 0, address, length) for address, length in prefixes]


def test_what_is_learnt_is_held_before_the_path_that_needs_it():
    router = Learner().link()
    assert router.held["tun",] == tunneld.SetTun(bytes(4), 1400)
    del router.order[:]
    router.reply(extensions=implicit(LAN))
    holds = [action.key[:2] for action in router.order if isinstance(action, events.Hold)]
    assert holds.index(("tun",)) < holds.index(("capture", GRANTED)) < holds.index(("tunnel", FIRST))
    assert router.held["tun",] == tunneld.SetTun(GRANTED, 1400)
    assert router.held["route", bytes(4), 0, GRANTED, 32].gate == tunneld.GATE_OPEN
    assert router.held["route", bytes(4), 0, LAN[0], LAN[1]].gate == tunneld.GATE_OPEN
    assert ("inner", FIRST, bytes(4), 0, LAN[0], LAN[1]) in router.held


def test_nothing_is_learnt_from_what_is_not_genuine():
    teaching = implicit(LAN) + [
        ext.host_configuration(ext.HOST_DNS, bytes((10, 6, 6, 6))),
        ext.DynamicHomeAgent(ext.HA_REDIRECTED, ELSEWHERE),
        ext.MessageString(1, b"pay here"),
    ]
    for code in (0, 129, 136, 143, 147, 148):
        for forged in ({"key": "branch-lte"}, {"source": ELSEWHERE}, {"nai": b"other@example.net"}):
            router = Learner().link()
            before = (dict(router.held), router.role.router.saved(), router.role.router.terms())
            router.reply(code, agent=ELSEWHERE, extensions=teaching, **forged)
            assert before == (router.held, router.role.router.saved(), router.role.router.terms())
            assert router.role.words == {}
    router = Learner().link().reply(agent=AGENT, extensions=teaching)  # the control
    assert router.home() == "10.80.0.5" and router.role.words == {"home agent": "pay here"}
    assert router.role.snapshot(0)["host"] == {"dns_servers": ["10.6.6.6"]}


def test_words_and_configuration_behind_the_authentication_are_nobodys():
    late = [ext.MessageString(1, b"pay here"), ext.host_configuration(ext.HOST_DNS, bytes((10, 6, 6, 6)))]
    router = Learner().link().reply(after=late)
    assert router.home() == "10.80.0.5"
    assert router.role.words == {} and router.role.snapshot(0)["host"] is None


def test_addresses_that_nobody_can_have_are_not_learnt():
    for wrong in ("0.0.0.0", "127.0.0.1", "224.0.0.5", "255.255.255.255"):
        address = ipv4.parse_address(wrong)
        router = Learner().link().reply(home=address, agent=address)
        assert router.home() is None and router.role.router.home_agent is None, wrong
        assert not router.row()["bound"] and router.counts["reply_without_address"] == 1
        router = Learner().link().reply().tell(events.Late(), 400000)
        router.reply(home=address, agent=address, now_ms=400020)  # who has one keeps it
        assert router.home() == "10.80.0.5" and router.row()["bound"]


def test_networks_that_no_router_has_behind_it_are_not_learnt():
    wrong = [
        (bytes(4), 0),
        (bytes((10, 77, 1, 1)), 24),
        (bytes((224, 0, 0, 0)), 4),
        (bytes((10, 0, 0, 0)), 33),
    ]
    router = Learner().link().reply(extensions=implicit(LAN, *wrong))
    assert [row["network"] for row in router.role.snapshot(0)["networks"]] == ["10.77.1.0/24"]


def test_a_static_router_is_taught_no_other_address():
    router = Router().link()
    router.reply(code=129)
    assert router.role.router.terms().home_address == HOME
    # With a name beside it, too: a refusal is no reason to ask for any.
    named = Learner(home_address=HOME).link()
    assert named.asked().home_address == HOME
    named.reply(code=129, home=HOME)
    assert named.role.router.terms().home_address == HOME


def test_a_home_agent_behind_a_translator_says_who_it_is_and_then_only_udp_will_do():
    router = Learner(contact=CONTACT).link()
    requested = ext.find(router.asked().extensions, ext.DynamicHomeAgent)
    assert requested == ext.DynamicHomeAgent(ext.HA_REQUESTED, CONTACT)
    router.reply(136, home=bytes(4), agent=AGENT).tell(events.Late(), 1000)
    asked = router.asked()
    assert asked.home_agent == AGENT and ext.find(asked.extensions, ext.DynamicHomeAgent) is None
    assert ext.find(asked.extensions, ext.UdpTunnelRequest).flags == ext.UDP_FORCE
    router.reply(now_ms=1020, extensions=[ext.UdpTunnelReply(0, True, 110)])
    assert router.held["tunnel", FIRST].kind == tunneld.KIND_MIP_UDP
    assert router.held["tunnel", FIRST].peer == CONTACT


def test_a_grant_that_says_that_the_home_agent_is_elsewhere_is_asked_again_for_udp():
    router = Learner(contact=CONTACT).link().reply()
    router.tell(events.Late(), 1100)
    assert ext.find(router.asked().extensions, ext.UdpTunnelRequest).flags == ext.UDP_FORCE
    sent = len(router.sent)
    router.reply(now_ms=1120)
    for now_ms in range(1200, 6000, 400):
        router.tell(events.Late(), now_ms)
    assert len(router.sent) == sent  # once: a home agent that will not is not asked for ever


BROADCAST = bytes((10, 77, 0, 255))


def asking_everybody():
    router = Learner(home_address=HOME, contact_known=False, nai=None, network_mode="configured")
    return router.link()


def test_all_home_agents_are_asked_and_the_first_that_answers_is_registered_with():
    """RFC 5944 3.6.1.2, 2.4: each refuses with 136 and says who it is."""
    router = asking_everybody()
    assert router.asked().home_agent == BROADCAST and router.asked().home_address == HOME
    assert ext.find(router.asked().extensions, ext.DynamicHomeAgent) is None
    assert router.destinations[-1] == (BROADCAST, 434)
    router.reply(136, home=HOME, agent=ELSEWHERE, nai=b"", source=ELSEWHERE)
    router.reply(136, home=HOME, agent=OTHER, nai=b"", source=OTHER)  # too late
    router.tell(events.Late(), 1000)
    assert router.asked().home_agent == ELSEWHERE and router.destinations[-1] == (ELSEWHERE, 434)
    router.reply(home=HOME, agent=ELSEWHERE, nai=b"", source=OTHER, now_ms=1010)
    assert not router.row()["bound"]  # from now on only the contact is heard
    router.reply(home=HOME, agent=ELSEWHERE, nai=b"", source=ELSEWHERE, now_ms=1020)
    assert router.row()["bound"] and router.role.snapshot(0)["home_agent"] == "198.51.100.99"


def test_one_that_then_does_not_answer_is_left_and_all_are_asked_again():
    router = asking_everybody().reply(136, home=HOME, agent=ELSEWHERE, nai=b"", source=ELSEWHERE)
    for now_ms in range(1000, 60000, 500):
        router.tell(events.Late(), now_ms)
    asked = [address for address, _ in router.destinations]
    assert asked.count(ELSEWHERE) == REDIRECT_TRIES and asked[-1] == BROADCAST


def test_who_only_says_that_it_is_a_home_agent_is_not_believed():
    router = asking_everybody()
    router.reply(136, home=HOME, agent=ELSEWHERE, nai=b"", source=ELSEWHERE, key="branch-lte")
    router.tell(events.Late(), 1500)
    assert router.role.router.home_agent is None and router.destinations[-1] == (BROADCAST, 434)


def test_a_redirection_to_nowhere_or_without_a_name_is_a_refusal():
    for target in (None, bytes(4), bytes((224, 0, 0, 1))):
        told = [] if target is None else [ext.DynamicHomeAgent(ext.HA_REDIRECTED, target)]
        router = Learner().link().reply(143, home=bytes(4), extensions=told)
        assert router.role.snapshot(0)["contact"] == "198.51.100.10:434"
        router.tell(events.Late(), 5000)
        assert len(router.sent) == 1
    # Who was told its home agent, or has one, is not sent away (RFC 4433 4.2).
    bound = Learner().link().reply()
    bound.tell(events.Command("move", ["wan"]), 30)
    bound.link("wwan0", bytes((192, 168, 8, 2)), now_ms=2000).tell(events.Late(), 3000)
    bound.reply(143, extensions=[ext.DynamicHomeAgent(ext.HA_REDIRECTED, ELSEWHERE)], now_ms=3010)
    assert bound.role.snapshot(0)["contact"] == "198.51.100.10:434"


def test_a_critical_extension_that_is_not_known_makes_any_reply_a_refusal():
    router = Learner().link().reply(extensions=[ext.CriticalVendor(99999, 1, b"?")])
    assert router.home() is None and router.row()["last_code"] == 128 and not router.row()["bound"]
    assert router.counts["reply_unknown_critical"] == 1
    router = Learner().link().reply(extensions=[ext.NormalVendor(99999, 1, b"?")])  # the control
    assert router.row()["bound"]


def test_an_error_that_no_foreign_agent_can_have_added_is_not_heard():
    router = Learner().link().reply(after=[ext.AgentError(65)])
    assert router.row()["bound"]


def test_another_grant_is_another_home_address():
    router = Learner().link().reply()
    router.tell(events.Command("move", ["wan"]), 30)
    router.tell(events.Late(), 400000)
    router.reply(home=OTHER, now_ms=400020)
    assert router.home() == "10.80.0.6" and router.held["tun",].address == OTHER
    assert [key[1] for key in router.keys_of("capture")] == [OTHER]
    assert ("route", bytes(4), 0, GRANTED, 32) not in router.held


def test_proofs_and_goodbyes_ask_for_no_networks_and_teach_nothing():
    router = Learner(mode="explicit", networks=(LAN, MORE)).link()
    asked = ext.find_all(router.asked().extensions, ext.MobileNetworkRequest)
    assert [(e.prefix, e.length) for e in asked] == [LAN, MORE]
    fine = [ext.MobileNetworkReply(ext.NETWORK_EXPLICIT, 0, p[0], p[1]) for p in (LAN, MORE)]
    router.reply(extensions=fine)
    router.tell(events.Command("stop", []), 5000)
    goodbye = router.asked()
    assert goodbye.lifetime_s == 0 and ext.find(goodbye.extensions, ext.MobileNetworkRequest) is None
    assert ext.find(goodbye.extensions, ext.Nai) == ext.Nai(NAI)
    router.reply(143, extensions=[ext.DynamicHomeAgent(ext.HA_REDIRECTED, ELSEWHERE)], now_ms=5020)
    assert router.role.snapshot(0)["contact"] == "198.51.100.10:434"


def test_what_was_kept_and_cannot_be_read_is_left_out():
    router = Learner().link().reply(extensions=implicit(LAN))
    kept = [action for action in router.order if isinstance(action, events.Save)][-1]
    for changes in ({"networks": [["zz", 24, 0]]}, {"home_address": 7}, {"contact": ["c6"]}, {"host": []}):
        value = dict(kept.value)
        value["learnt"] = dict(value["learnt"])
        value["learnt"].update(changes)
        again = Learner()
        again.role.state.restored(events.Restored(kept.name, value))
        counts = [a for a in again.role.state.restore(0) if isinstance(a, events.Count)]
        assert [action.name for action in counts] == ["state_unreadable"], changes
    again = Learner()  # the control
    again.role.state.restored(events.Restored(kept.name, kept.value))
    assert again.role.state.restore(0) == [] and again.home() == "10.80.0.5"


if __name__ == "__main__":
    from runner import main

    main(globals())
