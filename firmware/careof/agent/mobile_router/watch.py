"""Does data pass by each path? Probes and NAT keepalives: ICMP echoes to the home agent, in the tunnel.

tunneld says when packets went out and nothing came back; proto.liveness decides when to probe and when a path
is dead; here its decisions become packets, and packets its events.

A probe shows that data passes both ways by one path: its reply counts only if it came by the tunnel that
it went out by, with the octets that only its receiver knows. (Two bindings stand during a move, and then
the home agent answers by both.) Whoever can guess an outer source address cannot keep a dead path alive.

A keepalive keeps a NAT's mapping (RFC 3519 4.9); whether it is answered says nothing here, and it never
moves the tunnel's far end (6.1.2).
"""

from ...limits import KEEPALIVE_IDENTIFIER, PROBE_IDENTIFIER, PROBES_REMEMBERED
from ...proto import liveness
from ...wire import icmp
from ...wire.reader import Malformed
from ..events import Count, Log, SendInner

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


class Watch:
    """Liveness of all paths of one router. `role` is the MobileRouter."""

    def __init__(self, role, random):
        self.probes = Probes(role.router, random)
        self._role = role

    def tell(self, uplink, event, now_ms):
        """One event for the liveness of the uplink's path, and all that it causes."""
        actions = []
        for result in uplink.liveness.handle(event, now_ms):
            if isinstance(result, liveness.SendProbe):
                actions += self.probes.probe(uplink, now_ms)
            elif isinstance(result, liveness.PathDead):
                uplink.failed(now_ms)
                actions += [Count("path_dead"), Log("notice", "path", "%s: nothing comes back" % uplink.name)]
            elif isinstance(result, liveness.PathAlive):
                if not uplink.live:
                    actions.append(Log("info", "path", "%s: data passes" % uplink.name))
                uplink.live = True
        return actions

    def ask(self, uplink, now_ms):
        """Somebody wants to know now."""
        return [] if uplink.liveness is None else self.tell(uplink, liveness.AskNow(), now_ms)

    def inner_came(self, event, now_ms):
        uplink = self._role.uplink_numbered(event.tunnel)
        round_trip_ms = self.probes.answered(event, now_ms)
        if round_trip_ms is None or uplink is None or uplink.liveness is None:
            return [Count("inner_not_awaited")]
        return self.tell(uplink, liveness.ProbeAnswered(round_trip_ms), now_ms)

    def path_unanswered(self, event, now_ms):
        uplink = self._role.uplink_numbered(event.path)
        if uplink is None or uplink.liveness is None or uplink.unheard:
            return []
        return self.tell(uplink, liveness.Unanswered(), now_ms)

    def path_answered(self, event, now_ms):
        uplink = self._role.uplink_numbered(event.path)
        if uplink is None or uplink.liveness is None:
            return []
        if not uplink.live and uplink is not self._role.moves.carrying:
            return []  # these may be the home agent's copies: that we can send by it too is not said
        return self.tell(uplink, liveness.Answered(), now_ms)

    def time_passed(self, uplink, now_ms):
        """Timers of the path, and its keepalive if one is due."""
        if uplink.liveness is None:
            return []
        actions = []
        if uplink.liveness.deadline() <= now_ms:
            actions += self.tell(uplink, liveness.Late(), now_ms)
        if uplink.keepalive_ms is not None and uplink.keepalive_ms <= now_ms:
            uplink.keepalive_ms = now_ms + uplink.keepalive_s * 1000
            actions += self.probes.keepalive(uplink)
        return actions
