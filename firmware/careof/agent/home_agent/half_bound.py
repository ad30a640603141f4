"""Half-bound tunnels of nodes that register through a foreign agent (RFC 3519 4.6, 4.11, R).

    request with R by the agent --> a binding whose tunnel has the request's source, and no port yet
    the node's first keepalive, in UDP from that address --> its port is the tunnel's, and is answered by it

A NAT gives the node's own datagrams another port than the agent's, so nothing can be sent before the first
one came. tunneld hands up what comes from the address of a tunnel without a port. A port is set once: whoever
else sends from behind the same NAT changes nothing after that, until the node registers again (6.1.2).
"""

from ...proto.kinds import NAMES
from ...wire import icmp, ipv4, mip
from ...wire.reader import Malformed
from ...wire.tunneld import KIND_MIP_UDP, KIND_MIP_UDP_GRE
from ..events import Changed, Count, Log, SendInner

GRE = 47
GRE_HEADER = b"\x00\x00\x08\x00"  # of IPv4, without a key, which UDP tunnels have none of


def _unpack(data):
    """(kind of the tunnel that it would be by, inner packet). Raises Malformed."""
    message = mip.unpack_tunnel_data(data)
    if message.next_header == ipv4.IPIP:
        return KIND_MIP_UDP, message.data
    if message.next_header == GRE and message.data[:4] == GRE_HEADER:
        return KIND_MIP_UDP_GRE, message.data[4:]
    raise Malformed("tunnel data.next header", "%d is none of IPv4" % message.next_header)


class HalfBound:
    """Of one home agent, `agent`."""

    def __init__(self, agent):
        self._agent = agent

    def arrived(self, event, now_ms):
        """Tunnel data that came by no tunnel."""
        agent = self._agent
        try:
            kind, packet = _unpack(event.data)
            home_address, destination, echo = icmp.unpack_packet(packet)
        except Malformed as e:
            return agent.dropped("keepalive_malformed", str(e), event, now_ms)
        binding, node = None, agent.nodes.find(home_address)
        if node is not None and destination == agent.agent.address and echo.kind == icmp.ECHO_REQUEST:
            binding = _half_bound(node, kind, event.source)
        if binding is None:
            return agent.dropped("keepalive_not_awaited", "", event, now_ms)
        binding.port = event.source_port
        agent.touched(node, now_ms)
        actions = [Count("half_bound_completed"), Changed("bindings", node.home_address)]
        actions += agent.paths.changed(node, now_ms)
        end = "%s port %d" % (ipv4.address_text(binding.peer), binding.port)
        actions.append(Log("info", "binding", "%s: %s to %s" % (node.describe(), NAMES[kind], end)))
        answer = icmp.Echo(icmp.ECHO_REPLY, echo.identifier, echo.sequence, echo.data)
        packet = icmp.pack_packet(destination, home_address, answer)
        return actions + [SendInner(agent.paths.number_of(binding), packet)]


def _half_bound(node, kind, source):
    """The node's binding whose tunnel to that address has no port yet, or None."""
    for binding in node.bindings:
        if (binding.kind, binding.peer, binding.port) == (kind, source, 0):
            return binding
    return None
