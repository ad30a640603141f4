"""Keepalives of a foreign agent's tunnels in UDP, lest a NAT on the way forgets them (RFC 3519 4.9).

    a visitor is registered    nothing for as long as its home agent says
    so long later              an ICMP echo request by the tunnel, and again

It is an echo request of a visitor, whoever it is that has this tunnel, since the home agent takes nothing
else from it; so its answer goes to that visitor. Visitors share a tunnel, and so they share its keepalives.
"""

from ...limits import KEEPALIVE_IDENTIFIER
from ...wire import icmp
from ..events import SendInner


class Keepalives:
    """Of one foreign agent's visitors. A visitor has `keepalive_s`, 0 if its tunnel is not in UDP."""

    def __init__(self, visitors):
        self._visitors = visitors
        self._rows = {}  # end of a tunnel -> (due_ms, interval_ms)
        self._sequence = 0

    def deadline(self):
        return min([row[0] for row in self._rows.values()]) if self._rows else None

    def registered(self, visitor, now_ms):
        """Its request and reply have just passed."""
        if visitor.keepalive_s:
            interval_ms = visitor.keepalive_s * 1000
            self._rows[visitor.end] = now_ms + interval_ms, interval_ms
        else:
            self._rows.pop(visitor.end, None)

    def due(self, now_ms):
        actions = []
        for end, (due_ms, interval_ms) in list(self._rows.items()):
            if due_ms > now_ms:
                continue
            visitor = self._visitor_at(end)
            if visitor is None:
                del self._rows[end]  # the last one left
                continue
            self._rows[end] = now_ms + interval_ms, interval_ms
            self._sequence = (self._sequence + 1) & 0xFFFF
            echo = icmp.Echo(icmp.ECHO_REQUEST, KEEPALIVE_IDENTIFIER, self._sequence, b"")
            packet = icmp.pack_packet(visitor.home_address, visitor.home_agent, echo)
            actions.append(SendInner(visitor.tunnel.number, packet))
        return actions

    def _visitor_at(self, end):
        for visitor in self._visitors:
            if visitor.end == end and visitor.tunnel is not None:
                return visitor
        return None
