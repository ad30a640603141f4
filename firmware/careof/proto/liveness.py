"""Is data still coming back on this path?

A path that takes packets and returns none is dead, whatever its link says. Waiting for a timer of
the registration protocol takes minutes, so the traffic itself is watched: as long as something
comes back, nothing is sent. tunneld says Unanswered when packets went out and nothing came back for
one patience; then probes are sent, one each patience, and when PROBES of them were not answered
either, the path is dead.

               Unanswered, or asked                PROBES x patience
    quiet -------------------------> probing ---------------------------> dead
      ^                                 |                                   |
      +---- something came back --------+------- alive again ---------------+

Patience is the smoothed round trip and four deviations (RFC 6298 section 2), between limits: a GPRS
link of two seconds is not dead after one. At 50 ms round trips silence is found after 4 patiences, some
400 to 600 ms. A path without traffic is asked from time to time.
"""

from collections import namedtuple

from ..limits import PATIENCE_FIRST_MS, PATIENCE_MAX_MS, PATIENCE_MIN_MS, PROBE_IDLE_MS, PROBES

# -- Events
Unanswered = namedtuple("Unanswered", "")  # tunneld: packets went out, nothing came for one patience
Answered = namedtuple("Answered", "")  # tunneld: now something came
ProbeAnswered = namedtuple("ProbeAnswered", "round_trip_ms")
AskNow = namedtuple("AskNow", "")  # somebody wants to know
Late = namedtuple("Late", "")

# -- Actions
SendProbe = namedtuple("SendProbe", "")
PathAlive = namedtuple("PathAlive", "")  # an asked question, or death, ended well
PathDead = namedtuple("PathDead", "")

QUIET, PROBING, DEAD = "quiet", "probing", "dead"


class RoundTrip:
    """Smoothed round-trip time and its deviation (RFC 6298 2.2, 2.3), in ms."""

    def __init__(self):
        self.smoothed_ms = None
        self._deviation_ms = 0

    def measured(self, round_trip_ms):
        if self.smoothed_ms is None:
            self.smoothed_ms, self._deviation_ms = round_trip_ms, round_trip_ms / 2
            return
        off_ms = abs(self.smoothed_ms - round_trip_ms)
        self._deviation_ms += (off_ms - self._deviation_ms) / 4
        self.smoothed_ms += (round_trip_ms - self.smoothed_ms) / 8

    def patience_ms(self):
        """How long an answer may take."""
        if self.smoothed_ms is None:
            return PATIENCE_FIRST_MS
        wanted_ms = int(self.smoothed_ms + 4 * self._deviation_ms)
        return min(max(wanted_ms, PATIENCE_MIN_MS), PATIENCE_MAX_MS)


class Liveness:
    """One path's. round_trip: what is known of its uplink, shared with its registrations."""

    def __init__(self, round_trip, now_ms):
        self.state = QUIET
        self.round_trip = round_trip
        self._probes = 0
        self._deadline_ms = now_ms + PROBE_IDLE_MS

    def deadline(self):
        """When to call handle(Late(), now), in ms, or None."""
        return self._deadline_ms

    def handle(self, event, now_ms):
        """Take one event; return the list of actions that it causes."""
        rule = TRANSITIONS.get((self.state, type(event)))
        return rule(self, event, now_ms) if rule else []

    def doubtful(self):
        """Was a probe not answered, so far?"""
        return self.state == DEAD or (self.state == PROBING and self._probes > 1)

    # -- Named after what happened

    def _nothing_came_back(self, event, now_ms):
        self._probes = 0
        return self._probe(now_ms)

    def _quiet_for_long(self, event, now_ms):
        return self._nothing_came_back(event, now_ms) if now_ms >= self._deadline_ms else []

    def _probe_went_unanswered(self, event, now_ms):
        if now_ms < self._deadline_ms:
            return []
        if self._probes < PROBES:
            return self._probe(now_ms)
        self._become(DEAD, now_ms + PATIENCE_MAX_MS)
        return [PathDead()]

    def _still_dead(self, event, now_ms):
        """Whoever left a dead path may come back when it answers."""
        if now_ms < self._deadline_ms:
            return []
        self._become(DEAD, now_ms + PROBE_IDLE_MS)
        return [SendProbe()]

    def _something_came_back(self, event, now_ms):
        self._become(QUIET, now_ms + PROBE_IDLE_MS)
        return [PathAlive()]

    def _probe_came_back(self, event, now_ms):
        self.round_trip.measured(event.round_trip_ms)
        return self._something_came_back(event, now_ms)

    def _late_probe_came_back(self, event, now_ms):
        self.round_trip.measured(event.round_trip_ms)
        return []

    def _probe(self, now_ms):
        self._probes += 1
        self._become(PROBING, now_ms + self.round_trip.patience_ms())
        return [SendProbe()]

    def _become(self, state, deadline_ms):
        """The only place where the state changes."""
        self.state, self._deadline_ms = state, deadline_ms


TRANSITIONS = {
    (QUIET, Unanswered): Liveness._nothing_came_back,
    (QUIET, AskNow): Liveness._nothing_came_back,
    (QUIET, Late): Liveness._quiet_for_long,
    (QUIET, ProbeAnswered): Liveness._late_probe_came_back,
    (PROBING, Answered): Liveness._something_came_back,
    (PROBING, ProbeAnswered): Liveness._probe_came_back,
    (PROBING, Late): Liveness._probe_went_unanswered,
    (DEAD, Answered): Liveness._something_came_back,
    (DEAD, ProbeAnswered): Liveness._probe_came_back,
    (DEAD, AskNow): Liveness._nothing_came_back,
    (DEAD, Late): Liveness._still_dead,
}
