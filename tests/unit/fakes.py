"""What the system room stands on, played by hand: a clock, a loop, and a socket with a script."""

EAGAIN, MSG_PEEK = 11, 2


class FakeClock:
    def __init__(self):
        self.ms = 1000

    def now_ms(self):
        return self.ms


class FakeLoop:
    """Remembers who watches what; the test calls them."""

    def __init__(self, clock=None):
        self.clock = clock or FakeClock()
        self.watched = {}
        self.timers = []
        self.begun = []
        self.time_left = True

    def now_ms(self):
        return self.clock.now_ms()

    def watch(self, sock, on_readable, on_writable=None):
        self.watched[id(sock)] = (on_readable, on_writable)

    def forget(self, sock):
        self.watched.pop(id(sock), None)

    def has_time(self):
        return self.time_left

    def again(self, go_on):
        self.begun.append(go_on)

    def go_on(self):
        """What the next turn begins with."""
        begun, self.begun = self.begun, []
        for go_on in begun:
            go_on()

    def add_timer(self, timer):
        self.timers.append(timer)

    def remove_timer(self, timer):
        self.timers.remove(timer)

    def readable(self, sock):
        self.watched[id(sock)][0]()

    def writable(self, sock):
        self.watched[id(sock)][1]()

    def waits_for_room(self, sock):
        return self.watched[id(sock)][1] is not None


class FakeSocket:
    """incoming: what recv gives next, an exception to raise, or nothing: EAGAIN. sent: what was sent."""

    def __init__(self):
        self.incoming = []
        self.sent = []
        self.full = False
        self.closed = False

    def setblocking(self, blocking):
        pass

    def _next(self):
        if not self.incoming:
            raise OSError(EAGAIN, "nothing")
        item = self.incoming.pop(0)
        if isinstance(item, Exception):
            raise item
        return item

    def recv(self, size, flags=0):
        if flags & MSG_PEEK and self.incoming and not isinstance(self.incoming[0], Exception):
            return self.incoming[0][:size]
        return self._next()[:size]

    def recv_into(self, buffer):
        data = self._next()
        buffer[: len(data)] = data
        return len(data)

    def send(self, data):
        if self.full:
            raise OSError(EAGAIN, "full")  # CPython makes it a BlockingIOError
        self.sent.append(bytes(data))
        return len(data)

    def close(self):
        self.closed = True


class Counts(dict):
    """A counter function that can be asked."""

    def __call__(self, name, by=1):
        self[name] = self.get(name, 0) + by
