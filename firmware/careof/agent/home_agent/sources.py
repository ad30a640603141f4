"""Whose messages are looked at by the key provider: limits before cryptography, each source's and in all.

    proven     a message from there was genuine not long ago: no more than its own limit
    unproven   its own limit, and that of all unproven ones together

What a genuine message took it gives back, so who has the keys is never limited, however many they are; what
is used up are false authenticators. Those of one source cannot silence another, and a flood from many
invented sources cannot silence who was served before. Both tables have a fixed size: a source that hashes to
a place that is taken begins anew there (so a forger of many gets more than one source's share, and never more
than that of all), and the proven ones are two generations, of which the elder is dropped as a whole.
"""

from ...limits import SOURCE_FALSE_PER_S, SOURCES, UNPROVEN_PER_S_MIN, UNPROVEN_SHARE


class Buckets:
    """So many at once each, and as many a second again. In thousandths: slow rates lose nothing by rounding.

    Numbers in lists that are made once: what lives shortly does not lie between what lives long.
    """

    def __init__(self, count, per_s):
        self._full, self._per_s = per_s * 1000, per_s
        self._tokens, self._at_ms = [self._full] * count, [0] * count

    def take(self, place, now_ms):
        tokens = self._tokens[place] + (now_ms - self._at_ms[place]) * self._per_s
        self._at_ms[place] = now_ms
        taken = tokens >= 1000
        self._tokens[place] = min(self._full, tokens) - (1000 if taken else 0)
        return taken

    def give_back(self, place):
        self._tokens[place] = min(self._full, self._tokens[place] + 1000)

    def fill(self, place, now_ms):
        self._tokens[place], self._at_ms[place] = self._full, now_ms


class Sources:
    """Of one home agent that may have so many bindings."""

    def __init__(self, bindings_max, random):
        self._salt = int.from_bytes(random(4), "big") | 1
        self._addresses, self._each = [0] * SOURCES, Buckets(SOURCES, SOURCE_FALSE_PER_S)
        self._proven, self._proven_before = {}, {}
        self.configure(bindings_max)

    def configure(self, bindings_max):
        self._proven_max = max(SOURCES, bindings_max)
        self._all = Buckets(1, max(UNPROVEN_PER_S_MIN, bindings_max // UNPROVEN_SHARE))

    def asks(self, address, now_ms):
        """(what forbids to look at a message from there, or None; is the source proven)"""
        number = _number(address)
        place = self._place(number, now_ms)
        if not self._each.take(place, now_ms):
            return "source_limited", False
        if self._is_proven(number):
            return None, True
        if self._all.take(0, now_ms):
            return None, False
        self._each.give_back(place)
        return "unproven_limited", False

    def proved(self, address, was_proven, now_ms):
        """What came from there was genuine. was_proven: as asks() said."""
        number = _number(address)
        self._each.give_back(self._place(number, now_ms))
        if was_proven:
            return
        self._all.give_back(0)
        if len(self._proven) >= self._proven_max:
            self._proven_before, self._proven = self._proven, {}
        self._proven[number] = True

    def _is_proven(self, number):
        if number in self._proven:
            return True
        if number in self._proven_before:
            self._proven[number] = True  # it is still about
            return True
        return False

    def _place(self, number, now_ms):
        place = ((number * self._salt & 0xFFFFFFFF) >> 8) % SOURCES
        if self._addresses[place] != number:
            self._addresses[place] = number
            self._each.fill(place, now_ms)
        return place


def _number(address):
    return int.from_bytes(address, "big")
