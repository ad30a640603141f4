"""The last refusals of a role, and who violated security (RFC 2006 mipSecViolationTable): both bounded.

Whoever refuses notes it here, with a code or without an answer: `careof registrations` shows it with its why
(agent.reasons). A flood pushes out what was there before, and costs no more than that.
"""

from collections import OrderedDict, namedtuple

from ..limits import REFUSALS_KEPT, VIOLATORS_KEPT
from ..wire import ipv4
from . import reasons

# RFC 2006 mipSecRecentViolationReason
NO_ASSOCIATION, BAD_AUTHENTICATOR, BAD_IDENTIFIER, BAD_SPI, MISSING, OTHER = range(1, 7)
VIOLATIONS = {
    "request_unknown_node": NO_ASSOCIATION,
    "request_unknown_spi": BAD_SPI,
    "request_not_authenticated": MISSING,
    "request_false_authenticator": BAD_AUTHENTICATOR,
    "request_stale": BAD_IDENTIFIER,
    "visitor_challenge_not_authenticated": MISSING,
    "visitor_false_authenticator": BAD_AUTHENTICATOR,
    "visitor_reply_not_awaited": BAD_IDENTIFIER,
    "visitor_reply_false_authenticator": BAD_AUTHENTICATOR,
    "agent_unknown_peer": NO_ASSOCIATION,
    "revocation_not_authenticated": MISSING,
    "revocation_false_authenticator": BAD_AUTHENTICATOR,
    "revocation_stale": BAD_IDENTIFIER,
    "revocation_reflected": OTHER,
    "reply_not_authenticated": MISSING,
    "reply_false_authenticator": BAD_AUTHENTICATOR,
    "reply_not_awaited": BAD_IDENTIFIER,
    "agent_not_authenticated": MISSING,
    "agent_false_authenticator": BAD_AUTHENTICATOR,
}
_WITH_SPI = (BAD_AUTHENTICATOR, BAD_IDENTIFIER)  # in all other cases the SPI is 0 (RFC 2006)

# name: of the counter; who: for people; source: an address; code: None if nothing was said.
Refusal = namedtuple("Refusal", "serial at_ms name who source code message")


class _Violator:
    __slots__ = ("at_ms", "count", "identification", "reason", "spi")


class Refusals:
    """Of one role."""

    def __init__(self):
        self._last = []  # the oldest first
        self._serial = 0
        self._violators = OrderedDict()  # address -> _Violator, who was heard last is last
        self.violations = 0

    def note(self, now_ms, name, who, source, code=None, spi=0, identification=0, message=None):
        """Something was refused under this name; message: what who refused us says about it."""
        self._serial += 1
        self._last.append(Refusal(self._serial, now_ms, name, who, source, code, message))
        if len(self._last) > REFUSALS_KEPT:
            del self._last[0]
        reason = VIOLATIONS.get(name)
        if reason is not None:
            self._violated(now_ms, source, reason, spi, identification)

    def _violated(self, now_ms, source, reason, spi, identification):
        self.violations += 1
        violator = self._violators.pop(source, None)
        if violator is None:
            violator = _Violator()
            violator.count = 0
            if len(self._violators) >= VIOLATORS_KEPT:
                del self._violators[next(iter(self._violators))]
        self._violators[source] = violator
        violator.count += 1
        violator.at_ms, violator.reason = now_ms, reason
        violator.spi = spi if reason in _WITH_SPI else 0
        violator.identification = identification

    # -- For status

    def rows(self, now_ms):
        """The last ones, the newest first, each with its why."""
        return [self._row(refusal, now_ms) for refusal in reversed(self._last)]

    def last_row(self, now_ms):
        """The newest one, as a list of one."""
        return [self._row(self._last[-1], now_ms)] if self._last else []

    @staticmethod
    def _row(refusal, now_ms):
        row = reasons.explain(refusal.name, refusal.code)
        row["state"] = "refused"
        row["number"] = refusal.serial
        row["ago_ms"] = now_ms - refusal.at_ms
        row["message"] = refusal.message
        row["who"], row["source"] = refusal.who, ipv4.address_text(refusal.source)
        return row

    def violation_rows(self, now_ms):
        return [
            {
                "address": ipv4.address_text(address),
                "count": v.count,
                "spi": v.spi,
                "ago_ms": now_ms - v.at_ms,
                "identification": v.identification,
                "reason": v.reason,
            }
            for address, v in self._violators.items()
        ]
