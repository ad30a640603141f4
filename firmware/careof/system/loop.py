"""The event loop: sockets that can be read or written, one fold over all deadlines, and nothing else.

One input is drained with everything that it causes before the next is looked at. A socket has one turn
a round, so that none starves another; whoever reads it goes on while the turn has time, and takes one
datagram in any case. What nobody had time for waits in the kernel; what was taken from there and not done,
comes first in the next turn: what was begun is finished before more is begun.
"""

import select

from ..limits import TURN_WORK_MS
from .sockets import MICROPYTHON

READ, WRITE = 1, 4  # POLLIN, POLLOUT: the same on Linux everywhere
WAIT_MAX_MS = 3600000  # so that MicroPython's ticks are looked at long before they wrap


class Loop:
    """`clock.now_ms()` is the only time there is here."""

    def __init__(self, clock):
        self._clock = clock
        self._poll = select.poll()
        self._watched = {}  # what poll() names a socket by -> (socket, on_readable, on_writable)
        self._timers = []  # objects with deadline() -> ms or None, and late(now_ms)
        self._again = []  # what the next turn begins with
        self._ends_ms = 0  # when this turn has worked for long enough
        self._running = False
        self.longest_pause_ms = 0  # the longest time from waking to waiting again

    def now_ms(self):
        return self._clock.now_ms()

    def watch(self, sock, on_readable, on_writable=None):
        """Call on_readable() when there is something to read or an end; on_writable() when there is room."""
        events = READ | (WRITE if on_writable else 0)
        self._watched[_name(sock)] = (sock, on_readable, on_writable)
        self._poll.register(sock, events)

    def forget(self, sock):
        """Stop watching; harmless if it was not watched."""
        if self._watched.pop(_name(sock), None):
            self._poll.unregister(sock)

    def has_time(self):
        """May there be more work in this turn?"""
        return self.now_ms() < self._ends_ms

    def again(self, go_on):
        """Call go_on() at the beginning of the next turn, before anything else."""
        self._again.append(go_on)

    def add_timer(self, timer):
        self._timers.append(timer)

    def remove_timer(self, timer):
        self._timers.remove(timer)

    def stop(self):
        self._running = False

    def run(self):
        """Run until stop()."""
        self._running = True
        while self._running:
            self.turn()

    def turn(self, wait_max_ms=WAIT_MAX_MS):
        """Wait for the next event or deadline, and handle all that is due."""
        again, self._again = self._again, []
        ready = self._poll.poll(0 if again else self._wait_ms(wait_max_ms))
        woke_ms = self.now_ms()
        self._ends_ms = woke_ms + TURN_WORK_MS
        for go_on in again:
            go_on()
        for name, events in ready:
            watched = self._watched.get(name if isinstance(name, int) else _name(name))
            if watched is None:
                continue  # forgotten by what was handled before it in this turn
            _, on_readable, on_writable = watched
            if events & WRITE and on_writable:
                on_writable()
            if events & ~WRITE:
                on_readable()
        for timer in tuple(self._timers):
            now_ms = self.now_ms()
            deadline_ms = timer.deadline()
            if deadline_ms is not None and deadline_ms <= now_ms:
                timer.late(now_ms)
        self.longest_pause_ms = max(self.longest_pause_ms, self.now_ms() - woke_ms)

    def _wait_ms(self, wait_ms):
        now_ms = self.now_ms()
        for timer in self._timers:
            deadline_ms = timer.deadline()
            if deadline_ms is not None:
                wait_ms = min(wait_ms, max(deadline_ms - now_ms, 0))
        return wait_ms


def _name(sock):
    return id(sock) if MICROPYTHON else sock.fileno()
