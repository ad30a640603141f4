"""Whose messages are looked at by the key provider: limits before cryptography, each source's and in all.

    proven     a message from there was genuine not long ago: no more than its own limit
    unproven   its own limit, and that of all unproven ones together

What a genuine message took it gives back, so who has the keys is never limited, however many they are; what
is used up are false authenticators. Those of one source cannot silence another, and a flood from many
invented sources cannot silence who was served before. Both tables have a fixed size: a source that hashes to
a place that is taken begins anew there (so a forger of many gets more than one source's share, and never more
than that of all), and the proven ones are two generations, of which the elder is dropped as a whole.
"""

from ..limits import SOURCE_FALSE_PER_S, SOURCES, UNPROVEN_PER_S_MIN, UNPROVEN_SHARE


class Bucket:
    """So many at once, and as many a second again. In thousandths: slow rates lose nothing by rounding."""

    __slots__ = ("_at_ms", "_per_s", "_tokens")

    def __init__(self, per_s, now_ms):
        self._per_s, self._at_ms = per_s, now_ms
        self._tokens = per_s * 1000

    def take(self, now_ms):
        full = self._per_s * 1000
        self._tokens = min(full, self._tokens + (now_ms - self._at_ms) * self._per_s)
        self._at_ms = now_ms
        if self._tokens < 1000:
            return False
        self._tokens -= 1000
        return True

    def give_back(self):
        self._tokens = min(self._per_s * 1000, self._tokens + 1000)


class Sources:
    """Of one home agent that may have so many bindings."""

    def __init__(self, bindings_max, random):
        self._salt = int.from_bytes(random(4), "big") | 1
        self._buckets = [None] * SOURCES  # (address, Bucket)
        self._proven, self._proven_before = {}, {}
        self.configure(bindings_max)

    def configure(self, bindings_max):
        self._proven_max = max(SOURCES, bindings_max)
        self._all = Bucket(max(UNPROVEN_PER_S_MIN, bindings_max // UNPROVEN_SHARE), 0)

    def refusal(self, address, now_ms):
        """None if a message from there may be looked at; or the name of what forbids it."""
        bucket = self._bucket(address, now_ms)
        if not bucket.take(now_ms):
            return "source_limited"
        if self.is_proven(address) or self._all.take(now_ms):
            return None
        bucket.give_back()
        return "unproven_limited"

    def proved(self, address, now_ms):
        """What came from there was genuine."""
        self._bucket(address, now_ms).give_back()
        if self.is_proven(address):
            return
        self._all.give_back()
        if len(self._proven) >= self._proven_max:
            self._proven_before, self._proven = self._proven, {}
        self._proven[_number(address)] = True

    def is_proven(self, address):
        number = _number(address)
        if number in self._proven:
            return True
        if number in self._proven_before:
            self._proven[number] = True  # it is still about
            return True
        return False

    def _bucket(self, address, now_ms):
        place = (_number(address) * self._salt & 0xFFFFFFFF) >> 8
        place %= SOURCES
        found = self._buckets[place]
        if found is None or found[0] != address:
            found = self._buckets[place] = (address, Bucket(SOURCE_FALSE_PER_S, now_ms))
        return found[1]


def _number(address):
    return int.from_bytes(address, "big")
