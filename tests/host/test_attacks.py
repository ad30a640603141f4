"""Attacks with real packets (docs/threats.md), each with its control: with the defence off it succeeds, or
who does the same rightly gets through."""

import json
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from careof.wire import ipv4, mip
from careof.wire import mip_extensions as ext
from careof.wire import tunneld as wire
from careof_office import (
    AGENT,
    AGENT_ADDRESS,
    BRANCH,
    HOME_ADDRESS,
    INTERPRETERS,
    KEY,
    SPI,
    Office,
    wait_until,
)
from careof_office import SERVER as OFFICE_SERVER
from scapy.layers.inet import ICMP, IP, UDP
from scapy.packet import Raw
from test_careofd import ATTACKS, Stranger, identification, keys, registration
from test_tunneld_kinds import GRE_TUNNEL, MINIMAL_TUNNEL, OUR_END, Kinds, gre, minimal
from tunneld_process import cannot_run, ip
from tunneld_world import ANY, HOME, PEER, SERVER, TUNNEL_DATA, good

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))


@pytest.fixture(scope="module")
def kinds():
    made = Kinds()
    yield made
    made.remove()


def sender(world):
    return world.outside.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))


# -- Open decapsulation, what is inside, and what is around it


@pytest.mark.parametrize("kind", ["ipip", "gre", "minimal"])
def test_each_encapsulation_is_open_to_its_own_senders_only(kinds, kind):
    """CVE-2020-10136, CVE-2024-7595."""

    def wrap(inner):
        if kind == "gre":
            return gre(inner)
        return minimal(inner) if kind == "minimal" else IP(src=PEER, dst=OUR_END, proto=4) / inner

    tunnel = {"ipip": 2, "gre": GRE_TUNNEL, "minimal": MINIMAL_TUNNEL}[kind]
    forged = good(b"forged", src="198.51.100.66", id=100 + tunnel)
    assert kinds.lets_in(wrap(good(b"right", id=200 + tunnel)))
    assert not kinds.lets_in(wrap(forged))
    stranger = wrap(good(b"stranger", id=300 + tunnel))
    stranger.src = "192.0.2.3"
    assert not kinds.lets_in(stranger)
    kinds.client.set(wire.SetInner(tunnel, ANY, 0, ANY, 0))  # the defence off
    assert kinds.lets_in(wrap(forged))
    kinds.client.set(wire.DropInner(tunnel, ANY, 0, ANY, 0))
    assert not kinds.lets_in(wrap(forged))


def test_loopback_is_not_reached_from_a_tunnel(world):
    """A martian destination, at an end that takes any destination: the kernel has the last word."""
    world.client.set(wire.SetInner(1, ip("10.9.0.0"), 16, ANY, 0))
    local = world.router.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    local.bind(("127.0.0.1", 5001))
    local.settimeout(0.3)
    martian = IP(src=SERVER, dst="127.0.0.1", ttl=60) / UDP(sport=7, dport=5001) / Raw(b"martian")

    def reaches():
        world.come(martian)
        try:
            return local.recv(100) == b"martian"
        except TimeoutError:
            return False

    assert not reaches()
    world.router.run("sysctl", "-qw", "net.ipv4.conf.careof0.route_localnet=1")
    assert reaches()


def test_martian_sources_come_by_no_tunnel(world):
    for source in ("0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", HOME):
        assert not world.delivered(good(src=source))
    assert world.counters()["in_bad_source"] == 5
    world.client.set(
        wire.SetInner(1, ip(HOME), 32, ip(HOME), 32)
    )  # even if a row let it in: the kernel's turn
    assert not world.delivered(good(src=HOME))


def test_a_packet_does_not_leave_by_a_tunnel_to_its_own_destination(world):
    """Recursive encapsulation: what a tunnel sends must not enter it again."""
    world.client.set(wire.SetUplink(1, "up0", ip(OUR_END), 434))
    own = world.router.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    own.bind((OUR_END, 5002))
    world.router.ip("route", "add", PEER, "dev", "careof0")
    before = world.counters()
    own.sendto(b"round and round", (PEER, 9))
    assert world.counted("out_loop", before["out_loop"] + 1)
    world.out(b"another destination")  # the control
    assert world.received()[Raw].load == b"another destination"


# -- Fields that choose, and lengths


def test_every_gre_protocol(kinds):
    """CVE-2014-9221: of 65,536 values one is IPv4."""
    packet = bytearray(bytes(gre(good(b"swept"))))
    at = 20 + 2
    raw, before = sender(kinds), kinds.counters()
    for protocol in range(65536):
        packet[at : at + 2] = struct.pack(">H", protocol)
        raw.sendto(bytes(packet), (OUR_END, 0))
        if protocol % 256 == 255:
            settle(kinds, before, protocol + 1)
    after = kinds.counters()
    assert after["in_unknown_kind"] - before["in_unknown_kind"] == 65535
    assert kinds.inner.recv(100) == b"swept"
    assert after["in_packets"] - before["in_packets"] == 1


def settle(world, before, count):
    """Wait until so many packets were looked at, whatever came of them."""
    names = ("in_packets", "in_unknown_kind", "in_malformed", "in_short", "in_key", "in_no_tunnel")

    def seen():
        now = world.counters()
        return sum(now[name] - before[name] for name in names) >= count

    wait_until(seen, f"{count} packets to be taken")


def test_every_next_header_of_tunnel_data(kinds):
    before = kinds.counters()
    for number in range(256):
        kinds.udp.sendto(bytes((4, number, 0, 0)) + bytes(good(b"swept")), (OUR_END, 434))
    settle(kinds, before, 256)
    after = kinds.counters()
    assert after["in_unknown_kind"] - before["in_unknown_kind"] == 254  # not 4, and 47 is no GRE here
    assert kinds.inner.recv(100) == b"swept"


def test_options_inside_and_outside(world):
    """Every option with every length that lies: nothing breaks, and who comes after it is served."""
    for kind in range(256):
        for length in (0, 1, 2, 3, 4, 39, 40, 255):
            options = bytes((kind, length)) + bytes(38)
            head = bytearray(bytes(good(b""))[:20])
            head[0] = 0x4F
            packet = head + options + bytes(8)
            packet[2:4] = struct.pack(">H", len(packet))
            packet[10:12] = b"\0\0"
            packet[10:12] = struct.pack(">H", ipv4.checksum(bytes(packet[:60])))
            world.come(bytes(packet))
    assert world.delivered(good(b"good"))
    outer = IP(src=PEER, dst=OUR_END, proto=4, options=[b"\1" * 40]) / good(b"in a long header")
    sender(world).sendto(bytes(outer), (OUR_END, 0))
    assert world.inner.recv(100) == b"in a long header"


def test_fragments_of_the_outside_and_of_the_inside(world):
    """A flood of fragments that never become whole, and forged fragments inside: each is checked as it is."""
    raw = sender(world)
    for number in range(3000):
        first = IP(src=PEER, dst=OUR_END, proto=4, flags="MF", id=number) / Raw(bytes(16))
        raw.sendto(bytes(first), (OUR_END, 0))
    assert world.delivered(good(b"good"))
    before = world.counters()["in_bad_source"]
    for offset, flags in ((0, "MF"), (1, "MF"), (8000, 0), (185, 0)):
        inner = IP(src="198.51.100.66", dst=HOME, frag=offset, flags=flags, proto=17) / Raw(bytes(8))
        world.come(inner)
        assert world.delivered(good(b"after it"))
    assert world.counters()["in_bad_source"] == before + 4
    whole = good(b"x" * 1000)
    halves = [bytes(piece) for piece in fragmented(whole)]
    for piece in halves:  # the control: those of the right source are put together by the kernel
        world.come(piece)
    assert world.inner.recv(2000) == b"x" * 1000


def fragmented(packet):
    from scapy.layers.inet import fragment

    return fragment(packet, fragsize=512)


# -- careofd


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("level", ["error", "debug"])
def test_every_refusal_at_every_log_level(interpreter, level):
    """CVE-2022-23094, CVE-2020-1763: what is refused before there is any state, told or not."""
    office = Office(interpreter)
    try:
        office.agent.config_path.write_text(f"{AGENT}config globals\n\toption log_level '{level}'\n")
        assert office.agent.careof("reload")[0] == 0
        stranger = Stranger(office)
        for make in ATTACKS.values():
            stranger.say(make())
        stranger.say(registration(key="wrong"))
        stranger.say(registration(at_s=-3600))
        for kind in range(256):
            stranger.say(bytes((kind,)) + registration()[1:40])
        for size in range(60):
            stranger.say(registration()[:size])
        office.agent.wait_for_counter("request_stale", 1)
        log = office.agent.log()
        assert ("request_unknown_node" in log) == (level == "debug") and "Traceback" not in log
        assert ("contents: " in log) == (level == "debug") and KEY not in log
        time.sleep(0.3)
        assert Stranger(office).reply_to(registration()) == 0
    finally:
        office.remove()


def test_nobody_moves_a_port_of_a_tunnel_but_who_signs_for_it():
    """RFC 3519 4.6 and 6.1.2: keepalives and data from another port, or another address, move nothing."""
    branch = BRANCH.replace("\tlist uplink 'wan'", "\toption encapsulation 'udp'\n\tlist uplink 'wan'")
    office = Office("MicroPython", branch=branch)
    try:
        assert bound(office) == ["192.0.2.2:434"] and office.ping() == 3
        keepalive = IP(src=HOME_ADDRESS, dst=AGENT_ADDRESS) / Raw(b"\x08\0\xf7\xff\0\0\0\0")
        keepalive.proto = 1
        for namespace, address in ((office.router, "192.0.2.2"), (office.outside, "192.0.2.3")):
            forger = namespace.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            forger.bind((address, 40404))
            for _ in range(20):
                forger.sendto(TUNNEL_DATA + bytes(keepalive), (AGENT_ADDRESS, 434))
        assert json.loads(office.agent.careof("--json", "counters")[1])["tunneld"]["in_no_tunnel"] == 40
        assert bound(office) == ["192.0.2.2:434"] and office.ping() == 3
        forger = office.router.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        forger.bind(("192.0.2.2", 40405))
        forger.sendto(udp_registration(), (AGENT_ADDRESS, 434))  # the control: this one has the key
        wait_until(lambda: bound(office) == ["192.0.2.2:40405"], "the binding to move")
    finally:
        office.remove()


def test_a_half_bound_tunnel_gets_its_port_once_from_who_has_its_address():
    """RFC 3519 4.6, 6.1.2: registered by an agent behind its NAT; what follows is of the node's own port."""
    office = Office("MicroPython")
    try:
        sockets = [
            office.outside.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(4)
        ]
        agent, node, elsewhere, late = sockets
        for each, address in zip(sockets, ("192.0.2.3", "192.0.2.3", "192.0.2.4", "192.0.2.3"), strict=True):
            each.bind((address, 0))
            each.settimeout(1)
        office.branch.kill()  # its renewals would be others
        agent.sendto(udp_registration(ext.UDP_THROUGH_AGENT, "10.1.1.1"), (AGENT_ADDRESS, 434))
        assert mip.unpack(agent.recv(2000)).message.code == 0
        assert bound(office) == ["192.0.2.3"]
        for forger, source in ((elsewhere, HOME_ADDRESS), (late, "10.77.0.9")):
            forger.sendto(TUNNEL_DATA + echo(source, AGENT_ADDRESS), (AGENT_ADDRESS, 434))
        node.sendto(TUNNEL_DATA + echo(HOME_ADDRESS, OFFICE_SERVER), (AGENT_ADDRESS, 434))  # no keepalive
        office.agent.wait_for_counter("keepalive_not_awaited", 2)
        assert bound(office) == ["192.0.2.3"]
        node.sendto(TUNNEL_DATA + echo(HOME_ADDRESS, AGENT_ADDRESS), (AGENT_ADDRESS, 434))
        data = node.recv(2000)
        assert data[:4] == TUNNEL_DATA and IP(data[4:]).src == AGENT_ADDRESS and data[24] == 0
        late.sendto(TUNNEL_DATA + echo(HOME_ADDRESS, AGENT_ADDRESS), (AGENT_ADDRESS, 434))
        assert bound(office) == [f"192.0.2.3:{node.getsockname()[1]}"]
        node.sendto(TUNNEL_DATA + echo(HOME_ADDRESS, OFFICE_SERVER), (AGENT_ADDRESS, 434))
        data = node.recv(2000)  # traffic passes both ways
        assert data[:4] == TUNNEL_DATA and IP(data[4:]).src == OFFICE_SERVER and data[24] == 0
    finally:
        office.remove()


def echo(source, destination):
    return bytes(IP(src=source, dst=destination) / ICMP(id=7, seq=1) / Raw(b"still here"))


def bound(office):
    return [row["peer"] for row in office.agent.status()["bound"]]


def udp_registration(flags=ext.UDP_FORCE, care_of="192.0.2.2"):
    addresses = [ipv4.parse_address(text) for text in (HOME_ADDRESS, AGENT_ADDRESS, care_of)]
    wanted = [ext.UdpTunnelRequest(flags, 0)]
    request = mip.RegistrationRequest(mip.FLAG_D | mip.FLAG_T, 600, *addresses, identification(), wanted)
    data = mip.pack_to_sign(request, SPI, 32)
    return data + keys.authenticate("right", data)


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_flood_of_ten_times_the_capacity(interpreter):
    """Invented sources, false authenticators for a node that exists, more than can be taken: the branch, with
    a lifetime of 10 s, renews twice meanwhile, its traffic passes, and nothing grows."""
    branch = BRANCH.replace("\tlist uplink 'wan'", "\toption lifetime_s '10'\n\tlist uplink 'wan'")
    office = Office(interpreter, branch=branch)
    try:
        for device in ("all", "out0"):
            office.outside.run("sysctl", "-qw", f"net.ipv4.conf.{device}.rp_filter=0")
        before = memory_kb(office.agent.process.pid)
        ping = office.start_ping(500)
        command = (sys.executable, Path(__file__).with_name("flood.py"), AGENT_ADDRESS, "12")
        flood = office.router.start(
            *command, registration(key="wrong").hex(), stdout=subprocess.PIPE, text=True
        )
        sent = int(flood.communicate(timeout=60)[0])
        assert ping() >= 490  # the kernel's own queues may drop a few
        status, out, error = office.agent.careof("--json", "counters")
        assert status == 0, error + office.agent.log()[-2000:]
        counters = json.loads(out)
        ours, theirs = counters["careofd"], counters["tunneld"]
        checked = ours["request_false_authenticator"]
        assert sent > 10 * checked and checked > 0
        assert theirs["signal_all_limited"] + theirs["signal_client_full"] + ours["unproven_limited"] > 0
        assert "binding_expired" not in ours and ours["reply_0"] >= 3, ours
        assert office.connected() and memory_kb(office.agent.process.pid) - before < 3000
        # Who is new gets in as soon as it is over (CVE-2009-0633).
        assert Stranger(office).reply_to(registration()) == 0
    finally:
        office.remove()


def memory_kb(pid):
    """Of the process and what it started: `ip netns exec` becomes careofd itself."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1])
    raise RuntimeError(f"process {pid} is gone")
