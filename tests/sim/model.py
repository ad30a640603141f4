"""A model of careof-tunneld and of the client in `system`: what a role's Hold and SendInner lead to.

Forwarding as in native/tunneld: longest prefix, gate, path, tunnel, uplink on the way out; tunnel by its far
end, inner source and destination checked, probes handed up, copies dropped on the way in; silence of a path
reported once. Packets are real inner IPv4 packets, so roles and model share no secret.
"""

from careof.agent import events
from careof.wire import icmp, ipv4, tunneld
from careof.wire.reader import Malformed
from world import IPIP, UDP, Packet

HOLD_PACKETS_MAX, HOLD_AGE_MS = 64, 1000
COPIES_REMEMBERED = 64


class Path:
    def __init__(self):
        self.message = None
        self.waiting_ms = None
        self.unanswered = False


class Tunneld:
    """One tunneld. wires: {device: Wire}; tell(event): the role's; deliver(packet): the kernel's."""

    def __init__(self, world, wires, tell, deliver):
        self.world, self.wires, self._tell, self._deliver = world, wires, tell, deliver
        self.up = False
        self.held = {}  # key -> message: what this process holds
        self.drops = {}
        self._paths = {}
        self._last_in_ms = {}
        self._queues = {}
        self._valid_ms = {}
        self._copies = []

    def restart(self):
        """Another process: it holds nothing."""
        self.held, self._paths, self._last_in_ms = {}, {}, {}
        self._queues, self._valid_ms, self._copies = {}, {}, []

    # -- What it is told

    def hold(self, key, message):
        self.held[key] = message
        if isinstance(message, tunneld.SetPath):
            path = self._paths.setdefault(message.path, Path())
            path.message, path.waiting_ms, path.unanswered = message, None, False
        elif isinstance(message, tunneld.SetRoute):
            prefix = message[:4]
            forever = message.valid_s == tunneld.FOREVER_S
            self._valid_ms[prefix] = None if forever else self.world.now_ms + message.valid_s * 1000
            if not forever:
                self.world.after(message.valid_s * 1000, self._ran_out, prefix)
            if message.gate == tunneld.GATE_OPEN:
                for since_ms, packet in self._queues.pop(prefix, []):
                    if self.world.now_ms - since_ms <= HOLD_AGE_MS:
                        self._by_paths(message, packet)

    def release(self, key):
        message = self.held.pop(key, None)
        if isinstance(message, tunneld.SetPath):
            self._paths.pop(message.path, None)

    def send_signal(self, uplink, destination, port, data):
        held = self._uplink(uplink)
        if held is not None:
            self._send(held, Packet(UDP, None, held.port, destination, port, data))

    def send_inner(self, number, data):
        self._by_path(number, data)

    # -- Outward

    def out(self, packet):
        """An inner packet from the TUN."""
        source, destination = packet[12:16], packet[16:20]
        found = None
        for message in self.held.values():
            if not isinstance(message, tunneld.SetRoute):
                continue
            if not ipv4.covers(message[:2], destination) or not ipv4.covers(message[2:4], source):
                continue
            if found is None or (message.source_length, message.length) > (found.source_length, found.length):
                found = message
        if found is None:
            return self._drop("no_route")
        prefix = found[:4]
        valid_ms = self._valid_ms[prefix]
        if found.gate == tunneld.GATE_HOLD:
            queue = self._queues.setdefault(prefix, [])
            if len(queue) < HOLD_PACKETS_MAX:
                queue.append((self.world.now_ms, packet))
            return None
        if found.gate != tunneld.GATE_OPEN or (valid_ms is not None and valid_ms <= self.world.now_ms):
            return self._drop("gate_closed")
        return self._by_paths(found, packet)

    def _by_paths(self, route, packet):
        for number in route.paths:
            self._by_path(number, packet)

    def _by_path(self, number, packet):
        path = self._paths.get(number)
        tunnel = path and self.held.get(("tunnel", path.message.tunnels[0]))
        uplink = tunnel and self._uplink(tunnel.uplink)
        if not uplink:
            return self._drop("no_path")
        if tunnel.kind == tunneld.KIND_MIP_UDP:
            outer = Packet(
                UDP, None, uplink.port, tunnel.peer, tunnel.peer_port, b"\x04\x04\x00\x00" + packet
            )
        else:
            outer = Packet(IPIP, None, 0, tunnel.peer, 0, packet)
        self._send(uplink, outer)
        return self._watch(path)

    def _send(self, uplink, packet):
        for wire in self._wires_of(uplink):
            wire.send(packet.altered(source=wire.address))

    def _wires_of(self, uplink):
        if uplink.device:
            return [self.wires[uplink.device]] if uplink.device in self.wires else []
        return list(self.wires.values())

    def _uplink(self, number):
        return self.held.get(("uplink", number))

    # -- Inward

    def arrived(self, device, packet):
        if not self.up and not self.held:
            return None
        for message in list(self.held.values()):
            if isinstance(message, tunneld.SetUplink) and message.device in (device, ""):
                return self._by_uplink(message, packet)
        return self._drop("no_uplink")

    def _by_uplink(self, uplink, packet):
        inner, kind = packet.payload, tunneld.KIND_IPIP
        if packet.protocol == UDP:
            if packet.port != uplink.port:
                return self._drop("port")
            if packet.payload[:1] != b"\x04":
                if self.up:
                    self._tell(
                        events.Datagram(
                            uplink.uplink,
                            packet.source,
                            packet.source_port,
                            packet.destination,
                            64,
                            packet.payload,
                        )
                    )
                return None
            inner, kind = packet.payload[4:], tunneld.KIND_MIP_UDP
        for message in self.held.values():
            if isinstance(message, tunneld.SetTunnel) and (
                message.uplink,
                message.kind,
                message.peer,
                message.peer_port,
            ) == (uplink.uplink, kind, packet.source, packet.source_port):
                return self._by_tunnel(message, inner)
        return self._drop("no_tunnel")

    def _by_tunnel(self, tunnel, inner):
        source, destination = inner[12:16], inner[16:20]
        rows = [
            m for m in self.held.values() if isinstance(m, tunneld.SetInner) and m.tunnel == tunnel.tunnel
        ]
        if not any(
            [
                ipv4.covers((row.source, row.source_length), source)
                and ipv4.covers((row.destination, row.destination_length), destination)
                for row in rows
            ]
        ):
            return self._drop("inner")
        self._received(tunnel.tunnel)
        if self._is_probe_reply(inner):
            if self.up:
                self._tell(events.Inner(tunnel.tunnel, inner))
            return None
        tunnels = [m for m in self.held.values() if isinstance(m, tunneld.SetTunnel)]
        if len(tunnels) > 1:
            if (tunnel.tunnel, inner) not in self._copies and inner in [copy for _, copy in self._copies]:
                return self._drop("copy")
            self._copies.append((tunnel.tunnel, inner))
            del self._copies[:-COPIES_REMEMBERED]
        return self._deliver(inner)

    def _is_probe_reply(self, inner):
        try:
            _, _, echo = icmp.unpack_packet(inner)
        except Malformed:
            return False
        return echo.kind == icmp.ECHO_REPLY and ("probe", echo.identifier) in self.held

    # -- Silence

    def _watch(self, path):
        if not path.message.patience_ms or path.unanswered or path.waiting_ms is not None:
            return
        path.waiting_ms = self.world.now_ms
        self.world.after(path.message.patience_ms, self._patience_over, path, path.waiting_ms)

    def _patience_over(self, path, waiting_ms):
        if path.waiting_ms == waiting_ms and not path.unanswered:
            path.unanswered = True
            if self.up:
                self._tell(events.Unanswered(path.message.path, self.world.now_ms - waiting_ms))

    def _received(self, tunnel):
        for path in list(self._paths.values()):
            if path.message.tunnels[0] == tunnel:
                was, path.unanswered, path.waiting_ms = path.unanswered, False, None
                if was and self.up:
                    self._tell(events.Answered(path.message.path))

    def _ran_out(self, prefix):
        valid_ms = self._valid_ms.get(prefix)
        if valid_ms is not None and valid_ms <= self.world.now_ms and self.up:
            self._tell(events.Expired(*prefix))

    def _drop(self, name):
        self.drops[name] = self.drops.get(name, 0) + 1
