"""A connection to one of the C processes (SOCK_SEQPACKET): made again when it is lost, never waited for.

    away --connected--> greeted --the other end said hello--> up --lost--> away

What cannot be sent now waits in a bounded queue; if that overflows, the other end is as good as dead: the
socket is closed, and what its owner does after the next connection repairs everything.
"""

from . import sockets

RETRY_MS = 20  # between attempts to connect at first: a restarted process is found at once
RETRY_SLOW_MS = 1000  # and after RETRY_QUICK attempts
RETRY_QUICK = 250

AWAY, GREETED, UP = "away", "greeted", "up"


class Connection:
    """`owner` has

    connected()          the first thing to do is to say hello
    packed(item)         the octets of something that was given to send(), at the time when it goes out
    arrived(datagram)    one datagram, as a memoryview that is good until it returns
    is_behind()          is there more of the last one to do, before another is read?
    lost(why, was_up)
    absent(why)          it has not been there for RETRY_QUICK attempts; said once
    room()               after wants_room(): there is room, and others had their turn
    """

    def __init__(self, loop, path, owner, queue_max, buffer_size):
        """queue_max: items; buffer_size: octets of the longest datagram."""
        self._loop = loop
        self._path = path
        self._owner = owner
        self._queue_max = queue_max
        self.state = AWAY
        self._socket = None
        self._queue = []
        self._wants_room = False
        self._buffer = bytearray(buffer_size)
        self._attempts = 0
        self._retry_ms = 0

    # -- Its life

    def deadline(self):
        return self._retry_ms if self.state == AWAY else None

    def late(self, now_ms):
        self._attempts += 1
        self._retry_ms = now_ms + (RETRY_MS if self._attempts < RETRY_QUICK else RETRY_SLOW_MS)
        try:
            self._socket = sockets.unix_connect(self._path, sockets.SOCK_SEQPACKET)
        except OSError as e:  # not there yet: the retry time says when to look again
            if self._attempts == RETRY_QUICK:
                self._owner.absent("%s: %s" % (self._path, e))
            return
        self.state = GREETED
        self._loop.watch(self._socket, self._readable)
        self._owner.connected()

    def greeted(self):
        """The other end is the one that was expected."""
        self.state = UP
        self._attempts = 0

    def drop(self, why):
        """The other end is not what it should be: begin anew."""
        self.close()
        self._queue, self._wants_room = [], False
        was_up = self.state == UP
        self.state = AWAY
        self._retry_ms = self._loop.now_ms() + RETRY_MS
        self._owner.lost(why, was_up)

    def close(self):
        if self._socket:
            self._loop.forget(self._socket)
            self._socket.close()
            self._socket = None

    # -- Out

    def send(self, item):
        """Send it now or when there is room; the connection may be lost by that."""
        if self._queue:
            self._enqueue(item)
            return
        try:
            self._socket.send(self._owner.packed(item))
        except OSError as e:
            if e.errno in (sockets.EAGAIN, sockets.ENOBUFS):
                self._loop.watch(self._socket, self._readable, self._writable)
                self._enqueue(item)
            else:
                self.drop(str(e))

    def is_full(self):
        """Does something wait?"""
        return bool(self._queue)

    def wants_room(self):
        """Call owner.room() when nothing waits any more, in another turn of the loop."""
        self._wants_room = True
        self._loop.watch(self._socket, self._readable, self._writable)

    def _enqueue(self, item):
        """What waits is packed when its turn comes."""
        if len(self._queue) >= self._queue_max:
            self.drop("takes no messages")
        else:
            self._queue.append(item)

    def _writable(self):
        sent = 0
        try:
            for item in self._queue:
                self._socket.send(self._owner.packed(item))
                sent += 1
        except OSError as e:
            if e.errno not in (sockets.EAGAIN, sockets.ENOBUFS):
                self.drop(str(e))
                return
        self._queue = self._queue[sent:]
        if self._wants_room and not self._queue:
            self._wants_room = False
            self._owner.room()
        if self._socket and not self._queue and not self._wants_room:
            self._loop.watch(self._socket, self._readable)

    # -- In

    def _readable(self):
        view = memoryview(self._buffer)
        while self._socket is not None and not self._owner.is_behind():
            try:
                size = sockets.receive_datagram_into(self._socket, self._buffer)
            except OSError as e:
                self.drop(str(e))
                return
            if size is sockets.WOULD_BLOCK:
                return
            if size == 0:
                self.drop("closed the connection")
                return
            self._owner.arrived(view[:size])
            if not self._loop.has_time():
                return
