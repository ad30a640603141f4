"""The home agent's table: home address -> care-of addresses (RFC 5944 section 3.8.2.2).

    lifetime 0, care-of = home address   all bindings of the node end
    lifetime 0, another care-of address  that binding ends, the others stay
    lifetime > 0, S                      one more binding, or the same one renewed
    lifetime > 0, no S                   this binding and no other

Two requests mean the same binding when they name the same care-of address and come by the same
association or from the same outer address: behind two NATs, one router may well have the same private
address twice (RFC 3519 5.1), and it uses an association for each uplink.

Work is flat in the number of bindings: a dictionary finds the node, and a heap holds one entry a
binding, due at some time not after its expiry. An entry that comes up early because the binding was
renewed is put back; so a renewal touches no heap at all. Nothing is kept for a node that is
not configured, and per node at most SIMULTANEOUS_MAX bindings.
"""

import heapq
from collections import namedtuple

from ..limits import EXPIRED_AT_ONCE, LIFETIME_INFINITE_S, SIMULTANEOUS_MAX

NO_ROOM, TOO_MANY = 130, 135
_NEVER_MS = 1 << 62

# What an accepted request asks for, with where its tunnel ends (proto.admission).
Wish = namedtuple("Wish", "care_of spi lifetime_s simultaneous kind peer port reverse")
# changed: a binding came, went or moved. binding: the one that was asked for, or None.
Outcome = namedtuple("Outcome", "code lifetime_s changed binding")


class Binding:
    """One care-of address of a node."""

    __slots__ = (
        "asked",
        "care_of",
        "due_ms",
        "entry",
        "expires_ms",
        "kind",
        "peer",
        "port",
        "reverse",
        "revocable",
        "spi",
    )

    def __init__(self, wish):
        self.care_of, self.spi = wish.care_of, wish.spi
        self.kind, self.peer, self.port, self.reverse = wish.kind, wish.peer, wish.port, wish.reverse
        self.asked = None  # how its last request asked for it (home_agent.requests), or None
        self.revocable = None  # what was agreed on with its other end (home_agent.requests), or None
        self.expires_ms = 0
        self.due_ms = self.entry = None  # its entry of the heap

    def is_meant_by(self, wish):
        return self.care_of == wish.care_of and (self.spi == wish.spi or self.peer == wish.peer)

    def moves_to(self, wish):
        """Take the tunnel's end of a renewal; was it another?"""
        end = (wish.kind, wish.peer, wish.port, wish.reverse)
        changed = (self.kind, self.peer, self.port, self.reverse) != end
        self.kind, self.peer, self.port, self.reverse = end
        self.spi = wish.spi
        return changed

    def never_expires(self):
        return self.expires_ms == _NEVER_MS

    def left_s(self, now_ms):
        """What is left of its lifetime, as the field of a reply or a route says it."""
        if self.expires_ms == _NEVER_MS:
            return LIFETIME_INFINITE_S
        return max(0, (self.expires_ms - now_ms) // 1000)


class Bindings:
    """The bindings of all nodes. A node is any object with `home_address` and a list `bindings`."""

    def __init__(self, bindings_max, lifetime_max_s):
        self.bindings_max = bindings_max
        self.lifetime_max_s = lifetime_max_s
        self.count = 0
        self._heap = []  # (due_ms, entry, node, binding); entry numbers differ, so no further compare
        self._entries = 0

    def deadline(self):
        """When expire() may have something to do, in ms, or None."""
        return self._heap[0][0] if self._heap else None

    def register(self, node, wish, now_ms):
        """Change the node's bindings as an authenticated, fresh and admitted request asks."""
        if wish.lifetime_s == 0:
            return self._ended(node, wish)
        found = None
        for binding in node.bindings:
            if binding.is_meant_by(wish):
                found = binding
                break
        if found is None:
            others = len(node.bindings) if wish.simultaneous else 0
            if others >= SIMULTANEOUS_MAX:
                return Outcome(TOO_MANY, 0, False, None)
            if self.count - len(node.bindings) + others >= self.bindings_max:
                return Outcome(NO_ROOM, 0, False, None)
            found, changed = Binding(wish), True
            node.bindings.append(found)
            self.count += 1
        else:
            changed = found.moves_to(wish)
        if not wish.simultaneous and len(node.bindings) > 1:
            self.count -= len(node.bindings) - 1
            node.bindings[:] = [found]
            changed = True
        lifetime_s = min(wish.lifetime_s, self.lifetime_max_s)
        self.lasts(node, found, lifetime_s * 1000, now_ms)
        return Outcome(0, lifetime_s, changed, found)

    def lasts(self, node, binding, left_ms, now_ms):
        """The binding ends after left_ms; infinity never ends."""
        infinite = left_ms == LIFETIME_INFINITE_S * 1000
        binding.expires_ms = _NEVER_MS if infinite else now_ms + left_ms
        if binding.entry is None or binding.expires_ms < binding.due_ms:
            self._schedule(node, binding)

    def adopt(self, node, binding, left_ms, now_ms):
        """A binding that stood before a restart."""
        node.bindings.append(binding)
        self.count += 1
        self.lasts(node, binding, left_ms, now_ms)

    def expire(self, now_ms):
        """Drop what is over, some at a time; the nodes that lost a binding."""
        lost = []
        for _ in range(EXPIRED_AT_ONCE):
            if not self._heap or self._heap[0][0] > now_ms:
                break
            _, entry, node, binding = heapq.heappop(self._heap)
            if binding.entry != entry or binding not in node.bindings:
                continue
            if binding.expires_ms > now_ms:
                self._schedule(node, binding)
                continue
            node.bindings.remove(binding)
            self.count -= 1
            if node not in lost:
                lost.append(node)
        return lost

    def forget(self, node):
        """The node is not served any more."""
        self.count -= len(node.bindings)
        node.bindings[:] = []

    def drop(self, node, binding):
        """This binding ended at its other end."""
        node.bindings.remove(binding)
        self.count -= 1

    def drop_others(self, node, spis):
        """Bindings made with other associations than these end; were there any?"""
        stay = [binding for binding in node.bindings if binding.spi in spis]
        ended = len(node.bindings) - len(stay)
        self.count -= ended
        node.bindings[:] = stay
        return ended > 0

    def _ended(self, node, wish):
        if wish.care_of == node.home_address:
            stay = []
        else:
            stay = [binding for binding in node.bindings if not binding.is_meant_by(wish)]
        ended = len(node.bindings) - len(stay)
        self.count -= ended
        node.bindings[:] = stay
        return Outcome(0, 0, ended > 0, None)

    def _schedule(self, node, binding):
        self._entries += 1
        binding.entry, binding.due_ms = self._entries, binding.expires_ms
        if binding.expires_ms != _NEVER_MS:
            heapq.heappush(self._heap, (binding.due_ms, binding.entry, node, binding))
        if len(self._heap) > 2 * self.count + 64:  # entries of bindings that are gone or were cut short
            self._heap = [row for row in self._heap if row[3].entry == row[1] and row[3] in row[2].bindings]
            heapq.heapify(self._heap)
