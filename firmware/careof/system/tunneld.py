"""careofd's end of the socket to careof-tunneld: what should be held there is kept here, and replayed.

    away --connected--> greeted --HelloBack--> up --lost--> away

After every HelloBack comes ReplayBegin and all that is held. ReplayEnd, which removes what was not held
again, follows at once if this is another tunneld than the one before it (it holds nothing worth keeping), or
if all roles have settled; else when settled() is called: tunneld goes on with what it had until then.

Nothing here blocks. What cannot be sent now waits in a bounded queue; if that overflows, tunneld is as
good as dead: the socket is closed, and the replay after the next connection repairs everything.
"""

from ..wire import tunneld as wire
from ..wire.reader import Malformed, printable
from . import sockets

RETRY_MS = 20  # between attempts to connect at first: a restarted tunneld is found at once
RETRY_SLOW_MS = 1000  # and after RETRY_QUICK attempts
RETRY_QUICK = 250
QUEUE_MAX = 8192  # messages; a replay of 1,000 bindings is about 6,000
REMEMBERED = 256  # messages whose failure can still be told from their number
BUFFER_SIZE = 8192  # tunneld hands up no signal longer than 4096 octets
TURN_MAX = 64  # messages read before others have their turn

AWAY, GREETED, UP = "away", "greeted", "up"


class TunneldClient:
    """deliver(message) gets every message that is not about the connection; changed(up, offloads) its state;
    refused(message, error, text) what tunneld could not do."""

    def __init__(self, loop, path, deliver, changed, refused, count):
        self._loop = loop
        self._path = path
        self._deliver = deliver
        self._changed = changed
        self._refused = refused
        self._count = count
        self.state = AWAY
        self._socket = None
        self._held = {}  # key -> Set... message
        self._settled = False
        self._epoch = None
        self._number = 0
        self._recent = [None] * REMEMBERED
        self._queue = []
        self._buffer = bytearray(BUFFER_SIZE)
        self._attempts = 0
        self._retry_ms = 0
        self._after_counters = []
        loop.add_timer(self)

    # -- What careofd wants

    def hold(self, key, message):
        """tunneld should hold this from now on, also after either was restarted."""
        if self._held.get(key) == message and not isinstance(message, wire.SetRoute):
            return  # a route is said again to renew its validity
        self._held[key] = message
        self._send(message)

    def release(self, key):
        message = self._held.pop(key, None)
        drop = wire.drop_of(message) if message is not None else None
        if drop is not None:
            self._send(drop)

    def send(self, message):
        """A message that is not state; lost if tunneld is away."""
        self._send(message)

    def settled(self):
        """All roles hold what they should: what tunneld holds beyond that may go."""
        if not self._settled:
            self._settled = True
            self._send(wire.ReplayEnd())

    def ask_counters(self, answer):
        """Call answer({name: count}), or answer(None) if tunneld is away."""
        if self.state != UP:
            answer(None)
            return
        self._after_counters.append(answer)
        self._send(wire.AskCounters())

    def close(self):
        self._loop.remove_timer(self)
        if self._socket:
            self._loop.forget(self._socket)
            self._socket.close()
            self._socket = None

    # -- The connection

    def deadline(self):
        return self._retry_ms if self.state == AWAY else None

    def late(self, now_ms):
        self._attempts += 1
        self._retry_ms = now_ms + (RETRY_MS if self._attempts < RETRY_QUICK else RETRY_SLOW_MS)
        try:
            self._socket = sockets.unix_connect(self._path, sockets.SOCK_SEQPACKET)
        except OSError:
            return  # not there yet: the retry time says when to look again
        self.state = GREETED
        self._loop.watch(self._socket, self._readable)
        self._transmit(wire.Hello(wire.VERSION))

    def _greeted(self, message):
        if message.version != wire.VERSION:
            self._lost("speaks version %d, expected %d" % (message.version, wire.VERSION))
            return
        another = self._epoch is not None and message.epoch != self._epoch
        self._epoch = message.epoch
        self.state = UP
        self._attempts = 0
        self._send(wire.ReplayBegin())
        for held in sorted(self._held.values(), key=wire.rank):
            self._send(held)
        if another or self._settled:
            self._send(wire.ReplayEnd())
        if self.state == UP:  # it may be gone again already
            self._changed(True, message.offloads)

    def _lost(self, why):
        if self._socket:
            self._loop.forget(self._socket)
            self._socket.close()
        self._socket, self._queue = None, []
        was_up = self.state == UP
        self.state = AWAY
        self._retry_ms = self._loop.now_ms() + RETRY_MS
        self._count("tunneld_lost")
        for answer in self._after_counters:
            answer(None)
        self._after_counters = []
        if was_up:
            self._changed(False, why)

    def _send(self, message):
        if self.state == UP:
            self._transmit(message)

    def _transmit(self, message):
        if self._queue:
            self._enqueue(message)
            return
        try:
            self._put(message)
        except OSError as e:
            if e.errno in (sockets.EAGAIN, sockets.ENOBUFS):
                self._loop.watch(self._socket, self._readable, self._writable)
                self._enqueue(message)
            else:
                self._lost(str(e))

    def _put(self, message):
        """Onto the socket. Raises OSError: then it was not sent."""
        number = (self._number + 1) & 0xFFFFFFFF
        self._socket.send(wire.pack(message, number))
        self._number = number
        self._recent[number % REMEMBERED] = (number, message)

    def _enqueue(self, message):
        """What waits is packed when its turn comes: most of it is held here anyway."""
        if len(self._queue) >= QUEUE_MAX:
            self._lost("takes no messages")
        else:
            self._queue.append(message)

    def _writable(self):
        sent = 0
        try:
            for message in self._queue:
                self._put(message)
                sent += 1
        except OSError as e:
            if e.errno not in (sockets.EAGAIN, sockets.ENOBUFS):
                self._lost(str(e))
                return
        self._queue = self._queue[sent:]
        if not self._queue:
            self._loop.watch(self._socket, self._readable)

    def _readable(self):
        view = memoryview(self._buffer)
        for _ in range(TURN_MAX):
            if self._socket is None:
                return
            try:
                size = sockets.receive_into(self._socket, self._buffer)
            except OSError as e:
                self._lost(str(e))
                return
            if size is sockets.WOULD_BLOCK:
                return
            if size == 0:
                self._lost("closed the connection")
                return
            try:
                message, _ = wire.unpack(view[:size])
            except Malformed:
                self._count("tunneld_malformed")
                continue
            self._take(message)

    def _take(self, message):
        if isinstance(message, wire.HelloBack):
            if self.state == GREETED:
                self._greeted(message)
        elif isinstance(message, wire.Done):
            if message.error:
                number, about = self._recent[message.of_number % REMEMBERED] or (None, None)
                about = about if number == message.of_number else None
                self._refused(about, message.error, printable(message.text))
        elif isinstance(message, wire.Counters):
            self._counted(message)
        else:
            self._deliver(message)

    def _counted(self, message):
        try:
            counters = wire.counters(message.values)
        except Malformed:
            self._count("tunneld_malformed")
            counters = None
        if self._after_counters:
            self._after_counters.pop(0)(counters)
