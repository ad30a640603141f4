"""What the mobile router's tunneld should hold: uplinks, tunnels, paths, the route, kernel rows.

    from our prefixes --route--> path n --> tunnel n --> uplink n       n: its number, kept over a restart

The whole of an uplink has one number. Everything is said as "this is what should be there", and only what
differs from what was said before becomes an action: so any event may bring it up to date again, and nothing
that stays is touched.

What is spared from capture stays local: the networks behind the router, and the prefixes of its uplinks
(a modem's own pages), the latter only from ranges that never are anybody else's on the Internet. A
network that calls itself 8.8.8.0/24 gets nothing (TunnelCrack, CVE-2023-36672). The contact is not spared:
careof's own sockets are bound to an uplink and its address, and nobody else need reach it outside.

What comes in by a LAN's device from a source that is not captured goes nowhere, if the options name the
device (RFC 5177 10): neither by a tunnel of ours nor, as it is, by an uplink. Visitors of a foreign agent
there are captured, each by its home address.
"""

from ...limits import (
    HOME_LINK_LENGTH_MIN,
    KEEPALIVE_IDENTIFIER,
    MIP_PORT,
    PROBE_IDENTIFIER,
    TUNNEL_HEADERS_MAX,
)
from ...wire import ipv4, tunneld
from ..events import Hold, Release
from ..paths import ANYWHERE, hold_capture, hold_inner, hold_path, hold_route, hold_tunnel

# RFC 1918, RFC 6598, RFC 3927
LOCAL_RANGES = (
    (b"\x0a\x00\x00\x00", 8),
    (b"\xac\x10\x00\x00", 12),
    (b"\xc0\xa8\x00\x00", 16),
    (b"\x64\x40\x00\x00", 10),
    (b"\xa9\xfe\x00\x00", 16),
)
TO_MANY = ((b"\xff" * 4, 32), (b"\xe0\0\0\0", 4))  # where broadcasts and multicasts of home go to

GROUND = ("tun", "probe", "spare", "capture", "ingress", "on_link", "deliver")  # kinds of rows

# Numbers of the tunnels between home address and home agent, at a foreign agent, beside that of their uplink.
NESTED_OUT, NESTED_BACK = 1 << 20, 1 << 21
TUN = "careof0"
NESTED_PORT = 51727  # nobody's: an uplink of tunneld has one


def _is_local(prefix):
    return any([prefix[1] >= wide[1] and ipv4.covers(wide, prefix[0]) for wide in LOCAL_RANGES])


def _nested_keys(number):
    """In this order they can go."""
    out, back = number + NESTED_OUT, number + NESTED_BACK
    return [("path", out), ("tunnel", out), ("uplink", out), ("tunnel", back)]


class RouterPaths:
    """What was said to be held, and what should be."""

    def __init__(self, router):
        self.router = router
        self._held = {}  # key -> message

    # -- Whether or not anything is registered

    def ground(self, uplinks):
        """The router's own: TUN, capture, spares, probes. Say it again when options or links changed."""
        router = self.router
        spares = set(router.mobile_network + router.closed_networks)
        for uplink in uplinks:
            if uplink.usable() and uplink.address is not None:
                link = (ipv4.masked(uplink.address, uplink.prefix_length), uplink.prefix_length)
                if _is_local(link):
                    spares.add(link)
        on_links = self._home_links(uplinks)
        spares.update([row[:2] for row in on_links])
        holds = [Hold(("tun",), tunneld.SetTun(router.home_address or bytes(4), router.packet_size))]
        for identifier in (PROBE_IDENTIFIER, KEEPALIVE_IDENTIFIER):
            holds.append(Hold(("probe", identifier), tunneld.SetProbe(identifier)))
        for prefix in sorted(spares):
            holds.append(Hold(("spare",) + prefix, tunneld.SetSpare(prefix[0], prefix[1])))
        for prefix in self._own_prefixes() + router.closed_networks:
            holds.append(hold_capture(prefix))
        for device in router.lan_device:
            holds.append(Hold(("ingress", device), tunneld.SetIngress(device)))
        for row in on_links:
            holds.append(Hold(("on_link",) + row, tunneld.SetOnLink(*row)))
        if router.own_traffic:  # two halves: more than any default route, which stays as it is
            for half in (bytes(4), b"\x80\x00\x00\x00"):
                holds.append(Hold(("deliver", half), tunneld.SetDeliver(half, 1)))
        return self._replace(GROUND, holds)

    def _home_links(self, uplinks):
        """[(prefix, length, device)] where we are at home, as the home agent agreed: neighbours are there."""
        found = []
        for uplink in uplinks:
            if uplink.at_home() and uplink.registration.bound and uplink.agent.prefix is not None:
                prefix = uplink.agent.prefix
                if prefix[1] >= HOME_LINK_LENGTH_MIN and ipv4.covers(prefix, self.router.home_address):
                    found.append(prefix + (uplink.device,))
        return found

    # -- One uplink

    def uplink_is_usable(self, uplink):
        """Its sockets: from its own address; where there is an agent, from the home address (3.6.1.1)."""
        number, agent, actions = uplink.number, uplink.agent, []
        address = uplink.address
        if agent is not None:
            address = self.router.home_address
            if address is None:
                return []  # requests go as frames; there is nothing to send from yet
            neighbour = tunneld.SetNeighbour(uplink.device, agent.address, agent.link_address)
            if not uplink.at_home():  # there the home agent is asked for as anybody is
                actions += self._hold(Hold(("neighbour", uplink.device, agent.address), neighbour))
        message = tunneld.SetUplink(number, uplink.device, address, MIP_PORT)
        return actions + self._hold(Hold(("uplink", number), message))

    def uplink_is_gone(self, uplink):
        actions = self.path_is_gone(uplink) + self._release(("uplink", uplink.number))
        for key in [k for k in self._held if k[:2] == ("neighbour", uplink.device)]:
            actions += self._release(key)
        return actions

    def link(self, uplink):
        """Its link, for agents to be heard, and silence about the home address until we are at home.

        Anew, as the device may have gone and come back.
        """
        key = ("link", uplink.number)
        actions = self.link_is_gone(uplink)
        if not uplink.at_home():
            actions += self.keeps_quiet(uplink)
        return actions + self._hold(Hold(key, tunneld.SetLink(uplink.number, uplink.device)))

    def keeps_quiet(self, uplink):
        """Away from home nothing is said of the home address by ARP (4.6)."""
        return self._hold(Hold(("quiet", uplink.device), tunneld.SetQuiet(uplink.device)))

    def link_is_gone(self, uplink):
        return self._release(("link", uplink.number)) + self.speaks(uplink)

    def speaks(self, uplink):
        """At home ARP is answered for the home address."""
        return self._release(("quiet", uplink.device))

    def was_refused(self, message):
        """tunneld does not hold this: say it again next time."""
        for key, held in self._held.items():
            if held == message:
                del self._held[key]
                return

    # -- One path

    def holds_path(self, uplink):
        return ("path", uplink.number) in self._held

    def path_is_wanted(self, uplink):
        """The uplink has a binding, or will have one in a moment: its tunnel may carry."""
        number, router = uplink.number, self.router
        address, port = router.contact or (bytes(4), 0)
        patience_ms = uplink.round_trip.patience_ms()
        if uplink.agent is not None:
            patience_ms = 0  # what comes back comes by the kernel: tunneld would wait in vain
            if uplink.encapsulating and not uplink.at_home():
                tunnel = hold_tunnel(number, tunneld.KIND_IPIP, number, uplink.agent.address, 0)
            else:
                direct = tunneld.SetLinkTunnel(number, number, uplink.agent.link_address)
                tunnel = Hold(("tunnel", number), direct)
        else:
            kind = uplink.registration.encapsulation.kind(uplink.udp)
            tunnel = hold_tunnel(number, kind, number, address, port if uplink.udp else 0)
        actions = self._hold(tunnel)
        path = hold_path(number, router.packet_size, patience_ms)
        if self._path_differs(path):
            actions += self._hold(path)
        nested = self._nested(uplink)
        heard = TO_MANY if router.broadcast and uplink.agent is None else ()
        plain = self._own_prefixes()[:1] if nested else self._own_prefixes() + heard
        rows = [hold_inner(number, ANYWHERE, prefix) for prefix in plain]
        wanted = [row.key for row in rows + nested]
        for key in self._of_path(number) + _nested_keys(number):
            if key not in wanted:
                actions += self._release(key)
        for row in rows + nested:
            actions += self._hold(row)
        return actions

    def _nested(self, uplink):
        """Where a foreign agent knows of the home address alone, what the networks send is encapsulated from
        it to the home agent first (RFC 5177 7): by a tunnel in the TUN, whose packets come back into that as
        our own. What the home agent sends so arrives at the uplink, by a tunnel of its own; so does what is
        sent to all at home (RFC 5944 4.3), which a foreign agent could not say for whom it is."""
        router, number = self.router, uplink.number
        if not uplink.visits() or None in (router.home_address, router.home_agent):
            return []
        out, back, held = number + NESTED_OUT, number + NESTED_BACK, []
        if router.mobile_network:
            held.append(Hold(("uplink", out), tunneld.SetUplink(out, TUN, router.home_address, NESTED_PORT)))
            held.append(hold_tunnel(out, tunneld.KIND_IPIP, out, router.home_agent, 0))
            held.append(hold_path(out, router.packet_size - TUNNEL_HEADERS_MAX, 0))
        comes = router.mobile_network + (TO_MANY if router.broadcast else ())
        if comes:
            held.append(hold_tunnel(back, tunneld.KIND_IPIP, number, router.home_agent, 0))
        return held + [hold_inner(back, ANYWHERE, prefix) for prefix in comes]

    def _of_path(self, number):
        """Keys of what may come by its tunnels."""
        numbers = (number, number + NESTED_BACK)
        return [key for key in self._held if key[0] == "inner" and key[1] in numbers]

    def path_is_gone(self, uplink):
        number, actions = uplink.number, []
        for key in self._of_path(number) + _nested_keys(number):
            actions += self._release(key)
        return actions + self._release(("path", number)) + self._release(("tunnel", number))

    # -- The route

    def carry_by(self, uplink, now_ms):
        """Everything goes by this uplink for as long as its binding lasts. Said anew at each renewal."""
        expires_ms = uplink.registration.expires_ms
        valid_s = tunneld.FOREVER_S
        if expires_ms is not None:
            valid_s = max(0, (expires_ms - now_ms + 999) // 1000)
        return self._carry(tunneld.GATE_OPEN, valid_s, (uplink.number,), True)

    def carry_by_none(self, gate=tunneld.GATE_HOLD):
        return self._carry(gate, tunneld.FOREVER_S, (), False)

    def _carry(self, gate, valid_s, paths, again):
        """A default route for each of our prefixes: what other roles' tunnels serve is not ours to carry.

        A network that the home agent does not grant goes nowhere: least of all out by an uplink as it is.
        """
        routes = []
        for prefix in self._own_prefixes():
            by = tuple([self._path_for(prefix, number) for number in paths])
            routes.append(hold_route(ANYWHERE, gate, valid_s, by, prefix))
        for prefix in self.router.closed_networks:
            routes.append(hold_route(ANYWHERE, tunneld.GATE_CLOSED, tunneld.FOREVER_S, (), prefix))
        wanted, actions = [route.key for route in routes], []
        for route in routes:
            if again or self._held.get(route.key) != route.message:
                self._held[route.key] = route.message
                actions.append(route)
        for key in [k for k in self._held if k[0] == "route" and k not in wanted]:
            actions += self._release(key)
        return actions

    def _path_for(self, prefix, number):
        """Of the uplink with this number, what carries what this prefix sends."""
        nested = prefix in self.router.mobile_network and ("path", number + NESTED_OUT) in self._held
        return number + NESTED_OUT if nested else number

    def is_ours(self, source, length):
        """Is a route from that source one of ours?"""
        return (source, length) in self._own_prefixes()

    # -- What was said before

    def _own_prefixes(self):
        home_address = self.router.home_address
        return (() if home_address is None else ((home_address, 32),)) + self.router.mobile_network

    def _path_differs(self, path):
        """Setting a path again makes tunneld forget since when it waits: not for a few milliseconds."""
        held, wanted = self._held.get(path.key), path.message
        if held is None or (held.packet_size, held.tunnels) != (wanted.packet_size, wanted.tunnels):
            return True
        return abs(held.patience_ms - wanted.patience_ms) * 4 > held.patience_ms

    def _hold(self, hold):
        if self._held.get(hold.key) == hold.message:
            return []
        self._held[hold.key] = hold.message
        return [hold]

    def _release(self, key):
        return [Release(key)] if self._held.pop(key, None) is not None else []

    def _replace(self, kinds, holds):
        """Of these kinds of rows, exactly these."""
        wanted = [hold.key for hold in holds]
        actions = []
        for key in [k for k in self._held if k[0] in kinds and k not in wanted]:
            actions += self._release(key)
        for hold in holds:
            actions += self._hold(hold)
        return actions
