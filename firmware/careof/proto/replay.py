"""The identification of a registration: what makes an old request worthless (RFC 5944 section 5.7).

Each security association has one way, known to both ends:

  timestamps  The 64 bits are an NTP timestamp of the mobile node. The home agent wants it within
              7 seconds of its own clock and greater than every one before it in this association. If
              not, it answers 133 with its own seconds in the high half; the mobile node, once the
              reply is authenticated, goes by the home agent's time from then on (5.7.1).
  nonces      The high half repeats what the home agent put into its last reply, the low half is
              random. If it is wrong, the home agent answers 133 with the right one (5.7.2).

The low 32 bits of a reply are those of its request in both, and they differ from request to request, so
that a reply is matched to exactly one. A refused nonce is not replaced by another: else whoever
replays an old request in a loop would keep the owner out.

What a guard let in is kept a moment later than it was answered. So after an end that nobody prepared the last
request of an association may be unknown, and whoever recorded it has seven seconds to say it again. A guard
therefore lets in nothing from before the new beginning (Beginning): by the clock of the association, which
may be fast or slow, as it was kept with the last identification. The owner, who says something new, does not
notice; if its clock was set in between, one 133 tells it ours.

Timestamps are compared modulo 2^64, so the end of NTP's era in 2036 is a day like any other.
"""

from ..limits import TIMESTAMP_TOLERANCE_MS

NTP_UNIX_S = 2208988800  # RFC 5905: seconds from 1900 to 1970
LOW = 0xFFFFFFFF
ERA = 1 << 64
_STEP = 1 << 22  # about a millisecond: the part of a second that the clock knows; below it is random


def _ntp(unix_ms):
    """The NTP timestamp of a Unix time, its unknown low bits zero."""
    return (((unix_ms // 1000 + NTP_UNIX_S) << 32) | ((unix_ms % 1000 << 32) // 1000)) % ERA


def after(one, other):
    """Is timestamp `one` later than `other`?"""
    return 0 < (one - other) % ERA < ERA >> 1


class TimestampSource:
    """The mobile node's end: makes identifications that rise and are near the home agent's clock."""

    def __init__(self, random):
        self._random = random
        self._unix_offset_ms = 0  # our idea of the home agent's clock, less the monotonic clock
        self._follows_home_agent = False  # after a resynchronisation our own wall clock is not asked
        self._last = 0

    fresh_when_repeated = True  # RFC 5944 3.6.3: each retransmission is a new registration

    def wall_clock(self, offset_ms):
        """Our wall clock was set. It counts until the home agent has corrected it."""
        if not self._follows_home_agent:
            self._unix_offset_ms = offset_ms

    def next(self, now_ms):
        """The identification of a new request."""
        bits = int.from_bytes(self._random(3), "big") & (_STEP - 1)
        stamp = (_ntp(now_ms + self._unix_offset_ms) & -_STEP) | bits
        if self._last and not after(stamp, self._last):
            stamp = (self._last + _STEP) % ERA
        self._last = stamp
        return stamp

    def replied(self, identification):
        """An authenticated reply other than 133. Nothing to learn."""

    def mismatched(self, identification, now_ms):
        """An authenticated reply 133: go by the home agent's clock (its seconds; half of one is guessed)."""
        home_agent_ms = ((identification >> 32) - NTP_UNIX_S) % (1 << 32) * 1000 + 500
        self._unix_offset_ms = home_agent_ms - now_ms
        self._follows_home_agent = True
        # What was sent with a wrong clock was refused, and must not hold the right one back.
        self._last = 0

    def saved(self, offset_ms):
        """What the source should know again after a restart; offset_ms is the wall clock's."""
        correction_ms = self._unix_offset_ms - offset_ms if self._follows_home_agent else None
        return {"last": self._last, "correction_ms": correction_ms}

    def restore(self, value, offset_ms):
        self._last = value["last"]
        if value["correction_ms"] is not None:
            self._unix_offset_ms = offset_ms + value["correction_ms"]
            self._follows_home_agent = True


class NonceSource:
    """The mobile node's end: repeats the home agent's last nonce beside a random number of its own."""

    def __init__(self, random):
        self._random = random
        self._nonce = 0  # never right: the first reply is 133 and brings the first nonce
        self._low = 0

    fresh_when_repeated = False  # RFC 5944 3.6.3: sent again unchanged

    def wall_clock(self, offset_ms):
        """Nonces need no clock."""

    def next(self, now_ms):
        low = self._low
        while low == self._low:
            low = int.from_bytes(self._random(4), "big")
        self._low = low
        return self._nonce << 32 | low

    def replied(self, identification):
        """An authenticated reply, whatever its code, brings the next nonce."""
        self._nonce = identification >> 32

    def mismatched(self, identification, now_ms):
        self._nonce = identification >> 32

    def saved(self, offset_ms):
        return {"nonce": self._nonce}

    def restore(self, value, offset_ms):
        self._nonce = value["nonce"]


class Beginning:
    """Since when a home agent knows what it let in: one for all its guards. 0: since ever."""

    def __init__(self):
        self.unix_ms = 0


class TimestampGuard:
    """The home agent's end: lets each timestamp in once, in order, near its own clock."""

    def __init__(self, random, beginning=None):
        self.last = 0  # the last identification that was let in
        self._apart_ms = self._ahead_ms = 0  # how far ahead of our clock: the one looked at, and that one
        self._beginning = beginning

    def lets_in(self, identification, unix_ms):
        """May this request's identification be believed?"""
        if self.last and not after(identification, self.last):
            return False
        seconds_apart = (identification - _ntp(unix_ms) + (ERA >> 1)) % ERA - (ERA >> 1)
        self._apart_ms = apart_ms = (seconds_apart * 1000) >> 32
        if self._beginning and unix_ms + apart_ms < self._beginning.unix_ms + self._ahead_ms:
            return False
        return -TIMESTAMP_TOLERANCE_MS <= apart_ms <= TIMESTAMP_TOLERANCE_MS

    def took(self, identification):
        """It was let in and acted upon: the identification of the reply."""
        self.last, self._ahead_ms = identification, self._apart_ms
        return identification

    def again(self, identification):
        """It came a second time and is answered as before: the identification of the reply."""
        return identification

    def mismatch(self, identification, unix_ms):
        """It was not let in: the identification of the reply 133."""
        return _ntp(unix_ms) & ~LOW | identification & LOW

    def saved(self):
        return [self.last, self._ahead_ms]

    def restore(self, value):
        self.last = value[0]
        self._ahead_ms = value[1] if len(value) > 1 else 0  # older ones do not say


class NonceGuard:
    """The home agent's end: lets a request in that repeats the nonce of the last reply.

    It needs no beginning: the nonce that was kept is not used again."""

    def __init__(self, random, beginning=None):
        self._random = random
        self.last = 0
        self._nonce = self._another()

    def _another(self):
        nonce = 0
        while nonce == 0:  # a source that knows none yet says 0
            nonce = int.from_bytes(self._random(4), "big")
        return nonce

    def lets_in(self, identification, unix_ms):
        return identification >> 32 == self._nonce

    def took(self, identification):
        self.last = identification
        while self._nonce == identification >> 32:
            self._nonce = self._another()
        return self.again(identification)

    def again(self, identification):
        return self._nonce << 32 | identification & LOW

    def mismatch(self, identification, unix_ms):
        return self.again(identification)

    def saved(self):
        return [self.last, self._nonce]

    def restore(self, value):
        """Another nonce than the saved one: that may have been used since, and who saw it used has a request
        that fits. The owner learns the new one from one reply 133."""
        self.last = value[0]
        while self._nonce == value[1]:
            self._nonce = self._another()


SOURCES = {"timestamps": TimestampSource, "nonces": NonceSource}
GUARDS = {"timestamps": TimestampGuard, "nonces": NonceGuard}
