"""From visitors to what tunneld should hold: tunnels to home agents, neighbours, reverse tunnels.

    home agent ==tunnel==> inner row (to the home address) -> careof0 -> kernel: neighbour -> visitor
    visitor -> kernel: capture (from the home address) -> careof0 -> route (from it) -> path -> home agent

A neighbour entry with the visitor's link-layer address spares an ARP for an address that is foreign to the
link (RFC 5944 4.6). Delivery styles (RFC 3024 5) differ in what is captured: with direct delivery what
comes from the visitor's device; with encapsulating delivery what came by a tunnel from the visitor, and so
out of careof0, and nothing else.

Visitors of one home agent share their tunnel when it has the same kind and port.
"""

from ...wire import tunneld
from ..events import Hold, Release
from ..paths import ANYWHERE, hold_capture, hold_inner, hold_path, hold_route, hold_tunnel

TUN = "careof0"


class _Tunnel:
    __slots__ = ("end", "number", "users")

    def __init__(self, number, end):
        self.number, self.end, self.users = number, end, 0


class VisitorPaths:
    """What the foreign agent's tunneld holds. A visitor has, for use here alone, `tunnel` and `held`."""

    def __init__(self, first_number, uplink, packet_size):
        self.packet_size = packet_size
        self._uplink = uplink
        self._next_number = first_number
        self._tunnels = {}  # end -> _Tunnel

    def changed(self, visitor, now_ms):
        """The visitor is registered, by this tunnel, for this long. What it had before and lost goes."""
        before, tunnel = visitor.held, visitor.tunnel
        visitor.held, visitor.tunnel, actions = {}, None, []
        if not visitor.co_located:
            visitor.tunnel = self._tunnel(visitor.end, actions)
            for hold in self._wanted(visitor, now_ms):
                visitor.held[hold.key] = hold.message
                actions.append(hold)
        actions += [Release(key) for key in before if key not in visitor.held]
        if tunnel is not None:
            actions += self._left(tunnel)
        return actions

    def again(self, visitor):
        """The visitor's device went and came back: the kernel's rows of it went too."""
        rows = [(key, message) for key, message in visitor.held.items() if key[0] == "neighbour"]
        return [Release(key) for key, _ in rows] + [Hold(key, message) for key, message in rows]

    def forget(self, visitor):
        """The visitor is one no more."""
        actions = [Release(key) for key in visitor.held]
        visitor.held = {}
        if visitor.tunnel is not None:
            actions += self._left(visitor.tunnel)
            visitor.tunnel = None
        return actions

    def resized(self, packet_size):
        self.packet_size = packet_size
        return [hold_path(tunnel.number, packet_size, 0) for tunnel in self._tunnels.values()]

    def take_number(self, end, number):
        """Before a restart the tunnel to this end had this number."""
        if end not in self._tunnels:
            self._tunnels[end] = _Tunnel(number, end)
        self._next_number = max(self._next_number, number + 1)

    def take_delivery_number(self, number):
        """So was a visitor's tunnel to us numbered; None: it had none."""
        if number is not None:
            self._next_number = max(self._next_number, number + 1)

    def _new_number(self):
        self._next_number += 1
        return self._next_number - 1

    def _tunnel(self, end, actions):
        tunnel = self._tunnels.get(end)
        if tunnel is None:
            tunnel = self._tunnels[end] = _Tunnel(self._new_number(), end)
        if tunnel.users == 0:
            kind, peer, port = end
            actions.append(hold_tunnel(tunnel.number, kind, self._uplink, peer, port))
            actions.append(hold_path(tunnel.number, self.packet_size, 0))
        tunnel.users += 1
        return tunnel

    def _left(self, tunnel):
        tunnel.users -= 1
        if tunnel.users:
            return []
        del self._tunnels[tunnel.end]
        return [Release(("path", tunnel.number)), Release(("tunnel", tunnel.number))]

    def _wanted(self, visitor, now_ms):
        home = (visitor.home_address, 32)
        device = visitor.advertiser.device
        yield hold_inner(visitor.tunnel.number, ANYWHERE, home)
        neighbour = tunneld.SetNeighbour(device, visitor.home_address, visitor.link_address)
        yield Hold(("neighbour", device, visitor.home_address), neighbour)
        if not visitor.reverse:
            return
        captured = TUN if visitor.encapsulating else device
        yield hold_capture(home, captured)
        paths = (visitor.tunnel.number,)
        yield hold_route(ANYWHERE, tunneld.GATE_OPEN, visitor.left_s(now_ms), paths, home)
        if visitor.encapsulating:
            if visitor.delivery_number is None:
                visitor.delivery_number = self._new_number()
            number = visitor.delivery_number
            lan = tunneld.SetTunnel(number, tunneld.KIND_IPIP, visitor.advertiser.number, home[0], 0, 0, 0)
            yield Hold(("tunnel", number), lan)
            yield hold_inner(number, home, ANYWHERE)
