"""A foreign agent as a process: advertisements, both deliveries, each encapsulation, revocation."""

import json

import pytest
from careof.wire import icmp, ipv4, mip
from careof.wire import mip_extensions as ext
from careof.wire import router_discovery as discovery
from careof.wire.reader import Malformed
from careof_office import INTERPRETERS, wait_until
from tunneld_process import cannot_run
from visit import AGENT, CARE_OF, FOREIGN, HOME, LINK, SERVER, Visit, ip

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))


@pytest.fixture(scope="module", params=INTERPRETERS)
def shared(request):
    made = Visit(request.param)
    yield made
    made.remove()


@pytest.fixture
def visit(request):
    made = Visit(
        foreign=FOREIGN.replace("option challenge '0'", getattr(request, "param", "option challenge '0'"))
    )
    yield made
    made.remove()


def visitors(visit):
    return visit.foreign.status()["visitors"]


def echo(sequence):
    return icmp.pack_packet(ip(HOME), ip(SERVER), icmp.Echo(icmp.ECHO_REQUEST, 0x77, sequence, b"by hand"))


def echo_reply(visit, sequence):
    def wanted(frame):
        try:
            _, _, found = icmp.unpack_packet(frame[3])
        except Malformed:  # anything else that is on the link
            return None
        return found if (found.kind, found.sequence) == (icmp.ECHO_REPLY, sequence) else None

    return visit.wait_frame(wanted, 2)


def test_advertisements_are_heard_and_solicited(shared):
    to, message = shared.advertisement()
    assert to == b"\x01\0\x5e\0\0\1" and message.agent.care_of == (ip(CARE_OF),)
    assert message.routers == [(ip(LINK), 0)] and message.prefix_lengths == (24,)
    asked = discovery.pack_packet(ip(HOME), discovery.MOBILE_AGENTS, discovery.Solicitation())
    shared.put(asked, b"\x01\0\x5e\0\0\x0b")

    def unicast(frame):
        return True if frame[0] == shared.mac and frame[3][9] == ipv4.ICMP and frame[3][20] == 9 else None

    assert shared.wait_frame(unicast)


def test_a_visit_with_direct_delivery(shared):
    assert shared.ping(1) == 0  # the control: nobody routes it yet
    assert shared.register() == 0
    assert shared.ping(5) == 5 and shared.ping_back(5) == 5
    [row] = visitors(shared)
    assert (row["home_address"], row["tunnel"], row["delivery"]) == (HOME, "ipip", "direct")
    # Nobody asked on the visited link by ARP where the home address is (RFC 5944 4.6).
    assert shared.arps_for(HOME) == []


def test_a_visit_with_encapsulating_delivery(shared):
    style = ext.pack_extension(ext.EncapsulatingDelivery())
    assert shared.register(after=style) == 0
    shared.encapsulated(echo(1))
    assert echo_reply(shared, 1) is not None
    # What is not encapsulated is forwarded as anybody's (RFC 3024 5.2.1): the server's answer to it, which
    # comes by the home agent, shows that it arrived; the tunnel to the home agent did not carry it.
    before = json.loads(shared.foreign.careof("--json", "counters")[1])["tunneld"]["out_packets"]
    shared.put(echo(2))
    echo_reply(shared, 2)
    assert json.loads(shared.foreign.careof("--json", "counters")[1])["tunneld"]["out_packets"] == before
    assert shared.ping_back(3) in (0, 3)


@pytest.mark.parametrize(
    ("flags", "tunnel"),
    [(0, "ipip"), (mip.FLAG_M, "minimal"), (mip.FLAG_G, "gre"), (mip.FLAG_M | mip.FLAG_G, "gre")],
)
def test_each_encapsulation_carries(shared, flags, tunnel):
    assert shared.register(flags=mip.FLAG_T | flags) == 0
    assert [row["tunnel"] for row in visitors(shared)] == [tunnel]
    assert shared.ping(5) == 5 and shared.ping_back(5) == 5
    bound = shared.home_agent.status()["bound"]
    assert [(row["care_of"], row["tunnel"]) for row in bound] == [(CARE_OF, tunnel)]


def test_without_a_reverse_tunnel_packets_go_straight(shared):
    assert shared.register(flags=0) == 0
    assert shared.ping(3) == 3 and visitors(shared)[0]["delivery"] is None


def test_deregistration(shared):
    assert shared.register() == 0
    assert shared.register(lifetime_s=0) == 0
    assert visitors(shared) == [] and shared.home_agent.status()["bound"] == []
    assert shared.ping(1) == 0
    neighbours = shared.visited.ip("neighbour", "show", "nud", "permanent")
    assert HOME not in neighbours + shared.visited.ip("route") + shared.visited.ip("rule")


def test_a_refusal_says_why(shared):
    reply = shared.ask(shared.request(care_of="203.0.113.9"))
    assert reply.message.code == 77 and reply.authentication is None
    assert shared.foreign.counters()["visitor_denied_77"] >= 1


def test_careofd_dies_and_no_visitor_notices(visit):
    assert visit.register() == 0 and visit.ping(3) == 3
    state = visit.foreign.run_folder / "state"
    row = b"foreign_agent-lan.v."
    wait_until(lambda: row in b"".join(file.read_bytes() for file in state.iterdir()), "its row")
    visit.foreign.kill()
    assert visit.ping(20) == 20
    visit.foreign.start()
    wait_until(lambda: (visit.foreign.status() or {}).get("visiting") == 1, "the visitor to be restored")
    assert visit.ping(20) == 20
    visit.drain()
    _, message = visit.advertisement()
    assert message.agent.sequence >= 256


def test_the_home_agent_revokes(visit):
    assert visit.register() == 0 and visit.ping(2) == 2
    status, out, error = visit.home_agent.careof("revoke", HOME)
    assert status == 0 and HOME in out, error
    wait_until(lambda: visitors(visit) == [], "the visit to end")
    assert visit.home_agent.wait_for_counter("revocation_acknowledged", 1) == 1
    told = visit.wait_frame(lambda frame: told_busy(frame, visit.mac))
    assert told == 0 and visit.ping(1) == 0


def told_busy(frame, mac):
    """The sequence number of an advertisement to this node alone that says busy."""
    try:
        _, message = discovery.unpack_packet(frame[3])
    except Malformed:  # anything else that is on the link
        return None
    busy = frame[0] == mac and message.agent.flags & discovery.AGENT_B
    return message.agent.sequence if busy else None


def test_the_foreign_agent_revokes(visit):
    assert visit.register() == 0
    assert visit.foreign.careof("revoke", HOME)[0] == 0
    wait_until(lambda: visit.home_agent.status()["bound"] == [], "the binding to end")
    assert visit.foreign.wait_for_counter("revocation_acknowledged", 1) == 1
    status, _, error = visit.foreign.careof("revoke", HOME)
    assert status == 1 and "no visitor" in error


@pytest.mark.parametrize("visit", ["option challenge '1'"], indirect=True)
def test_a_challenge_that_nobody_answers_is_missed_and_told(visit):
    _, message = visit.advertisement()
    assert message.challenge is not None
    reply = visit.ask(visit.request())
    assert reply.message.code == 105
    assert ext.find(reply.unprotected, ext.Challenge) is not None


@pytest.mark.parametrize("visit", ["option challenge '0'\n\toption udp_tunnelling 'force'"], indirect=True)
def test_tunnels_in_udp(visit):
    assert visit.register() == 0 and visit.ping(3) == 3
    assert visitors(visit)[0]["tunnel"] == "mip-udp"
    assert visit.register(flags=mip.FLAG_T | mip.FLAG_G) == 0 and visit.ping(3) == 3
    assert visitors(visit)[0]["tunnel"] == "mip-udp-gre"
    assert visit.home_agent.status()["bound"][0]["peer"] == f"{CARE_OF}:434"


def test_somebody_elses_home_agent_is_not_served(visit):
    visit.foreign.config_path.write_text(
        FOREIGN.replace(f"option address '{AGENT}'", "option address '192.0.2.99'")
    )
    assert visit.foreign.careof("reload")[0] == 0
    assert visit.register() == 65


def test_a_home_agent_that_is_not_there_is_told_at_once_as_the_kernel_says_it(visit):
    """RFC 5944 3.7.3: by an ICMP error of its machine, long before the request times out."""
    assert visit.register() == 0
    visit.home_agent.kill()
    visit.home_agent.tunneld.stop()  # nobody listens at port 434 there any more
    assert visit.register() == 82
    visit.agent.ip("route", "add", "unreachable", f"{AGENT}/32", "table", "7")
    visit.agent.ip("rule", "add", "pref", "1", "lookup", "local")
    visit.agent.ip("rule", "del", "pref", "0")
    visit.agent.ip("rule", "add", "pref", "0", "iif", "out0", "to", AGENT, "lookup", "7")
    visit.agent.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0")
    wait_until(lambda: visit.register() == 81, "the host to be said unreachable")
    visit.agent.ip("rule", "del", "pref", "0")
    visit.home_agent.tunneld.start()
    visit.home_agent.start()
    wait_until(lambda: visit.register() == 0, "the home agent to be back")  # the control
    assert visit.foreign.counters()["unreachable"] >= 2
