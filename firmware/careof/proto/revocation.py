"""Registration revocation (RFC 3543): what both agents, and a co-located node, check and remember.

A revocation's identifier is a timestamp of its sender off the same clock as the timestamps in the
revocation support of its registrations (3.5). It counts only for a binding that stands, and only if it is
later than that binding's last registration: so one of an earlier life of the binding is worthless. The A
bit tells who sent it; one's own, reflected, has the wrong one.

It is repeated with a new identifier each time, once a second at most and with back-off (4.2.2.1, 4.2.3.1).
The one that ended the binding may have been answered by an acknowledgment that was lost: what was revoked
is remembered for a while, and a repetition is acknowledged, and nothing else.
"""

from collections import namedtuple

from ..limits import (
    REVOCATION_GAP_MS,
    REVOCATION_TRIES,
    REVOCATIONS_MAX,
    REVOKED_REMEMBERED,
    REVOKED_REMEMBERED_MS,
)
from ..wire import mip

_WRAP = 1 << 32

# One binding, as both ends name it, and when it ends of itself.
Binding = namedtuple("Binding", "home_address home_agent foreign expires_ms")


def after(one, other):
    """Is timestamp `one` later than `other`? (They wrap.)"""
    return 0 < (one - other) % _WRAP < _WRAP >> 1


class Stamps:
    """Our timestamps: seconds of the wall clock, but each later than the one before it."""

    def __init__(self):
        self._last = None

    def next(self, unix_ms):
        now = unix_ms // 1000 % _WRAP
        if self._last is not None and not after(now, self._last):
            now = (self._last + 1) % _WRAP
        self._last = now
        return now


class Revoked:
    """What others revoked not long ago, to acknowledge it again."""

    def __init__(self):
        self._rows = []  # (home address, foreign domain, identifier, until_ms), the oldest first

    def add(self, revocation, now_ms):
        row = (revocation.home_address, revocation.foreign_domain, revocation.identifier)
        self._rows = [old for old in self._rows if old[3] > now_ms and old[:2] != row[:2]]
        del self._rows[:-REVOKED_REMEMBERED]
        self._rows.append(row + (now_ms + REVOKED_REMEMBERED_MS,))

    def has(self, revocation, now_ms):
        """Is this the last revocation of that binding, or one after it?"""
        for home, foreign, identifier, until_ms in self._rows:
            if until_ms > now_ms and (home, foreign) == (revocation.home_address, revocation.foreign_domain):
                return not after(identifier, revocation.identifier)
        return False


class _Open:
    __slots__ = ("binding", "due_ms", "extensions", "flags", "identifiers", "owner", "peer", "port", "tries")

    def acknowledged_by(self, acknowledgment, peer):
        same_node = self.binding.home_address == acknowledgment.home_address
        return self.peer == peer and same_node and acknowledgment.identifier in self.identifiers


class Revoking:
    """Our revocations that are not acknowledged. owner: the caller's own note of whose key signs."""

    def __init__(self, flags, stamps):
        self._flags = flags  # REVOKED_BY_HOME_AGENT or 0
        self._stamps = stamps
        self._open = []

    def begin(self, binding, inform, peer, port, owner, now_ms, extensions=()):
        """Tell the other end; False if too many are being told already."""
        if len(self._open) >= REVOCATIONS_MAX:
            return False
        row = _Open()
        row.binding, row.peer, row.port, row.owner = binding, peer, port, owner
        row.extensions = list(extensions)
        row.flags = self._flags | (mip.REVOCATION_INFORM if inform else 0)
        row.due_ms, row.tries, row.identifiers = now_ms, 0, []
        self._open.append(row)
        return True

    def registered(self, home_address, foreign):
        """There is such a binding again, later than what we revoked: a repetition would hit that one."""
        if not self._open:
            return
        ended = (home_address, foreign)
        self._open = [row for row in self._open if (row.binding.home_address, row.binding.foreign) != ended]

    def deadline(self):
        return min([row.due_ms for row in self._open]) if self._open else None

    def due(self, now_ms, unix_ms):
        """What is to be sent now: [(Revocation, peer, port, owner)]. Given up: 4.2.2.1, beyond its life."""
        send = []
        for row in list(self._open):
            if row.due_ms > now_ms:
                continue
            if row.tries == REVOCATION_TRIES or now_ms >= row.binding.expires_ms:
                self._open.remove(row)
                continue
            row.due_ms = now_ms + (REVOCATION_GAP_MS << row.tries)
            row.tries += 1
            row.identifiers.append(self._stamps.next(unix_ms))
            home_address, home_agent, foreign, _ = row.binding
            ends = (home_address, home_agent, foreign)
            message = mip.Revocation(row.flags, *ends, row.identifiers[-1], row.extensions)
            send.append((message, row.peer, row.port, row.owner))
        return send

    def acknowledged(self, acknowledgment, peer):
        """The binding that this acknowledges, once; None: nothing of ours (3.5: discarded)."""
        for row in self._open:
            if row.acknowledged_by(acknowledgment, peer):
                self._open.remove(row)
                return row.binding
        return None

    def tells(self, home_address):
        """Is a revocation of a binding of this node still on its way?"""
        return any([row.binding.home_address == home_address for row in self._open])

    def awaits(self, acknowledgment, peer):
        """The owner of the revocation that this would acknowledge, or None. Changes nothing."""
        for row in self._open:
            if row.acknowledged_by(acknowledgment, peer):
                return row.owner
        return None


def acknowledge(revocation, inform):
    """The answer to a revocation that was believed (3.4): I is never set where the revocation did not."""
    flags = mip.ACKNOWLEDGMENT_INFORM if inform and revocation.flags & mip.REVOCATION_INFORM else 0
    return mip.RevocationAcknowledgment(flags, revocation.home_address, revocation.identifier, [])
