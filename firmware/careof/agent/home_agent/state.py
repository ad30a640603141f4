"""What a home agent keeps over a restart of careofd: of each node its bindings and its identifications.

    home_agent-NAME.n.0a4d0002           a row of this node, by its home address; by a hash of its name if it
                                         leases one
    home_agent-NAME.clean                it ended in an orderly way: there is nothing that was not kept

A row is saved a moment after something in it changed (agent.saving). Expiries are saved by the wall clock,
the only one that survives a restart.

Without `clean` the last identifications may be unknown: then nothing is believed that was made before this
beginning (proto.replay).
"""

import hashlib

from ...limits import LIFETIME_INFINITE_S
from ...proto.bindings import Binding, Wish
from ..events import Count, Log, Save
from ..layout import ADDRESS, FLAG, LIST, NUMBER, TEXT, Layout, maybe
from ..saving import Saving
from .requests import AskedFor, Revocable

ROW = Layout(
    "node",
    ("key", TEXT),  # of the node
    ("guards", LIST),
    ("bindings", LIST),
    ("routed", maybe(LIST)),  # null: all that are configured
    ("lease", maybe(ADDRESS)),
)
GUARD = Layout("guard", ("spi", NUMBER), ("replay", TEXT), ("value", LIST))
BINDING = Layout(
    "binding",
    ("care_of", ADDRESS),
    ("spi", NUMBER),
    ("end", LIST),
    ("expires_unix_ms", maybe(NUMBER)),  # null: never
    ("tunnel", NUMBER),
    ("revocable", maybe(LIST)),
    ("asked", maybe(LIST)),
    ("nested_tunnel", maybe(NUMBER)),
)
END = Layout("end", ("kind", NUMBER), ("peer", ADDRESS), ("port", NUMBER), ("reverse", FLAG))
REVOCABLE = Layout(
    "revocable",
    ("inform", FLAG),
    ("timestamp", NUMBER),
    ("address", ADDRESS),
    ("port", NUMBER),
    ("by_peer", FLAG),
)
ASKED = Layout(
    "asked", ("source", ADDRESS), ("flags", NUMBER), ("identification", NUMBER), ("lifetime_s", NUMBER)
)
NETWORK = Layout("network", ("address", ADDRESS), ("length", NUMBER))


class AgentState:
    """Reads and writes the rows. `agent` is the role: its nodes, bindings and paths."""

    def __init__(self, agent):
        self.unix_offset_ms = 0
        self._agent = agent
        self._saving = Saving(lambda node: Save(self._name_of(node), self._row(node)))
        self._older = []  # names of what an older careofd kept: forgotten when all of it is in rows
        self._clean = False

    def deadline(self):
        """When due() may have something to do, in ms, or None."""
        return self._saving.deadline()

    def touched(self, node, now_ms):
        """Something of this node changed."""
        self._saving.touched(node.key, node, now_ms)

    def forget(self, node):
        """The node is configured no more: its row goes."""
        self._saving.forget(node.key)
        return [Save(self._name_of(node), None)]

    def due(self, now_ms):
        """Save some rows that are due."""
        return self._saving.due(now_ms) + self._forget_older()

    def flush(self):
        """Save all that changed: careofd ends."""
        return self._saving.flush() + self._forget_older() + [Save(self._agent.name + ".clean", True)]

    def _forget_older(self):
        """Only now that all of it is in rows."""
        if not self._older or not self._saving.is_done():
            return []
        names, self._older = self._older, []
        return [Save(name, None) for name in names]

    def _name_of(self, node):
        key = hashlib.sha256(node.nai).digest()[:8] if node.leases else node.home_address
        return "%s.n.%s" % (self._agent.name, key.hex())

    # -- A row

    def _row(self, node):
        guards = [[a.spi, a.replay, a.guard.saved()] for a in node.associations.values()]
        bindings = [self._binding(node, binding) for binding in node.bindings]
        routed = None
        if node.routed != node.networks:
            routed = [[address.hex(), length] for address, length in node.routed]
        lease = node.home_address.hex() if node.leases and node.home_address is not None else None
        return [node.key, guards, bindings, routed, lease]

    def _binding(self, node, b):
        expires_ms = None if b.never_expires() else b.expires_ms + self.unix_offset_ms
        asked = None if b.asked is None else [b.asked[0].hex()] + list(b.asked[1:])
        end = [b.kind, b.peer.hex(), b.port, b.reverse]
        number = self._agent.paths.number_of(b)
        nested = self._agent.paths.nested_number_of(node) if node.routed else None
        return [b.care_of.hex(), b.spi, end, expires_ms, number, _revocable(b.revocable), asked, nested]

    # -- After a restart

    def started(self, now_ms):
        """All that was kept has been restored; what is worth knowing only once is forgotten."""
        if not self._clean:
            self._begins(now_ms)
            return []
        self._clean = False
        return [Save(self._agent.name + ".clean", None)]

    def clock_set(self, offset_ms, now_ms):
        """The wall clock is another. What was made before it was right, was made before the beginning."""
        forward = offset_ms > self.unix_offset_ms
        self.unix_offset_ms = offset_ms
        if self._agent.nodes.beginning.unix_ms and forward:
            self._begins(now_ms)

    def _begins(self, now_ms):
        self._agent.nodes.beginning.unix_ms = now_ms + self.unix_offset_ms

    def restore(self, event, now_ms):
        """Take over what Save kept. What the configuration does not have any more is forgotten."""
        what = event.name[len(self._agent.name) + 1 :]
        if what == "clean":
            self._clean = event.value is True
            return []
        if what.isdigit():
            return self._restore_piece(event, now_ms)
        try:
            if self._restore_row(event.value, now_ms) is None:
                return [Save(event.name, None)]
        except (ValueError, TypeError) as e:
            return self._unreadable(event.name, e)
        return []

    def _restore_piece(self, event, now_ms):
        """Version 1 kept the table in pieces, lists of rows; a piece is forgotten when its rows are kept."""
        wrong = None
        self._older.append(event.name)
        for row in event.value if type(event.value) is list else [event.value]:
            try:
                node = self._restore_row(_of_version_1(row), now_ms)
                if node is not None:
                    self.touched(node, now_ms)
            except (ValueError, TypeError, IndexError) as e:
                wrong = e  # the other rows are as good as before
        return [] if wrong is None else self._unreadable(event.name, wrong)

    @staticmethod
    def _unreadable(name, wrong):
        text = "%s cannot all be read (%s): nodes register again" % (name, wrong)
        return [Log("warning", "state", text), Count("state_unreadable")]

    def _restore_row(self, values, now_ms):
        """The node; None if there is none by that key."""
        row, agent = ROW.read(values), self._agent
        guards = [GUARD.read(guard) for guard in row.guards]
        bindings = [BINDING.read(binding) for binding in row.bindings]
        routed = None if row.routed is None else [tuple(NETWORK.read(network)) for network in row.routed]
        node = agent.nodes.by_key(row.key)
        if node is None:
            return None
        agent.nodes.keep(node)
        self._restore_guards(node, guards)
        agent.bindings.forget(node)  # of a row that an older careofd kept
        if row.lease is None or node.home_address == row.lease or agent.leases.restored(node, row.lease):
            self._restore_bindings(node, bindings, now_ms)
            agent.leases.touched(node)
        if routed is not None:  # of what the router asked for, what it may still have (RFC 5177)
            node.routed = tuple([prefix for prefix in routed if prefix in node.networks])
        return node

    @staticmethod
    def _restore_guards(node, guards):
        for spi, replay, value in guards:
            association = node.associations.get(spi)
            if association is not None and association.replay == replay:
                association.guard.restore(value)

    def _restore_bindings(self, node, bindings, now_ms):
        lifetime_max_ms = self._agent.bindings.lifetime_max_s * 1000
        for row in bindings:
            kind, peer, port, reverse = END.read(row.end)
            binding = Binding(Wish(row.care_of, row.spi, 0, False, kind, peer, port, reverse))
            binding.revocable = self._restore_revocable(row.revocable)
            if row.asked is not None:
                binding.asked = AskedFor(*ASKED.read(row.asked))
            # A wall clock that was set back in between must not prolong anything.
            left_ms = LIFETIME_INFINITE_S * 1000
            if row.expires_unix_ms is not None:
                left_ms = row.expires_unix_ms - self.unix_offset_ms - now_ms
            left_ms = min(left_ms, lifetime_max_ms)
            if left_ms > 0 and row.spi in node.associations:
                self._agent.bindings.adopt(node, binding, left_ms, now_ms)
                self._agent.paths.take_number(binding, row.tunnel)
                if row.nested_tunnel is not None:
                    self._agent.paths.take_nested_number(node, row.nested_tunnel)

    def _restore_revocable(self, values):
        """None if the other end is an agent that we share no association with any more."""
        if values is None:
            return None
        row = REVOCABLE.read(values)
        peer = self._agent.peers.get(row.address)
        if row.by_peer and peer is None:
            return None
        return Revocable(row.inform, row.timestamp, row.address, row.port, peer if row.by_peer else None)


def _revocable(revocable):
    if revocable is None:
        return None
    inform, timestamp, address, port, peer = revocable
    return [bool(inform), timestamp, address.hex(), port, peer is not None]


def _of_version_1(row):
    """As rows are now. The first ones had no leases; their bindings did not say how they were asked for."""
    row = list(row) + [None] * (5 - len(row))
    row[2] = [list(binding) + [None] * (8 - len(binding)) for binding in row[2]]
    return row
