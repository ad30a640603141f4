"""A home agent's home link, if it has one (RFC 5944 2.3, 4.6): advertisements, and ARP for those who are
away.

    a binding comes    packets for the home address come to us (deliver), the kernel answers ARP for it
                       (proxy), and a gratuitous ARP tells the neighbours
    the last one goes  both end; if the node deregistered from home, a gratuitous ARP says that the address
                       is at the node's own link-layer address again: at the one that its request came from

The gratuitous ones are said again a few times, since broadcasts are not reliable (4.6).
"""

from collections import OrderedDict

from ...limits import GRATUITOUS_ARPS, GRATUITOUS_GAP_MS, HOME_REQUESTS_MAX, LINK_RETRY_MS, MIP_PORT
from ...wire import ipv4, link, mip, tunneld, udp
from ...wire import router_discovery as discovery
from ...wire.reader import Malformed
from ..advertiser import Advertiser
from ..events import Changed, Contents, Count, Hold, Log, Release, SendFrame


class HomeLink:
    """Of one home agent, `agent`. number: of the link."""

    def __init__(self, agent, number, random):
        options = agent.agent
        self._agent = agent
        self.device = options.home_device
        self._number = number
        self._link_address = None  # ours
        self._arps = []  # (due_ms, home address, link-layer address or None: ours, how many are left), few
        # (home address, identification) of a deregistration -> where on the link it came from, or None: it
        # was accepted, and its frame comes later (the two come by different sockets)
        self._requests = OrderedDict()
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
        for due_ms, home_address, of_node, left in self._arps:
            if due_ms > now_ms:
                again.append((due_ms, home_address, of_node, left))
            elif self._link_address is not None and self._is_away(home_address) == (of_node is None):
                arp = link.gratuitous_arp(of_node or self._link_address, home_address)
                actions.append(SendFrame(self._number, link.EVERYONE, link.ETHERTYPE_ARP, arp))
                actions.append(Count("gratuitous_arp_sent"))
                if left > 1:
                    again.append((now_ms + GRATUITOUS_GAP_MS, home_address, of_node, left - 1))
        self._arps = again
        return actions

    def _is_away(self, home_address):
        node = self._agent.nodes.find(home_address)
        return node is not None and bool(node.bindings)

    def _say(self, home_address, of_node, now_ms):
        """A gratuitous ARP from now on, instead of any other for this address."""
        self._arps = [row for row in self._arps if row[1] != home_address]
        self._arps.append((now_ms, home_address, of_node, GRATUITOUS_ARPS))

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
            actions += [Release(("link", self._number)), Changed("agents", self.device)]
        if usable and self.advertiser.deadline() is None:
            self.advertiser.up(event.address, event.prefix_length, now_ms)
            actions += [self._open(), Changed("agents", self.device)]
        return actions

    def link_is_up(self, event, now_ms):
        if event.link == self._number:
            self._link_address = event.link_address
            for node in self._agent.nodes:
                if node.bindings and self.is_on_link(node):
                    self._say(node.home_address, None, now_ms)
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
            if packet.protocol == ipv4.UDP:
                return self._request_came(udp.unpack(packet), event.link_address, now_ms)
            message = discovery.unpack(packet.payload)
        except Malformed as e:
            name = "link_malformed"
            text = "%s: %s" % (self.device, e)
            return [Count(name), Log("debug", "link", text), Contents(name, event.data)]
        if type(message) is not discovery.Solicitation:
            return []
        return self.advertiser.solicited(event.link_address, packet.source, now_ms)

    def _request_came(self, datagram, link_address, now_ms):
        """It comes by the uplink, too; here it is seen from where. Nothing of it is believed yet."""
        if datagram.destination_port != MIP_PORT:
            return []
        received = mip.unpack(datagram.data)
        request = received.message
        if type(request) is not mip.RegistrationRequest:
            return []
        if datagram.destination in self._for_all():  # the uplink's socket does not hear that
            return self._agent.requests.arrived(received, datagram, now_ms, True)
        if request.lifetime_s:
            return []
        key = request.home_address, request.identification
        if key in self._requests and self._requests[key] is None:
            return self._is_home(request.home_address, link_address, now_ms)
        self._remember(key, link_address)
        return []

    def _for_all(self):
        """3.8.2.1: where requests go that look for any home agent of this link."""
        address, length = self.advertiser.address, self.advertiser.prefix_length
        if address is None:
            return ()
        subnet = int.from_bytes(address, "big") | (1 << 32 - length) - 1
        return subnet.to_bytes(4, "big"), discovery.BROADCAST

    def reply_at_home(self, asked, data):
        """A reply as a frame to where its request came from on the link; none if that is not known."""
        request = asked.received.message
        link_address = self._requests.get((request.home_address, request.identification))
        if link_address is None or not self.is_on_link(asked.node):
            return []
        source = self._agent.agent.address
        datagram = udp.Datagram(source, MIP_PORT, asked.source, asked.port, ipv4.TTL, data)
        return [SendFrame(self._number, link_address, link.ETHERTYPE_IPV4, udp.pack_packet(datagram))]

    def _remember(self, key, link_address):
        while len(self._requests) >= HOME_REQUESTS_MAX:
            del self._requests[next(iter(self._requests))]
        self._requests[key] = link_address

    def _is_home(self, home_address, link_address, now_ms):
        self._say(home_address, link_address, now_ms)
        return self.due(now_ms)

    # -- Nodes

    def is_on_link(self, node):
        """Is its home address, if it has one, of this link's prefix?"""
        address, length = self.advertiser.address, self.advertiser.prefix_length
        if node.home_address is None:
            return False
        return address is not None and ipv4.covers((ipv4.masked(address, length), length), node.home_address)

    def bindings_changed(self, node, now_ms):
        """A node went away or came home."""
        if not self.is_on_link(node):
            return []
        proxy, deliver = ("proxy", node.home_address), ("deliver", node.home_address, 32)
        if not node.bindings:
            return [Release(proxy), Release(deliver)]
        self._say(node.home_address, None, now_ms)
        actions = [
            Hold(deliver, tunneld.SetDeliver(node.home_address, 32)),
            Hold(proxy, tunneld.SetProxy(self.device, node.home_address)),
            Count("proxy_set"),
        ]
        return actions + self.due(now_ms)

    def came_home(self, node, identification, now_ms):
        """Its deregistration with this identification was accepted: at home, if that came from the link."""
        key = node.home_address, identification
        link_address = self._requests.get(key)
        if not self.is_on_link(node):
            return []
        if link_address is None:
            self._remember(key, None)
            return []
        return self._is_home(node.home_address, link_address, now_ms)
