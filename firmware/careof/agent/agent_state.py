"""What a home agent keeps over a restart of careofd: bindings and identifications.

The table is saved in SAVE_SHARDS pieces by home address, or by the name of a node that leases one. A piece
is due a moment after something in it changed, and rests after it was written, the longer the more nodes it
has: a burst of renewals costs a bounded share of the time. Expiries are saved by the wall clock, the only one
that survives a restart.
"""

from ..limits import LIFETIME_INFINITE_S, SAVE_GAP_MS, SAVE_SHARDS, SAVE_SOON_MS, SAVE_WORK_MS
from ..proto.bindings import Binding, Wish
from ..proto.pool import spread
from .events import Count, Log, Save
from .home_requests import Revocable
from .nodes import key_of


class AgentState:
    """Reads and writes the pieces. `agent` is the role: its nodes, bindings and paths."""

    def __init__(self, agent):
        self.unix_offset_ms = 0
        self._agent = agent
        self._pieces = []  # the nodes of each
        self._due_ms = {}  # piece -> when it should be saved
        self._rested_ms = {}  # piece -> not before

    def deadline(self):
        """When due() may have something to do, in ms, or None."""
        return min(self._due_ms.values()) if self._due_ms else None

    def divide(self):
        """The nodes are others than before: which piece has whom."""
        self._pieces = [[] for _ in range(SAVE_SHARDS)]
        for node in self._agent.nodes:
            self._pieces[self._piece_of(node)].append(node)

    def touched(self, node, now_ms):
        """Something of this node changed."""
        piece = self._piece_of(node)
        if piece not in self._due_ms:
            self._due_ms[piece] = max(now_ms + SAVE_SOON_MS, self._rested_ms.get(piece, now_ms))

    def due(self, now_ms):
        """Save one piece that is due, if any; the others take their turn."""
        for piece, due_ms in self._due_ms.items():
            if due_ms <= now_ms:
                return [self._save(piece, now_ms)]
        return []

    def flush(self, now_ms):
        """Save all that changed: careofd ends."""
        return [self._save(piece, now_ms) for piece in list(self._due_ms)]

    def _save(self, piece, now_ms):
        del self._due_ms[piece]
        rows = [self._row(node) for node in self._pieces[piece]]
        self._rested_ms[piece] = now_ms + max(SAVE_GAP_MS, SAVE_WORK_MS * len(rows))
        return Save("%s.%d" % (self._agent.name, piece), rows)

    def restore(self, event, now_ms):
        """Take over what Save kept. What the configuration does not have any more is left out."""
        restored = 0
        try:
            for key, guards, bindings, routed, lease in event.value:
                node = self._agent.nodes.by_key(key)
                if node is not None:
                    self._restore_guards(node, guards)
                    if lease is None or self._agent.leases.restored(node, bytes.fromhex(lease)):
                        self._restore_bindings(node, bindings, now_ms)
                        self._agent.leases.touched(node)
                    self._restore_routed(node, routed)
                    restored += 1
        except (ValueError, TypeError, KeyError, IndexError) as e:
            text = "%s cannot be read (%s): nodes register again" % (event.name, e)
            return [Log("warning", "state", text), Count("state_unreadable")]
        return [Log("info", "state", "%s: %d nodes restored" % (event.name, restored))]

    @staticmethod
    def _piece_of(node):
        if node.leases:
            return spread(node.nai) % SAVE_SHARDS
        return int.from_bytes(node.home_address[2:], "big") % SAVE_SHARDS

    def _row(self, node):
        guards = [[a.spi, a.replay, a.guard.saved()] for a in node.associations.values()]
        bindings = []
        for b in node.bindings:
            infinite = b.never_expires()
            expires_ms = None if infinite else b.expires_ms + self.unix_offset_ms
            number = self._agent.paths.number_of(b)
            end = [b.kind, b.peer.hex(), b.port, b.reverse]
            bindings.append([b.care_of.hex(), b.spi, end, expires_ms, number, _revocable_row(b.revocable)])
        routed = None
        if node.routed != node.networks:
            routed = [[address.hex(), length] for address, length in node.routed]
        lease = node.home_address.hex() if node.leases and node.home_address is not None else None
        return [key_of(node), guards, bindings, routed, lease]

    @staticmethod
    def _restore_guards(node, guards):
        for spi, replay, value in guards:
            association = node.associations.get(spi)
            if association is not None and association.replay == replay:
                association.guard.restore(value)

    def _restore_bindings(self, node, bindings, now_ms):
        lifetime_max_ms = self._agent.bindings.lifetime_max_s * 1000
        for care_of, spi, (kind, peer, port, reverse), expires_ms, number, revocable in bindings:
            wish = Wish(bytes.fromhex(care_of), spi, 0, False, kind, bytes.fromhex(peer), port, reverse)
            binding = Binding(wish)
            binding.revocable = self._restore_revocable(revocable)
            # A wall clock that was set back in between must not prolong anything.
            left_ms = LIFETIME_INFINITE_S * 1000
            if expires_ms is not None:
                left_ms = expires_ms - self.unix_offset_ms - now_ms
            left_ms = min(left_ms, lifetime_max_ms)
            if left_ms > 0 and spi in node.associations:
                self._agent.bindings.adopt(node, binding, left_ms, now_ms)
                self._agent.paths.take_number(binding, number)

    @staticmethod
    def _restore_routed(node, routed):
        """Of what the router asked for, what it may still have (RFC 5177)."""
        if routed is not None:
            asked = [(bytes.fromhex(address), length) for address, length in routed]
            node.routed = tuple([prefix for prefix in asked if prefix in node.networks])

    def _restore_revocable(self, row):
        """None if the other end is an agent that we share no association with any more."""
        if row is None:
            return None
        inform, timestamp, address, port, by_peer = row
        peer = self._agent.peers.get(bytes.fromhex(address))
        if by_peer and peer is None:
            return None
        return Revocable(inform, timestamp, bytes.fromhex(address), port, peer if by_peer else None)


def _revocable_row(revocable):
    if revocable is None:
        return None
    inform, timestamp, address, port, peer = revocable
    return [inform, timestamp, address.hex(), port, peer is not None]
