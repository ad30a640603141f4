"""Whether mobile networks are forwarded to before a registration is answered (RFC 5177 6.3, 6.6).

    bindings or networks are others --> Confirm --> tunneld does, or refuses, what it was told --> Confirmed
                                          what it refuses meanwhile is noted by prefix        --> the reply

Only a registration that changes something waits, for one round trip on a local socket; a renewal does not.
What is refused: the tunnel or its path, which all networks need, or the route, source or delivery of one.
"""

from collections import OrderedDict

from ...limits import CONFIRMATIONS_MAX, UNDELIVERED_MAX
from ...wire import ipv4, tunneld
from ..events import Confirm, Count


class _Open:
    """One registration that waits. refused: of its networks, those that cannot be forwarded to."""

    __slots__ = ("node", "refused", "then")

    def __init__(self, node, then):
        self.node, self.then, self.refused = node, then, set()


class Forwarding:
    """Of one home agent."""

    def __init__(self):
        self._open = OrderedDict()  # token -> _Open, the oldest first
        self._token = 0
        self._undelivered = []  # prefixes whose delivery tunneld refused, in this life of it

    def confirm(self, node, then):
        """When tunneld has answered: then(networks that cannot be forwarded to, now_ms) -> actions."""
        actions = []
        if len(self._open) >= CONFIRMATIONS_MAX:  # its request is repeated
            del self._open[next(iter(self._open))]
            actions.append(Count("confirmations_too_many"))
        self._token = self._token + 1 & 0xFFFFFFFF
        self._open[self._token] = _Open(node, then)
        return actions + [Confirm(self._token)]

    def confirmed(self, event, now_ms):
        waiting = self._open.pop(event.token, None)
        if waiting is None:
            return []
        refused = waiting.refused
        for network in waiting.node.routed:
            if any(
                [network[1] >= prefix[1] and ipv4.covers(prefix, network[0]) for prefix in self._undelivered]
            ):
                refused.add(network)
        return waiting.then(tuple(refused), now_ms)

    def refused(self, message):
        """tunneld could not do this."""
        prefix = _prefix_of(message)
        is_new = isinstance(message, tunneld.SetDeliver) and prefix not in self._undelivered
        if is_new and len(self._undelivered) < UNDELIVERED_MAX:
            self._undelivered.append(prefix)
        number = message[0] if isinstance(message, (tunneld.SetTunnel, tunneld.SetPath)) else None
        for waiting in self._open.values():
            node = waiting.node
            if number is not None and number in [use.tunnel.number for use in node.uses]:
                waiting.refused.update(node.routed)
            elif prefix in node.routed:
                waiting.refused.add(prefix)

    def forget(self):
        """There is another tunneld: it is told everything again."""
        self._undelivered = []


def _prefix_of(message):
    if isinstance(message, (tunneld.SetRoute, tunneld.SetDeliver)):
        return message.destination, message.length
    if isinstance(message, tunneld.SetInner):
        return message.source, message.source_length
    return None
