"""Time as careofd sees it: a monotonic clock in ms that does not wrap, and the offset to Unix time."""

import time

STEP_MS = 50  # a wall clock that moves by less against the monotonic one is only being slewed

if hasattr(time, "ticks_ms"):

    class Clock:
        """MicroPython: time.ticks_ms() wraps around, on a 32-bit port after 12 days."""

        def __init__(self):
            self._ticks = time.ticks_ms()
            self._ms = 0

        def now_ms(self):
            """Milliseconds since this clock was made. Call it at least once a wrap-around."""
            ticks = time.ticks_ms()
            self._ms += time.ticks_diff(ticks, self._ticks)
            self._ticks = ticks
            return self._ms

else:

    class Clock:  # type: ignore[no-redef]
        """CPython: time.monotonic_ns()."""

        def __init__(self):
            self._start_ns = time.monotonic_ns()

        def now_ms(self):
            """Milliseconds since this clock was made."""
            return (time.monotonic_ns() - self._start_ns) // 1000000


class WallClock:
    """Watches for steps of the wall clock."""

    def __init__(self, clock):
        self._clock = clock
        self.offset_ms = self._measure()

    def _measure(self):
        return time.time_ns() // 1000000 - self._clock.now_ms()

    def stepped(self):
        """Has the wall clock been set since the last call? offset_ms is right afterwards."""
        offset_ms = self._measure()
        if abs(offset_ms - self.offset_ms) < STEP_MS:
            return False
        self.offset_ms = offset_ms
        return True
