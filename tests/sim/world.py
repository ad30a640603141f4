"""Virtual time and a small Internet: what the simulator has instead of a machine and a network.

    router --wire--> [NAT] ---- the Internet ---- home agent        a wire a device, with its own delay

Time passes only from one event to the next, all chance comes from one seed, so every run can be repeated.
"""

import heapq

IPIP, UDP = 4, 17


class Chance:
    """The only source of randomness: xorshift32, the same on every interpreter."""

    def __init__(self, seed):
        self._state = seed * 2654435761 % (1 << 32) or 1

    def octets(self, size):
        """`random` of a role."""
        return bytes([self.below(256) for _ in range(size)])

    def below(self, limit):
        x = self._state
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        self._state = x
        return (x >> 8) % limit

    def happens(self, share):
        return share > 0 and self.below(1 << 20) < share * (1 << 20)


class World:
    """The clock, what will happen, and who has which address."""

    def __init__(self, seed=1):
        self.now_ms = 0
        self.chance = Chance(seed)
        self.hosts = {}  # address -> arrived(Packet)
        self.log = []  # lines of the story, for a test that failed
        self._agenda = []
        self._entries = 0

    def at(self, at_ms, act, *arguments):
        """Call act(*arguments) then. Returns a handle for cancel()."""
        self._entries += 1
        entry = [max(at_ms, self.now_ms), self._entries, act, arguments]
        heapq.heappush(self._agenda, entry)
        return entry

    def after(self, delay_ms, act, *arguments):
        return self.at(self.now_ms + delay_ms, act, *arguments)

    @staticmethod
    def cancel(entry):
        entry[2] = None

    def run(self, for_ms):
        """Let so much time pass."""
        end_ms = self.now_ms + for_ms
        while self._agenda and self._agenda[0][0] <= end_ms:
            at_ms, _, act, arguments = heapq.heappop(self._agenda)
            self.now_ms = at_ms
            if act is not None:
                act(*arguments)
        self.now_ms = end_ms

    def note(self, text):
        self.log.append("%7d ms  %s" % (self.now_ms, text))


class Packet:
    """An outer packet. Ports are 0 for IP in IP."""

    __slots__ = ("destination", "payload", "port", "protocol", "source", "source_port")

    def __init__(self, protocol, source, source_port, destination, port, payload):
        self.protocol, self.source, self.source_port = protocol, source, source_port
        self.destination, self.port, self.payload = destination, port, payload

    def altered(self, **fields):
        values = {name: getattr(self, name) for name in Packet.__slots__}
        values.update(fields)
        return Packet(**values)


class Nat:
    """One public address for all behind it; only UDP passes, and only to mappings made from inside."""

    def __init__(self, address):
        self.address = address
        self._next_port = 40000
        self._ports = {}  # (inside address, port) -> outside port
        self._insides = {}

    def outward(self, packet):
        if packet.protocol != UDP:
            return None
        inside = (packet.source, packet.source_port)
        if inside not in self._ports:
            self._next_port += 1
            self._ports[inside] = self._next_port
            self._insides[self._next_port] = inside
        return packet.altered(source=self.address, source_port=self._ports[inside])

    def inward(self, packet):
        inside = self._insides.get(packet.port)
        return inside and packet.altered(destination=inside[0], port=inside[1])

    def forget(self):
        """All mappings are lost, as after a restart or an idle time: the next ones get other ports."""
        self._ports, self._insides = {}, {}


class Wire:
    """One device's way to the Internet: delay each way, loss, copies, late ones, and silence."""

    def __init__(self, world, address, delay_ms, nat=None):
        self.world, self.address, self.nat = world, address, nat
        self.delay_ms = delay_ms
        self.jitter_ms = 0  # up to so much later: packets overtake one another
        self.loss = self.copies = 0.0  # shares
        self.silent = False  # it looks well and passes nothing
        self.only_signalling = False  # a firewall that lets registrations through, and no tunnel
        self.up = True
        self.arrived = None  # arrived(Packet) at the device
        self.lose_next = []  # of the next packets, in this direction: "out" or "in", those that it may lose
        self.passed = {"out": [], "in": []}  # (ms, Packet) of signalling, for tests that look at it
        self.plug(address)

    def plug(self, address):
        """The device's address from now on; a NAT's stays."""
        if self.nat is None:
            self.world.hosts.pop(self.address, None)
            self.world.hosts[address] = self._inward
        else:
            self.world.hosts[self.nat.address] = self._inward
        self.address = address

    def send(self, packet):
        """From the device outward."""
        if not self.up or not self._passes("out", packet):
            return
        translated = self.nat.outward(packet) if self.nat else packet
        if translated is not None:
            for delay_ms in self._delays():
                self.world.after(delay_ms, deliver, self.world, translated)

    def _inward(self, packet):
        translated = self.nat.inward(packet) if self.nat else packet
        if translated is not None and self._passes("in", packet):
            for delay_ms in self._delays():
                self.world.after(delay_ms, self._at_device, translated)

    def _at_device(self, packet):
        if self.up and not self.silent and self.arrived is not None and packet.destination == self.address:
            self.arrived(packet)

    def _passes(self, direction, packet):
        signalling = packet.protocol == UDP and packet.payload[:1] in (b"\x01", b"\x03")
        if self.only_signalling and not signalling:
            return False
        if signalling:
            self.passed[direction].append((self.world.now_ms, packet))
            if direction in self.lose_next:
                self.lose_next.remove(direction)
                return False
        return not self.silent and not self.world.chance.happens(self.loss)

    def _delays(self):
        jitter_ms = self.world.chance.below(self.jitter_ms + 1)
        if self.world.chance.happens(self.copies):
            return (self.delay_ms + jitter_ms, self.delay_ms + jitter_ms + 3)
        return (self.delay_ms + jitter_ms,)


def deliver(world, packet):
    """Somewhere on the Internet: to whoever has that address, or to nobody."""
    arrived = world.hosts.get(packet.destination)
    if arrived is not None:
        arrived(packet)
