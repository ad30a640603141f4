"""A foreign agent's challenges: which it offered, and which a mobile node may still use (RFC 4721).

    advertised   the last CHALLENGE_WINDOW that went out by multicast, the newest last (3.2)
    own          the last one that this node alone was given, in a reply or a unicast advertisement (3.2,
                 2.1): once it has used one

A node may use its own, or an advertised one that is newer than the advertised one it used last (4). Used
once, a challenge is stale for that node; only the repetition of a request that is still pending may say it
again, which is for the caller to know. What a node used is remembered for as long as it could be offered
again; the table of nodes is bounded, and whoever was silent for longest is forgotten first: what it used
has mostly left the window by then, and if not, the identification still protects the home agent.
"""

from collections import OrderedDict

from ..limits import CHALLENGE_SIZE, CHALLENGED_MAX

FINE, MISSING, UNKNOWN, STALE = 0, 105, 104, 106  # codes of a refusal (10)


class _Node:
    __slots__ = ("own", "used_number", "used_own")

    def __init__(self):
        self.own = None  # the challenge that it alone was given
        self.used_own = False
        self.used_number = -1  # of the newest advertised one that it used


class Challenges:
    """The challenges of one link. A node is known by a key of the caller's: its link-layer address."""

    def __init__(self, window, random):
        self._window = window
        self._random = random
        self._advertised = []  # (number, value), the newest last
        self._next_number = 0
        self._nodes = OrderedDict()  # key -> _Node, who was heard last is last

    def to_advertise(self):
        """A new one for a periodic advertisement (2)."""
        value = self._random(CHALLENGE_SIZE)
        self._advertised.append((self._next_number, value))
        self._next_number += 1
        del self._advertised[: -self._window]
        return value

    def advertised(self):
        """The newest one again, for an advertisement that answers a solicitation by multicast (2.1)."""
        return self._advertised[-1][1] if self._advertised else self.to_advertise()

    def for_node(self, key):
        """One that this node has not used: for a reply, or an advertisement to it alone (2.1, 3.3).

        Who never used one gets what everybody got last: nothing is kept for who only asks (12). Who did gets
        one of its own: that it has already, if it did not use it; else a new one.
        """
        node = self._nodes.get(key)
        if node is None:
            return self.advertised()
        if node.own is None or node.used_own:
            node.own, node.used_own = self._random(CHALLENGE_SIZE), False
        return node.own

    def judge(self, key, value):
        """FINE, or the code that refuses a request with this challenge (None: without). Changes nothing."""
        if value is None:
            return MISSING
        node = self._nodes.get(key)
        if node is not None and value == node.own:
            return STALE if node.used_own else FINE
        for number, advertised in self._advertised:
            if advertised == value:
                return FINE if node is None or number > node.used_number else STALE
        return UNKNOWN

    def used(self, key, value):
        """The node's request with this challenge was genuine and is relayed."""
        node = self._node(key)
        if value == node.own:
            node.used_own = True
        for number, advertised in self._advertised:
            if advertised == value and number > node.used_number:
                node.used_number = number

    def _node(self, key):
        node = self._nodes.pop(key, None)
        if node is None:
            node = _Node()
            if len(self._nodes) >= CHALLENGED_MAX:
                del self._nodes[next(iter(self._nodes))]
        self._nodes[key] = node
        return node
