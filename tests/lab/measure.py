"""Interruption, loss and duplication around a moment, from the lines that fping prints.

    [1795485504.57794] 10.78.0.2 : [17], 64 bytes, 20.7 ms (20.7 avg, 0% loss)    answered, at this time
    [1795485507.84272] 10.78.0.2 : [28], timed out (24.0 avg, 0% loss)            not answered in time

A second answer to the same number is a duplicate. When a number was sent follows from its answer's time
and round trip; for one without an answer, from its neighbours' (they leave at an even interval).

    gap            the longest time from one answer to the next
    interruption   the gap, less the interval at which they are sent, and less what the way has become longer
                   (round trip before, and at the end): what the move cost, not the network's distance.
                   A packet that was held and came late counts here, and not as lost.
    lost           numbers sent in that time and never answered
    duplicated     answers in that time to a number that had one already
"""

import bisect
import itertools
import re
import statistics
from collections import namedtuple

INTERVAL_MS = 10  # at which fping sends
SETTLED_S = 0.5  # the round trip before and at the end is the median of so long

Answer = namedtuple("Answer", "at number round_trip_ms again")  # at: Unix time; again: it had one already
Measured = namedtuple("Measured", "interruption_ms gap_ms lost duplicated")

_LINE = re.compile(r"\[(\d+\.\d+)\] \S+ : \[(\d+)\], \d+ bytes, ([\d.]+) ms")


class Answers:
    """All answers of one fping, as they come."""

    def __init__(self):
        self.all = []
        self._sent = {}  # number -> when it was sent
        self._first = 0  # number of this fping's first

    def line(self, text):
        """One line of fping; the Answer that it tells of, or None."""
        match = _LINE.match(text)
        if not match:
            return None
        at, number, round_trip_ms = float(match[1]), self._first + int(match[2]), float(match[3])
        answer = Answer(at, number, round_trip_ms, number in self._sent)
        self._sent.setdefault(number, at - round_trip_ms / 1000)
        self.all.append(answer)
        return answer

    def next_series(self):
        """Another fping begins: its numbers go on behind those that were seen."""
        self._first = max(self._sent, default=-1) + 1

    def last_at(self):
        """When the last answer came, or 0."""
        return self.all[-1].at if self.all else 0

    def around(self, begin, end):
        """What happened to packets sent from `begin` to `end` (Unix times, the end as well in the past)."""
        arrivals = [answer.at for answer in self.all if begin <= answer.at <= end]
        before = [answer.at for answer in self.all if answer.at < begin][-1:]
        edges = [*(before or [begin]), *arrivals, end]
        gap_s = max((later - earlier for earlier, later in itertools.pairwise(edges)), default=0)
        longer_ms = max(0, self._round_trip_ms(end) - self._round_trip_ms(begin))
        return Measured(
            max(0, round(gap_s * 1000 - INTERVAL_MS - longer_ms)),
            round(gap_s * 1000),
            len(self._missing(begin, end)),
            sum(answer.again and begin <= answer.at <= end for answer in self.all),
        )

    def _round_trip_ms(self, until):
        """What was usual just before a moment; 0 where nothing was answered."""
        trips = [answer.round_trip_ms for answer in self.all if until - SETTLED_S < answer.at <= until]
        return statistics.median(trips) if trips else 0

    def _missing(self, begin, end):
        numbers = sorted(self._sent)
        missing = []
        for earlier, later in itertools.pairwise(numbers):
            for number in range(earlier + 1, later):
                share = (number - earlier) / (later - earlier)
                sent = self._sent[earlier] + share * (self._sent[later] - self._sent[earlier])
                if begin <= sent <= end:
                    missing.append(number)
        return missing


def per_slot(samples, begin, end, slot_s):
    """[(time, sum)] of samples [(time, value)] in slots from begin to end: a rate to draw."""
    edges = [begin + i * slot_s for i in range(int((end - begin) / slot_s) + 1)]
    sums = [0] * len(edges)
    for at, value in samples:
        if begin <= at < edges[-1] + slot_s:
            sums[bisect.bisect_right(edges, at) - 1] += value
    return list(zip(edges, sums, strict=True))
