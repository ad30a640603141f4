"""A grant that the foreign agent does not honour (RFC 4636 5), between a real node and a real home agent.

node -- 0 -- foreign agent -- request --> home agent
node <-- reply, and its error ---- <-- reply, granted -- home agent
node -- deregistration --> foreign agent --> home agent: no binding is left
"""

from careof.agent import events
from careof.proto.refusals import REFUSALS
from careof.proto.registration import IDLE, WAITING
from careof.wire import mip, tunneld, udp
from careof.wire import mip_extensions as ext
from office import HOME
from test_home_agent import Agent
from test_router_visiting import A_MAC, B_MAC, CARE_OF, FIRST, A, B, Node

AGAIN_MS = REFUSALS[65].wait_s * 1000


class Pair:
    """The foreign agent between them relays what is right, and adds `error` to grants."""

    def __init__(self, error=65, forge=False, **changes):
        self.node, self.agent = Node(**changes).up().hears(), Agent().started()
        self.error, self.forge, self.passed = error, forge, 0

    def bindings(self):
        return [row["care_of"] for row in self.agent.role.snapshot(0)["bound"]]

    def asked(self):
        """[(lifetime, care-of address)] of every request so far."""
        return [(r.message.lifetime_s, r.message.care_of_address) for _, _, r in self.node.requests()]

    def relay(self, now_ms, source=A, mac=A_MAC):
        """What the node asked since the last time, and the answers to it."""
        for _, datagram, _ in self.node.requests()[self.passed :]:
            self.passed += 1
            before = len(self.agent.sent_octets)
            self.agent.datagram(datagram.data, CARE_OF, 434, now_ms)
            for data in self.agent.sent_octets[before:]:
                if self.forge:
                    data = data[:-1] + bytes([data[-1] ^ 1])
                if mip.unpack(data).message.lifetime_s and self.error:
                    data += ext.pack_extension(ext.AgentError(self.error))
                packet = udp.pack_packet(udp.Datagram(source, 434, HOME, 434, 255, data))
                self.node.frame(packet, mac, now_ms)
        return self

    def run(self, from_ms, until_ms, relay=True):
        for now_ms in range(from_ms, until_ms, 500):
            self.node.order = []  # MicroPython's heap is small
            self.node.hears(now_ms=now_ms).late(now_ms)
            if relay:
                self.relay(now_ms)
        return self

    def registration(self):
        return self.node.role.uplinks[0].registration


def test_what_the_agent_does_not_honour_is_given_back():
    pair = Pair().relay(20)
    assert pair.node.counts["denied_by_agent_65"] == 1 and not pair.node.row(20)["bound"]
    assert pair.bindings() == ["192.0.2.7"]  # what would stand for as long as it was granted
    pair.run(100, 3000)
    assert pair.asked() == [(300, CARE_OF), (0, CARE_OF)] and pair.bindings() == []
    assert pair.node.counts["deregistration_sent"] == 1
    assert "administratively prohibited" in pair.node.row(3000)["last_refusal"]
    # And then the agent is left alone for as long as one that refused by itself.
    assert pair.registration().state == WAITING
    pair.run(3000, AGAIN_MS - 1000)
    assert len(pair.asked()) == 2
    pair.error = 0  # it has been mended
    pair.run(AGAIN_MS, AGAIN_MS + AGAIN_MS // 2)
    assert pair.node.row(AGAIN_MS * 2)["bound"] and pair.bindings() == ["192.0.2.7"]


def test_nothing_is_given_back_that_was_not_granted():
    """The home agent's word has to be genuine: else whoever saw the request could have it deregistered."""
    pair = Pair(forge=True).relay(20).run(100, 3000)
    assert pair.node.counts["denied_by_agent_65"] == 1 and pair.asked() == [(300, CARE_OF)]
    alone = Node().up().hears().reply(code=65, signed=False).late(2000).late(5000)  # the agent's own word
    assert [r.message.lifetime_s for _, _, r in alone.requests()] == [300]


def test_a_deregistration_that_is_lost_is_repeated_a_few_times_and_no_more():
    pair = Pair().relay(20).run(100, 60000, relay=False)
    assert [lifetime_s for lifetime_s, _ in pair.asked()] == [300, 0, 0, 0]
    assert pair.registration().state == WAITING
    pair.run(60000, AGAIN_MS + AGAIN_MS // 2, relay=False)
    assert pair.asked()[4] == (300, CARE_OF)


def test_a_better_way_needs_no_end_first():
    """The request by another agent replaces the binding: nothing is given back before it."""
    pair = Pair()
    pair.node.hears(B, B_MAC, 10)
    pair.relay(20, B, B_MAC)  # the node had asked A, and then B, whose link it hears last
    pair.node.late(1500).late(3000)
    assert [lifetime_s for lifetime_s, _ in pair.asked() if lifetime_s == 0] == []


def test_a_renewal_that_is_not_honoured_any_more_ends_the_way_by_it():
    pair = Pair(error=0).relay(20)
    pair.node.answer_probe(60)
    assert pair.node.held["route", bytes(4), 0, HOME, 32].gate == tunneld.GATE_OPEN
    pair.error = 65
    pair.run(100, 200000)
    assert pair.bindings() == [] and not pair.node.row(200000)["bound"]
    assert pair.node.held["route", bytes(4), 0, HOME, 32].gate == tunneld.GATE_HOLD
    lifetimes = [lifetime_s for lifetime_s, _ in pair.asked()]
    assert lifetimes[:3] == [300, 300, 0] and len(lifetimes) <= 6


def test_a_link_that_goes_takes_the_deregistration_with_it():
    pair = Pair().relay(20)
    pair.node.tell(events.Link("wan0", False, None, 0, None), 30)
    assert pair.registration().state == IDLE
    pair.node.late(5000)
    assert pair.asked() == [(300, CARE_OF)] and pair.registration().deadline() is None
    assert ("tunnel", FIRST) not in pair.node.held


if __name__ == "__main__":
    from runner import main

    main(globals())
