"""A visit on real interfaces: two agents as processes, and a mobile node played by hand.

    node: node0 (home address, foreign to the link) -- lan0 10.9.0.1: visited branch (careof)
                                                       up0 192.0.2.7 -- out0 192.0.2.1: home agent (careof)
                                                                        lo 10.78.0.2: intranet server

The node's kernel sends and answers data; its signalling is made here, octet by octet, and read from the link.
"""

import socket
import struct
import subprocess
import time

from careof.crypt.soft import SoftProvider
from careof.wire import ipv4, mip, router_discovery, udp
from careof.wire.reader import Malformed
from careof_office import KEY, End, wait_until
from namespaces import Namespace, join

HOME, CARE_OF, AGENT, LINK, SERVER = "10.77.0.2", "192.0.2.7", "192.0.2.1", "10.9.0.1", "10.78.0.2"
SPI, AGENTS_SPI = 256, 768
ETH_P_ALL, ETH_P_IP, ETH_P_ARP = 3, 0x0800, 0x0806
AGENTS_KEY = "ff" * 32
PATIENCE_S = 5

FOREIGN = f"""config foreign_agent 'lan'
	list device 'lan0'
	option uplink_device 'up0'
	option interval_ms '200'
	option challenge '0'
config agent_peer 'hq'
	option address '{AGENT}'
	option association 'agents'
config association 'agents'
	option spi '{AGENTS_SPI}'
	option key '{AGENTS_KEY}'
"""
HOME_AGENT = f"""config home_agent 'ha'
	option address '{AGENT}'
config agent_peer 'visited'
	option address '{CARE_OF}'
	option association 'agents'
config mobile_node 'laptop'
	option home_address '{HOME}'
	list association 'laptop_key'
config association 'laptop_key'
	option spi '{SPI}'
	option key '{KEY}'
config association 'agents'
	option spi '{AGENTS_SPI}'
	option key '{AGENTS_KEY}'
"""


def ip(text):
    return socket.inet_aton(text)


class Visit:
    """keyd: the text of both agents' files of keys, or None: then there is no careof-keyd."""

    def __init__(self, interpreter="MicroPython", foreign=FOREIGN, home=HOME_AGENT, keyd=None):
        self.visited, self.node, self.agent = Namespace("visited"), Namespace("node"), Namespace("agent")
        join(self.visited, "lan0", f"{LINK}/24", self.node, "node0", f"{HOME}/32")
        join(self.visited, "up0", f"{CARE_OF}/24", self.agent, "out0", f"{AGENT}/24")
        self.agent.ip("address", "add", f"{SERVER}/24", "dev", "lo")
        self.visited.ip("route", "add", "default", "via", AGENT)
        self.visited.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.agent.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.link = self.node.inside(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, ETH_P_ALL))
        self.link.bind(("node0", ETH_P_ALL))
        self.mac = self.mac_of(self.node, "node0")
        self.agent_mac = self.mac_of(self.visited, "lan0")
        self.keys = SoftProvider()
        self.keys.add_key("node", "hmac-sha256", bytes.fromhex(KEY))
        self.frames = []  # what came, as the node saw it
        self.serial = 0
        # Direct delivery: the foreign agent is the default router, at the link-layer address of its
        # advertisements (RFC 3024 5.1).
        self.node.ip("neighbour", "add", LINK, "lladdr", self.mac_text(self.agent_mac), "dev", "node0")
        self.node.ip("route", "add", "default", "via", LINK, "dev", "node0", "onlink")
        self.home_agent = End(self.agent, home, interpreter, keyd=keyd)
        self.foreign = End(self.visited, foreign, interpreter, keyd=keyd)
        try:
            wait_until(lambda: self.advertisement() is not None, f"an advertisement: {self.foreign.log()}")
        except BaseException:
            self.remove()
            raise

    @staticmethod
    def mac_text(octets):
        return ":".join(f"{octet:02x}" for octet in octets)

    @staticmethod
    def mac_of(namespace, device):
        text = namespace.run("cat", f"/sys/class/net/{device}/address").strip()
        return bytes.fromhex(text.replace(":", ""))

    # -- The link

    def frame(self, timeout_s=1):
        """(destination, source, ethertype, payload) of the next frame that came, or None."""
        self.link.settimeout(timeout_s)
        try:
            octets, address = self.link.recvfrom(65536)
        except TimeoutError:
            return None
        if address[2] == socket.PACKET_OUTGOING:
            return self.frame(timeout_s)
        found = octets[:6], octets[6:12], struct.unpack(">H", octets[12:14])[0], octets[14:]
        self.frames.append(found)
        return found

    def wait_frame(self, wanted, timeout_s=PATIENCE_S):
        """What wanted(frame) returns for the first one for which it is not None."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            frame = self.frame(max(0.01, deadline - time.monotonic()))
            found = wanted(frame) if frame is not None else None
            if found is not None:
                return found
        return None

    def drain(self):
        """What came so far is past."""
        while self.frame(0.01) is not None:
            pass

    def advertisement(self, timeout_s=1):
        def wanted(frame):
            if frame[2] != ETH_P_IP:
                return None
            try:
                return frame[0], router_discovery.unpack_packet(frame[3])[1]
            except Malformed:
                return None

        return self.wait_frame(wanted, timeout_s)

    def put(self, packet, to=None):
        self.link.send((to or self.agent_mac) + self.mac + struct.pack(">H", ETH_P_IP) + packet)

    def arps_for(self, address):
        """Frames so far that ask or answer by ARP for that address."""
        return [f for f in self.frames if f[2] == ETH_P_ARP and ip(address) in (f[3][14:18], f[3][24:28])]

    # -- The node's signalling

    def request(self, flags=mip.FLAG_T, lifetime_s=300, care_of=CARE_OF, after=b"", extensions=()):
        self.serial += 1
        now = time.time()
        identification = (
            (int(now) + 2208988800) % (1 << 32) << 32 | (int(now % 1 * (1 << 32)) & ~0xFFF) | self.serial
        )
        message = mip.RegistrationRequest(
            flags, lifetime_s, ip(HOME), ip(AGENT), ip(care_of), identification, list(extensions)
        )
        data = mip.pack_to_sign(message, SPI, 32)
        return data + self.keys.authenticate("node", data) + after

    def ask(self, data):
        """Send a request; the reply, or None."""
        datagram = udp.Datagram(ip(HOME), 434, ip(LINK), 434, 255, data)
        self.put(udp.pack_packet(datagram))

        def reply(frame):
            try:
                received = mip.unpack(udp.unpack(ipv4.unpack(frame[3])).data)
            except Malformed:
                return None
            return received if isinstance(received.message, mip.RegistrationReply) else None

        return self.wait_frame(reply)

    def register(self, **changes):
        """Register; the reply's code."""
        reply = self.ask(self.request(**changes))
        return None if reply is None else reply.message.code

    def encapsulated(self, inner):
        """RFC 3024 5.2: to the foreign agent, in IP in IP from the home address."""
        outer = ipv4.Packet(ip(HOME), ip(LINK), ipv4.IPIP, 64, 0, 0, False, inner)
        self.put(ipv4.pack(outer))

    # -- Data

    def ping(self, count=3, source=HOME):
        """How many pings to the intranet are answered."""
        command = ("ping", "-q", "-i", "0.05", "-c", count, "-W", "1", "-I", source, SERVER)
        done = subprocess.run(
            ["ip", "netns", "exec", self.node.name, *map(str, command)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        return int(done.stdout.split(" received")[0].split()[-1])

    def ping_back(self, count=3):
        """From the intranet to the home address."""
        command = ("ping", "-q", "-i", "0.05", "-c", count, "-W", "1", "-I", SERVER, HOME)
        done = subprocess.run(
            ["ip", "netns", "exec", self.agent.name, *map(str, command)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        return int(done.stdout.split(" received")[0].split()[-1])

    def remove(self):
        self.link.close()
        for end in (self.foreign, self.home_agent):
            end.remove()
        for namespace in (self.visited, self.node, self.agent):
            namespace.remove()
