"""A home agent's home link, if it has one (RFC 5944 2.3, 4.6): advertisements, and ARP for those who are
away.

    a binding comes    the kernel answers ARP for the home address (proxy); a gratuitous ARP tells the
    neighbours the last one goes  the proxy goes; the node, at home again, says by itself where it is

The gratuitous one is said again a few times, since broadcasts are not (4.6), as is the rule for proxies.
"""

from ..limits import GRATUITOUS_ARPS, GRATUITOUS_GAP_MS, LINK_RETRY_MS
from ..wire import ipv4, link, tunneld
from ..wire import router_discovery as discovery
from ..wire.reader import Malformed
from .advertiser import Advertiser
from .events import Count, Hold, Log, Release, SendFrame


class HomeLink:
    """Of one home agent, `agent`. number: of the link."""

    def __init__(self, agent, number, random):
        options = agent.agent
        self._agent = agent
        self.device = options.home_device
        self._number = number
        self._link_address = None  # ours
        self._arps = []  # (due_ms, home address, how many are left), few
        self._retry_ms = None
        self.advertiser = Advertiser(number, self.device, options, self._offered, random, 0)

    def _offered(self, advertiser):
        options = self._agent.agent
        flags = discovery.AGENT_H
        flags |= discovery.AGENT_M | discovery.AGENT_G | discovery.AGENT_T | discovery.AGENT_X
        flags |= discovery.AGENT_U if options.udp_tunnelling else 0
        return flags, options.lifetime_max_s, ()

    def deadline(self):
        times = [self.advertiser.deadline(), self._retry_ms] + [row[0] for row in self._arps]
        times = [at_ms for at_ms in times if at_ms is not None]
        return min(times) if times else None

    def due(self, now_ms):
        actions = self.advertiser.due(now_ms)
        if self._retry_ms is not None and self._retry_ms <= now_ms:
            self._retry_ms = None
            actions.append(self._open())
        again = []
        for due_ms, home_address, left in self._arps:
            if due_ms > now_ms:
                again.append((due_ms, home_address, left))
            elif self._is_away(home_address):
                actions.append(self._gratuitous(home_address))
                if left > 1:
                    again.append((now_ms + GRATUITOUS_GAP_MS, home_address, left - 1))
        self._arps = again
        return actions

    def _is_away(self, home_address):
        node = self._agent.nodes.find(home_address)
        return self._link_address is not None and node is not None and bool(node.bindings)

    def _gratuitous(self, home_address):
        arp = link.gratuitous_arp(self._link_address, home_address)
        return SendFrame(self._number, link.EVERYONE, link.ETHERTYPE_ARP, arp)

    def _open(self):
        return Hold(("link", self._number), tunneld.SetLink(self._number, self.device))

    # -- The device

    def link_changed(self, event, now_ms):
        if event.device != self.device:
            return []
        usable = event.carrier and event.address is not None
        actions = []
        if self.advertiser.deadline() is not None and (
            not usable or event.address != self.advertiser.address
        ):
            self.advertiser.down()
            self._link_address = None
            actions.append(Release(("link", self._number)))
        if usable and self.advertiser.deadline() is None:
            self.advertiser.up(event.address, event.prefix_length, now_ms)
            actions.append(self._open())
        return actions

    def link_is_up(self, event, now_ms):
        if event.link == self._number:
            self._link_address = event.link_address
            for node in self._agent.nodes:
                if node.bindings and self._is_on_link(node):
                    self._arps.append((now_ms, node.home_address, GRATUITOUS_ARPS))
        return []

    def refused(self, message, now_ms):
        if isinstance(message, tunneld.SetLink) and message.link == self._number:
            self._retry_ms = now_ms + LINK_RETRY_MS
            return [Release(("link", self._number))]
        return []

    def frame_came(self, event, now_ms):
        if event.link != self._number:
            return []
        try:
            packet = ipv4.unpack(event.data)
            if packet.protocol != ipv4.ICMP:
                return []  # requests from home come by the uplink
            message = discovery.unpack(packet.payload)
        except Malformed as e:
            return [Count("link_malformed"), Log("debug", "link", "%s: %s" % (self.device, e))]
        if type(message) is not discovery.Solicitation:
            return []
        return self.advertiser.solicited(event.link_address, packet.source, now_ms)

    # -- Nodes

    def _is_on_link(self, node):
        """Is its home address of this link's prefix?"""
        address, length = self.advertiser.address, self.advertiser.prefix_length
        return address is not None and ipv4.covers((ipv4.masked(address, length), length), node.home_address)

    def bindings_changed(self, node, now_ms):
        """A node went away or came home."""
        if not self._is_on_link(node):
            return []
        key = ("proxy", node.home_address)
        if not node.bindings:
            return [Release(key)]
        self._arps = [row for row in self._arps if row[1] != node.home_address]
        self._arps.append((now_ms, node.home_address, GRATUITOUS_ARPS))
        return [Hold(key, tunneld.SetProxy(self.device, node.home_address))] + self.due(now_ms)
