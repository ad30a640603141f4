"""What RFC 5944 demands of an agent's sockets and tunnels beside the stories of the other files."""

import socket

import pytest
from careof.wire import tunneld as wire
from careof_office import wait_until
from scapy.layers.inet import ICMP, IP, UDP
from scapy.packet import Raw
from test_tunneld_links import World as LinksWorld
from tunneld_process import cannot_run, ip
from tunneld_world import PEER, SERVER, good

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))


@pytest.fixture
def links(request):
    made = LinksWorld(*getattr(request, "param", ()))
    yield made
    made.remove()


def raw_of(namespace, protocol=socket.IPPROTO_RAW):
    return namespace.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol))


def test_signalling_with_a_wrong_checksum_is_not_heard_and_without_one_it_is(world):
    """3.1, 3.6.2.1, 3.7.2.1, 3.7.3.1, 3.8.2.1."""
    outside = raw_of(world.outside)
    for text, changes in (
        (b"\1wrong", {"chksum": 0x1234}),
        (b"\1without", {"chksum": 0}),
        (b"\1right", {}),
    ):
        packet = IP(src=PEER, dst="192.0.2.1") / UDP(sport=434, dport=434, **changes) / Raw(text)
        outside.sendto(bytes(packet), ("192.0.2.1", 0))
    heard = [world.client.wait_for(wire.Signal).data for _ in range(2)]
    assert heard == [b"\1without", b"\1right"]


def test_what_we_say_has_a_checksum(world):
    seen = raw_of(world.outside, socket.IPPROTO_UDP)
    seen.settimeout(2)
    world.client.send(wire.SendSignal(1, ip(PEER), 434, b"\3reply"))
    packet = IP(seen.recv(2048))
    while packet[UDP].dport != 434 or packet.src != "192.0.2.1":
        packet = IP(seen.recv(2048))
    assert packet[UDP].chksum != 0


def test_what_is_for_nobody_here_is_dropped_without_an_icmp_message(world):
    """4.2.2: neither forwarded nor answered. The control: a ping to this machine is answered."""
    errors = raw_of(world.outside, socket.IPPROTO_ICMP)
    errors.settimeout(1)
    assert not world.delivered(good(dst="10.77.0.3"))
    assert not world.delivered(good(dst="203.0.113.9"))
    raw_of(world.outside).sendto(bytes(IP(src=PEER, dst="192.0.2.1") / ICMP(type=8, id=7)), ("192.0.2.1", 0))
    answers = []
    while True:
        try:
            answers.append(IP(errors.recv(2048)))
        except TimeoutError:
            break
    assert [answer[ICMP].type for answer in answers if answer.src == "192.0.2.1"] == [0]
    assert world.counters()["in_bad_destination"] == 2


def test_what_is_encapsulated_already_is_encapsulated_again_unless_it_comes_from_there(world):
    """4.2.3: a datagram for a node that its own care-of address has tunnelled would go round."""
    world.route(wire.GATE_OPEN, 2)
    sender = raw_of(world.router)
    for source, inner_to, passes in (
        ("203.0.113.9", SERVER, True),
        ("203.0.113.9", "10.9.0.99", True),
        (PEER, SERVER, False),
    ):
        before = world.counters()["out_loop"]
        inner = IP(src="203.0.113.5", dst=inner_to) / UDP(sport=1, dport=2) / Raw(b"inner")
        sender.sendto(bytes(IP(src=source, dst=SERVER, proto=4) / inner), (SERVER, 0))
        if passes:
            outer = IP(world.raw.recv(65536))
            layers = [(layer.src, layer.dst) for layer in (outer, outer[IP:2], outer[IP:3])]
            assert layers == [("192.0.2.1", PEER), (source, SERVER), ("203.0.113.5", inner_to)]
        else:
            assert world.counted("out_loop", before + 1)


def test_packets_that_may_not_come_are_told_as_security_exceptions_a_few_at_a_time(world):
    """RFC 3024 4.3.2: of a source that is not behind the tunnel; in an encapsulation not agreed on."""
    sender = raw_of(world.outside)
    for _ in range(200):
        world.come(good(src="10.10.0.1"))
        sender.sendto(bytes(IP(src="192.0.2.3", dst="192.0.2.1", proto=4) / good()), ("192.0.2.1", 0))
    assert world.counted("in_bad_source", 200) and world.counted("in_no_tunnel", 200)
    assert world.delivered(good(b"the good one"))
    log = world.tunneld.log()
    for text in ("tunnel 1: a packet from a source that is not behind it", "by no tunnel of ours"):
        assert 0 < log.count(text) < 50, log


def test_data_and_signalling_leave_by_one_port_and_come_whatever_is_reserved(world):
    """RFC 3519 3.3, 4.4, 4.9: one mapping of a NAT serves both; reserved octets are ignored."""
    world.client.send(wire.SendSignal(1, ip(PEER), 434, b"\3reply"))
    assert world.udp.recvfrom(100) == (b"\3reply", ("192.0.2.1", 434))
    world.out(b"data")
    data, sender = world.udp.recvfrom(2048)
    assert sender == ("192.0.2.1", 434) and data[:4] == b"\4\4\0\0"
    world.udp.sendto(b"\4\4\xff\xff" + bytes(good(b"reserved")), ("192.0.2.1", 434))
    assert world.inner.recv(100) == b"reserved"


def test_nobody_on_the_lan_sends_with_an_address_of_the_router(links):
    """RFC 5177 10: neither its home address nor one of a device; the control is the LAN's own."""
    links.client.set(
        wire.SetUplink(1, "up0", ip("192.0.2.1"), 434),
        wire.SetTunnel(1, wire.KIND_IPIP, 1, ip(PEER), 0, 0, 0),
        wire.SetPath(1, 1400, 0, (1,)),
        wire.SetRoute(bytes(4), 0, bytes(4), 0, wire.GATE_OPEN, wire.FOREVER_S, (1,)),
        *(wire.SetCapture(ip(source), 32, "") for source in ("10.77.0.2", "10.9.0.1", "10.9.0.7")),
    )
    outside = raw_of(links.outside, socket.IPPROTO_IPIP)
    outside.settimeout(1)
    for source in ("10.77.0.2", "10.9.0.1", "192.0.2.1", "10.9.0.7"):
        links.put(IP(src=source, dst="203.0.113.9") / UDP(sport=1, dport=2) / Raw(source.encode()))
    assert bytes(IP(outside.recv(2048))[UDP].payload) == b"10.9.0.7"
    with pytest.raises(TimeoutError):
        outside.recv(2048)


STRANGER, NEAR = "198.18.0.5", "192.0.2.2"  # who is not of the mobile network; who is on the uplink's own


def rules(links):
    """The rules that are ours, in their order."""
    return [line for line in links.router.ip("rule", "show").splitlines() if line.startswith("434")]


GUARDED = (
    wire.SetUplink(1, "up0", ip("192.0.2.1"), 434),
    wire.SetTunnel(1, wire.KIND_IPIP, 1, ip(PEER), 0, 0, 0),
    wire.SetPath(1, 1400, 0, (1,)),
    wire.SetRoute(bytes(4), 0, ip("10.9.0.0"), 24, wire.GATE_OPEN, wire.FOREVER_S, (1,)),
    wire.SetCapture(ip("10.9.0.0"), 24, ""),
    wire.SetSpare(ip("192.0.2.0"), 24),
)


@pytest.fixture
def guarded(links):
    """A mobile network, 10.9.0.0/24, that is tunnelled but for what is near; heard(): where it comes out."""
    links.router.ip("route", "add", "default", "via", NEAR)
    links.outside.ip("address", "add", "203.0.113.9/32", "dev", "lo")
    links.client.set(*GUARDED)
    native, tunnelled = raw_of(links.outside, socket.IPPROTO_UDP), raw_of(links.outside, socket.IPPROTO_IPIP)
    native.settimeout(0.5)
    tunnelled.settimeout(0.5)

    def heard(source, destination="203.0.113.9"):
        """How what that source sends by the LAN leaves: "natively", "tunnelled" or None: not at all."""
        links.put(IP(src=source, dst=destination) / UDP(sport=1, dport=2) / Raw(source.encode()))
        for way, taken in (("tunnelled", tunnelled), ("natively", native)):
            try:
                while True:
                    packet = IP(taken.recv(2048))
                    if bytes(packet[UDP].payload) == source.encode():
                        return way
            except TimeoutError:
                pass
        return None

    links.heard = heard
    yield links
    native.close()
    tunnelled.close()


def test_what_comes_from_no_mobile_network_goes_nowhere(guarded):
    """RFC 5177 10. The control is the same without: the kernel routes it by the uplink as it is."""
    before = rules(guarded)
    assert guarded.heard(STRANGER) == "natively"
    guarded.client.set(wire.SetIngress("lan0"))
    assert guarded.heard(STRANGER) is None and guarded.heard(STRANGER, NEAR) is None
    assert guarded.heard("10.9.0.7") == "tunnelled"
    assert guarded.heard("10.9.0.7", NEAR) == "natively"  # spared: as it was meant
    own = guarded.router.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    own.bind(("10.9.0.1", 2))
    own.settimeout(2)
    assert guarded.heard(STRANGER, "10.9.0.1") is None and own.recv(100) == STRANGER.encode()
    own.close()
    guarded.client.set(wire.SetCapture(ip(STRANGER), 32, "lan0"))  # a visitor there, from now on
    assert guarded.heard(STRANGER, NEAR) == "natively" and guarded.heard(STRANGER) is None
    assert guarded.client.counters()["out_no_route"] == 1  # it is captured, and no tunnel is for it
    guarded.client.set(wire.DropCapture(ip(STRANGER), 32, "lan0"))
    assert guarded.heard(STRANGER, NEAR) is None
    guarded.client.set(wire.SetIngress("lan0"), wire.SetIngress("other0"), wire.DropIngress("other0"))
    assert guarded.heard("10.9.0.7", NEAR) == "natively" and guarded.heard(STRANGER) is None
    guarded.client.set(wire.DropIngress("lan0"))
    assert guarded.heard(STRANGER) == "natively" and rules(guarded) == before


def test_what_is_not_said_again_in_a_replay_or_by_a_new_life_is_undone(guarded):
    guarded.client.set(wire.SetIngress("lan0"))
    assert len(rules(guarded)) == 4
    guarded.client.replay(wire.SetTun(ip("10.77.0.2"), 1500), wire.SetCapture(ip("10.9.0.0"), 24, ""))
    assert len(rules(guarded)) == 1
    guarded.client.set(wire.SetIngress("lan0"))
    guarded.tunneld.stop()
    assert rules(guarded) == []


def test_a_device_without_a_name_is_refused(guarded):
    with pytest.raises(ValueError, match="Invalid"):
        guarded.client.set(wire.SetIngress(""))
    with pytest.raises(ValueError, match="No such"):
        guarded.client.set(wire.DropIngress("lan0"))
    assert len(rules(guarded)) == 1


def anew(guarded):
    """Another life; its client, which has not said anything yet."""
    guarded.tunneld.start()
    guarded.client = guarded.tunneld.client()
    return guarded.client


@pytest.mark.parametrize("links", [(), ("--fence",)], ids=["without", "fence"], indirect=True)
def test_what_was_captured_goes_nowhere_after_a_life_that_was_killed(guarded, request):
    """The control is the same without --fence: it leaves by the uplink as it is, until the next replay."""
    fenced = request.node.callspec.id == "fence"
    guarded.client.set(wire.SetCapture(ip(STRANGER), 32, "lan0"))
    for one_more in range(2):  # a second life may be killed before it has its state
        guarded.tunneld.kill()
        wait_until(lambda: not [rule for rule in rules(guarded) if "lookup 434" in rule], "the helper's end")
        assert guarded.heard("10.9.0.7") == (None if fenced else "natively"), one_more
        assert guarded.heard(STRANGER) == (None if fenced else "natively")
        assert guarded.heard("198.18.0.6") == "natively"  # who was never captured
        client = anew(guarded)
        assert guarded.heard("10.9.0.7") == (None if fenced else "natively")
    assert len(rules(guarded)) == (2 if fenced else 0)
    client.replay(wire.SetTun(ip("10.77.0.2"), 1500), wire.SetLink(3, "lan0"), *GUARDED)
    assert guarded.heard("10.9.0.7") == "tunnelled" and guarded.heard("10.9.0.7", NEAR) == "natively"
    assert guarded.heard(STRANGER) == "natively" and len(rules(guarded)) == 1  # it is captured no more
    assert guarded.tunneld.stop() == 0
    assert (
        rules(guarded) == [] and guarded.heard("10.9.0.7") == "natively"
    )  # asked to stop, it leaves nothing


@pytest.mark.parametrize("links", [("--fence",)], indirect=True)
def test_a_life_without_fences_removes_those_of_before(guarded):
    guarded.tunneld.kill()
    wait_until(lambda: guarded.heard("10.9.0.7") is None and len(rules(guarded)) == 1, "the fence")
    guarded.tunneld._options = ()
    anew(guarded).replay(wire.SetTun(ip("10.77.0.2"), 1500), wire.SetLink(3, "lan0"))
    assert rules(guarded) == [] and guarded.heard("10.9.0.7") == "natively"
