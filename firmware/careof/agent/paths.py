"""From decisions to what tunneld should hold: uplinks, tunnels, paths, routes, inner sources.

Numbers name objects to tunneld and must mean the same after careofd was restarted; what decides a number
(an uplink's name, a tunnel's far end) is saved with it. A path has the number of its tunnel: here
every path is one tunnel deep.

At the home agent a tunnel is its far end: kind, peer and port. Nodes share it (two routers' roles on one
machine), and a node that moved leaves it to a grace: what was in flight is still taken from there, and
nothing is sent to it any more (RFC 5944 leaves this to us; without it every move loses a round trip
of packets upward).

A router that came through a foreign agent has two: what is for itself goes to the agent's care-of address,
and what is for the networks behind it is encapsulated to its home address before that (RFC 5177 7), since
the agent knows of no more than the home address. The second tunnel lies in the first: its packets are routed.
"""

import heapq

from ..limits import TUNNEL_GRACE_MS, TUNNEL_HEADERS_MAX
from ..wire import mip, tunneld
from .events import Hold, Release

ANYWHERE = (bytes(4), 0)
ALL, HOME, NETWORKS = "all", "home", "networks"  # which of a node's prefixes a tunnel is for


def hold_path(number, packet_size, patience_ms):
    """A path of the one tunnel that has its number."""
    return Hold(("path", number), tunneld.SetPath(number, packet_size, patience_ms, (number,)))


def hold_tunnel(number, kind, uplink, peer, port):
    return Hold(("tunnel", number), tunneld.SetTunnel(number, kind, uplink, peer, port, 0, 0))


def route_key(destination, source=ANYWHERE):
    return ("route",) + destination + source


def hold_route(destination, gate, valid_s, paths, source=ANYWHERE):
    """Packets from that source to that destination take these paths."""
    return Hold(route_key(destination, source), tunneld.SetRoute(*destination, *source, gate, valid_s, paths))


def hold_capture(source, device=""):
    """What comes from that source by that device (any) goes out through us."""
    return Hold(("capture",) + source + (device,), tunneld.SetCapture(*source, device))


def hold_deliver(prefix):
    """The kernel hands us what goes there."""
    return Hold(("deliver",) + prefix, tunneld.SetDeliver(prefix[0], prefix[1]))


def release_deliver(prefix):
    return Release(("deliver",) + prefix)


def hold_inner(number, source, destination):
    """Inner packets of this tunnel may come from there and go there."""
    message = tunneld.SetInner(number, source[0], source[1], destination[0], destination[1])
    return Hold(("inner", number) + source + destination, message)


def release_inner(number, source, destination):
    return Release(("inner", number) + source + destination)


class _Tunnel:
    """One far end, and how many nodes send or are still listened to there."""

    __slots__ = ("end", "number", "users")

    def __init__(self, number, end):
        self.number, self.end, self.users = number, end, 0


class _Use:
    """One node's use of a tunnel. leaves_ms: when the grace ends, None while it has a binding there."""

    __slots__ = ("covers", "leaves_ms", "reverse", "tunnel")

    def __init__(self, tunnel, reverse, covers):
        self.tunnel, self.reverse, self.covers, self.leaves_ms = tunnel, reverse, covers, None


class AgentPaths:
    """What the home agent's tunneld holds for its nodes.

    A node has `home_address`, `routed`, `on_demand`, `bindings` and, for use here alone, a list `uses` and
    `delivered`: what of `on_demand` is held.
    home_length(node): of the prefix of its home network, if it may have what is sent to all there (RFC 5944
    4.3), else None. is_served(address): is it a home address of ours? A tunnel to there lies in another one.
    """

    def __init__(self, first_number, uplink, packet_size, is_served, home_length):
        self.packet_size = packet_size
        self._is_served, self._home_length = is_served, home_length
        self._uplink = uplink
        self.own_address = None  # the home agent's
        self._next_number = first_number
        self._tunnels = {}  # _key(end) -> _Tunnel
        self._leaving = []  # heap of (leaves_ms, entry, node, use)
        self._entries = 0

    def deadline(self):
        """When graces_over() may have something to do, in ms, or None."""
        return self._leaving[0][0] if self._leaving else None

    def number_of(self, binding):
        """The number of the tunnel that a binding uses, for the saved state."""
        return self._tunnel_to(self._end(binding)).number

    def nested_number_of(self, node):
        """The number of the tunnel to the node's own home address, or None: it has none."""
        tunnel = None if node.home_address is None else self._tunnels.get(_key(_nested_end(node)))
        return None if tunnel is None else tunnel.number

    def take_number(self, binding, number):
        """Before a restart this binding's tunnel had this number."""
        self._take(self._end(binding), number)

    def take_nested_number(self, node, number):
        self._take(_nested_end(node), number)

    def _take(self, end, number):
        if _key(end) not in self._tunnels:
            self._tunnels[_key(end)] = _Tunnel(number, end)
        self._next_number = max(self._next_number, number + 1)

    def renewed(self, node, now_ms):
        """The node's bindings are the same and last longer."""
        return self._routes(node, now_ms) + self.listen(node)

    def changed(self, node, now_ms):
        """The node's bindings are others than before: what tunneld should hold for it."""
        actions, wanted = [], []
        for binding in node.bindings:
            nested = bool(node.routed) and _is_by_agent(binding)
            covers = HOME if nested else ALL
            wanted.append(self._use(node, self._end(binding), binding.reverse, covers, actions))
            if nested:
                end = _nested_end(node)
                wanted.append(self._use(node, end, binding.reverse, NETWORKS, actions))
        for use in node.uses:
            if use not in wanted and use.leaves_ms is None:
                use.leaves_ms = now_ms + TUNNEL_GRACE_MS
                self._entries += 1
                heapq.heappush(self._leaving, (use.leaves_ms, self._entries, node, use))
        actions += self.deliver(node) + self._routes(node, now_ms)
        return actions + self.listen(node)

    def listen(self, node):
        """Does it hear what is sent to all at home, and must a foreign agent be told for whom it is?"""
        hears = nested = False
        for binding in node.bindings:
            if binding.asked is not None and binding.asked.flags & mip.FLAG_B:
                hears = True
                nested = nested or _is_by_agent(binding)
        length = self._home_length(node) if hears else None
        wanted = None
        if length is not None:
            wanted = tunneld.SetListener(node.home_address, length, self.own_address if nested else bytes(4))
        if wanted == node.listener:
            return []
        before, node.listener = node.listener, wanted
        key = ("listener", (wanted or before).home_address)
        return [Release(key)] if wanted is None else [Hold(key, wanted)]

    @staticmethod
    def deliver(node):
        """What is routed to us only while the node is bound."""
        wanted = node.on_demand if node.bindings else ()
        if wanted == node.delivered:
            return []
        actions = [release_deliver(prefix) for prefix in node.delivered if prefix not in wanted]
        node.delivered = wanted
        return actions + [hold_deliver(prefix) for prefix in wanted]

    def networks_changed(self, node, before, now_ms):
        """There are other networks behind the node than before: sessions of those that stay go on."""
        actions = []
        lost = [prefix for prefix in before if prefix not in node.routed]
        for use in node.uses:
            if use.reverse:
                actions += [release_inner(use.tunnel.number, prefix, ANYWHERE) for prefix in lost]
                self._inner(node, use, actions)
        actions += [Release(route_key(prefix)) for prefix in lost]
        return actions + self.changed(node, now_ms)

    def resized(self, packet_size):
        """Another packet size for every path."""
        self.packet_size = packet_size
        return [self._path(tunnel) for tunnel in self._tunnels.values() if tunnel.users]

    def _path(self, tunnel):
        nested = TUNNEL_HEADERS_MAX if self._is_served(tunnel.end[1]) else 0
        return hold_path(tunnel.number, self.packet_size - nested, 0)

    def graces_over(self, now_ms):
        """Let go of the tunnels that nodes left long enough ago."""
        actions = []
        while self._leaving and self._leaving[0][0] <= now_ms:
            at_ms, _, node, use = heapq.heappop(self._leaving)
            if use.leaves_ms == at_ms and use in node.uses:
                self._drop_use(node, use, actions)
        return actions

    def forget(self, node):
        """The node is not served any more: nothing of it stays."""
        actions = self.deliver(node) + [Release(route_key(prefix)) for prefix in self._prefixes(node)]
        for use in list(node.uses):
            self._drop_use(node, use, actions)
        return actions + self.listen(node)

    def _tunnel_to(self, end):
        """The tunnel with that far end. After a restart it may have been another node's that is gone already,
        while the binding that is asked about waits for its turn to be held."""
        tunnel = self._tunnels.get(_key(end))
        if tunnel is None:
            tunnel = self._tunnels[_key(end)] = _Tunnel(self._next_number, end)
            self._next_number += 1
        return tunnel

    def _use(self, node, end, reverse, covers, actions):
        for use in node.uses:
            if use.tunnel.end == end:
                use.leaves_ms = None
                if (use.reverse, use.covers) != (reverse, covers):
                    use.reverse = False
                    self._inner(node, use, actions)
                    use.reverse, use.covers = reverse, covers
                    self._inner(node, use, actions)
                return use
        tunnel = self._tunnel_to(end)
        if tunnel.users == 0:
            actions.append(hold_tunnel(tunnel.number, end[0], self._uplink, end[1], end[2]))
            actions.append(self._path(tunnel))
        tunnel.users += 1
        use = _Use(tunnel, reverse, covers)
        node.uses.append(use)
        if reverse:
            self._inner(node, use, actions)
        return use

    def _drop_use(self, node, use, actions):
        node.uses.remove(use)
        tunnel = use.tunnel
        if use.reverse:
            use.reverse = False
            self._inner(node, use, actions)
        tunnel.users -= 1
        if tunnel.users == 0:
            actions.append(Release(("path", tunnel.number)))
            actions.append(Release(("tunnel", tunnel.number)))
            del self._tunnels[_key(tunnel.end)]

    def _inner(self, node, use, actions):
        """Reverse tunnelled packets are the node's own, and only if it asked for that (RFC 3024 4.3.2)."""
        number = use.tunnel.number
        for prefix in self._prefixes(node):
            if use.covers in (ALL, NETWORKS if prefix in node.routed else HOME):
                make = hold_inner if use.reverse else release_inner
                actions.append(make(number, prefix, ANYWHERE))

    def _routes(self, node, now_ms):
        if not node.bindings:
            return [Release(route_key(prefix)) for prefix in self._prefixes(node)]
        valid_s = 0
        for binding in node.bindings:
            valid_s = max(valid_s, binding.left_s(now_ms))
        if valid_s == 0xFFFF:
            valid_s = tunneld.FOREVER_S
        home, networks = [], []  # the tunnels of both
        for use in node.uses:
            if use.leaves_ms is None and use.covers != NETWORKS:
                home.append(use.tunnel.number)
            if use.leaves_ms is None and use.covers != HOME:
                networks.append(use.tunnel.number)
        actions = []
        for prefix in self._prefixes(node):
            numbers = tuple(networks if prefix in node.routed else home)
            actions.append(hold_route(prefix, tunneld.GATE_OPEN, valid_s, numbers))
        return actions

    @staticmethod
    def _prefixes(node):
        return node.routed if node.home_address is None else ((node.home_address, 32),) + node.routed

    @staticmethod
    def _end(binding):
        return (binding.kind, binding.peer, binding.port)


def _is_by_agent(binding):
    """Is its care-of address a foreign agent's?"""
    return binding.asked is not None and not binding.asked.flags & mip.FLAG_D


def _key(end):
    """A key that spreads: MicroPython hashes the octets of one network's addresses to few values."""
    return end[0], int.from_bytes(end[1], "big"), end[2]


def _nested_end(node):
    return (tunneld.KIND_IPIP, node.home_address, 0)
