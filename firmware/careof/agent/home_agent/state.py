"""What a home agent keeps over a restart of careofd: bindings and identifications.

The table is saved in pieces by home address, or by the name of a node that leases one; how many pieces
depends on how many bindings there may be. A piece is due a moment after something in it changed, and rests
after it was written, the longer the more nodes there are, and longer still if bindings were only renewed: a
burst of renewals costs a bounded share of the time. Expiries are saved by the wall clock, the only one that
survives a restart.
"""

import heapq

from ...limits import (
    LIFETIME_INFINITE_S,
    SAVE_GAP_MS,
    SAVE_HASTE,
    SAVE_NODES,
    SAVE_SHARDS_MIN,
    SAVE_SOON_MS,
    SAVE_WORK_MS,
)
from ...proto.bindings import Binding, Wish
from ...proto.pool import spread
from ..events import Count, Log, Save
from .nodes import key_of
from .requests import AskedFor, Revocable


class AgentState:
    """Reads and writes the pieces. `agent` is the role: its nodes, bindings and paths."""

    def __init__(self, agent):
        self.unix_offset_ms = 0
        self._agent = agent
        shards = SAVE_SHARDS_MIN
        while shards * SAVE_NODES < agent.agent.max_bindings:
            shards *= 2
        self._pieces = [{} for _ in range(shards)]  # key_of() -> node, of those there is something about
        self._count = 0  # of nodes in all pieces
        self._due = []  # heap of (due_ms, piece),
        self._due_ms = {}  # piece -> which of its entries there counts
        self._saved_ms = {}  # piece -> when it was saved

    def deadline(self):
        """When due() may have something to do, in ms, or None."""
        return self._due[0][0] if self._due else None

    def touched(self, node, now_ms, renewed=False):
        """Something of this node changed. renewed: no more than how long its bindings last."""
        piece = node.piece
        if piece is None:
            piece = self._note(node)
        if not renewed or piece not in self._due_ms:  # else it is due already, and not later than for this
            self._changed(piece, now_ms, renewed)

    def forget(self, node, now_ms):
        """The node is configured no more."""
        piece, node.piece = node.piece, None
        if piece is not None and self._pieces[piece].get(key_of(node)) is node:
            del self._pieces[piece][key_of(node)]
            self._count -= 1
            self._changed(piece, now_ms)

    def due(self, now_ms):
        """Save one piece that is due, if any; the others take their turn."""
        while self._due and self._due[0][0] <= now_ms:
            due_ms, piece = heapq.heappop(self._due)
            if self._due_ms.get(piece) == due_ms:
                return [self._save(piece, now_ms)]
        return []

    def flush(self, now_ms):
        """Save all that changed: careofd ends."""
        self._due = []
        return [self._save(piece, now_ms) for piece in sorted(self._due_ms)]

    def _note(self, node):
        """It is in its piece from now on; which one that is."""
        piece, key = self._piece_of(node), key_of(node)
        if key not in self._pieces[piece]:
            self._count += 1
        self._pieces[piece][key] = node
        node.piece = piece
        return piece

    def _changed(self, piece, now_ms, renewed=False):
        rest_ms = SAVE_WORK_MS * self._count // SAVE_SHARDS_MIN // (1 if renewed else SAVE_HASTE)
        due_ms = now_ms + SAVE_SOON_MS
        if piece in self._saved_ms:
            due_ms = max(due_ms, self._saved_ms[piece] + max(SAVE_GAP_MS, rest_ms))
        if piece not in self._due_ms or due_ms < self._due_ms[piece]:
            self._due_ms[piece] = due_ms
            heapq.heappush(self._due, (due_ms, piece))

    def _save(self, piece, now_ms):
        self._due_ms.pop(piece, None)
        rows = [self._row(node) for node in self._pieces[piece].values()]
        self._saved_ms[piece] = now_ms
        return Save("%s.%d" % (self._agent.name, piece), rows or None)

    def restore(self, event, now_ms):
        """Take over what Save kept. What the configuration does not have any more is left out."""
        restored, of_piece, wrong = 0, self._piece_named(event.name), None
        actions = [Save(event.name, None)] if of_piece is None else []
        for row in event.value if isinstance(event.value, list) else [event.value]:
            try:
                restored += self._restore_row(row, of_piece, now_ms)
            except (ValueError, TypeError, KeyError, IndexError) as e:
                wrong = e  # the other rows are as good as before
        if wrong is not None:
            text = "%s cannot all be read (%s): nodes register again" % (event.name, wrong)
            actions += [Log("warning", "state", text), Count("state_unreadable")]
        return actions + [Log("debug", "state", "%s: %d nodes restored" % (event.name, restored))]

    def _restore_row(self, row, of_piece, now_ms):
        """How many nodes were restored by it."""
        key, guards, bindings, routed = row[:4]
        lease = row[4] if len(row) > 4 else None  # older ones had no leases
        node = self._agent.nodes.by_key(key)
        if node is None or node.bindings:
            return 0
        self._agent.nodes.keep(node)
        piece = self._note(node)
        self._restore_guards(node, guards)
        if lease is None or self._agent.leases.restored(node, bytes.fromhex(lease)):
            self._restore_bindings(node, bindings, now_ms)
            self._agent.leases.touched(node)
        self._restore_routed(node, routed)
        if piece != of_piece:  # there were more pieces, or less
            self._changed(piece, now_ms)
            if of_piece is not None:
                self._changed(of_piece, now_ms)
        return 1

    def _piece_of(self, node):
        number = spread(node.nai) if node.leases else int.from_bytes(node.home_address[1:], "big")
        return number % len(self._pieces)

    def _piece_named(self, name):
        """The number of a piece in its name; None: there is no such piece."""
        number = name[len(self._agent.name) + 1 :]
        if number.isdigit() and int(number) < len(self._pieces):
            return int(number)
        return None

    def _row(self, node):
        guards = [[a.spi, a.replay, a.guard.saved()] for a in node.associations.values()]
        bindings = []
        for b in node.bindings:
            infinite = b.never_expires()
            expires_ms = None if infinite else b.expires_ms + self.unix_offset_ms
            number = self._agent.paths.number_of(b)
            end = [b.kind, b.peer.hex(), b.port, b.reverse]
            asked = None if b.asked is None else [b.asked[0].hex()] + list(b.asked[1:])
            kept = [b.care_of.hex(), b.spi, end, expires_ms, number, _revocable_row(b.revocable), asked]
            kept.append(self._agent.paths.nested_number_of(node))
            bindings.append(kept)
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
        for row in bindings:
            care_of, spi, (kind, peer, port, reverse), expires_ms, number, revocable = row[:6]
            asked = row[6] if len(row) > 6 else None  # older ones do not say
            wish = Wish(bytes.fromhex(care_of), spi, 0, False, kind, bytes.fromhex(peer), port, reverse)
            binding = Binding(wish)
            binding.revocable = self._restore_revocable(revocable)
            if asked is not None:
                binding.asked = AskedFor(bytes.fromhex(asked[0]), *asked[1:])
            # A wall clock that was set back in between must not prolong anything.
            left_ms = LIFETIME_INFINITE_S * 1000
            if expires_ms is not None:
                left_ms = expires_ms - self.unix_offset_ms - now_ms
            left_ms = min(left_ms, lifetime_max_ms)
            if left_ms > 0 and spi in node.associations:
                self._agent.bindings.adopt(node, binding, left_ms, now_ms)
                self._agent.paths.take_number(binding, number)
                if len(row) > 7 and row[7] is not None:
                    self._agent.paths.take_nested_number(node, row[7])

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
