"""Data probes and NAT keepalives: ICMP echoes from the home address to the home agent, in the tunnel.

A probe shows that data passes both ways by one path: its reply counts only if it came by the tunnel that
it went out by, with the octets that only its receiver knows. (Two bindings stand during a move, and then
the home agent answers by both.) Whoever can guess an outer source address cannot keep a dead path alive.

A keepalive keeps a NAT's mapping (RFC 3519 4.9); whether it is answered says nothing here, and it never
moves the tunnel's far end (6.1.2).
"""

from ..limits import KEEPALIVE_IDENTIFIER, PROBE_IDENTIFIER, PROBES_REMEMBERED
from ..wire import icmp
from ..wire.reader import Malformed
from .events import SendInner

TOKEN_SIZE = 8  # octets that an answer must repeat


class Probes:
    """Those of one router."""

    def __init__(self, router, random):
        self.router = router
        self._random = random
        self._sequence = 0
        self._sent = []  # (sequence, number of the uplink, token, when in ms), the oldest first

    def probe(self, uplink, now_ms):
        """Ask whether data passes by this uplink's path."""
        token = self._random(TOKEN_SIZE)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._sent.append((self._sequence, uplink.number, token, now_ms))
        del self._sent[:-PROBES_REMEMBERED]
        return [self._echo(uplink, PROBE_IDENTIFIER, token)]

    def keepalive(self, uplink):
        self._sequence = (self._sequence + 1) & 0xFFFF
        return [self._echo(uplink, KEEPALIVE_IDENTIFIER, b"")]

    def answered(self, event, now_ms):
        """The round trip in ms that an Inner event proves of the path it came by, or None."""
        try:
            source, destination, echo = icmp.unpack_packet(bytes(event.data))
        except Malformed:
            return None
        router = self.router
        if (source, destination) != (router.home_agent, router.home_address):
            return None
        if (echo.kind, echo.identifier) != (icmp.ECHO_REPLY, PROBE_IDENTIFIER):
            return None
        for sent in self._sent:
            if sent[:3] == (echo.sequence, event.tunnel, echo.data):
                self._sent.remove(sent)
                return now_ms - sent[3]
        return None

    def _echo(self, uplink, identifier, data):
        echo = icmp.Echo(icmp.ECHO_REQUEST, identifier, self._sequence, data)
        return SendInner(
            uplink.number, icmp.pack_packet(self.router.home_address, self.router.home_agent, echo)
        )
