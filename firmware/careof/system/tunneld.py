"""careofd's end of the socket to careof-tunneld: what should be held there is kept here, and replayed.

After every HelloBack comes ReplayBegin and all that is held, a few messages at a time: what changes
meanwhile, and answers to registrations, need not wait for it. ReplayEnd, which removes what was not held
again, follows if this is another tunneld than the one before it (it holds nothing worth keeping), or if all
roles have settled; else when settled() is called: tunneld goes on with what it had until then.

Messages of one turn of the loop leave together, several in a datagram: a registration makes a few, and a
system call each would cost more than all the rest. What tunneld does not take waits in the connection's
queue; if that overflows, the replay after the next connection repairs everything.
"""

from ..wire import tunneld as wire
from ..wire.reader import Malformed, printable
from .connection import GREETED, UP, Connection
from .sockets import MICROPYTHON

QUEUE_MAX = 2048  # datagrams that wait for room; what is held is not among them, but for its changes
BATCH_SIZE = 4096  # octets of a datagram of several messages; a longer one goes alone
REPLAY_TURN = 128  # messages of a replay, before others have their turn
REMEMBERED = 256  # messages whose failure can still be told from their number
BUFFER_SIZE = 8192  # tunneld hands up no signal longer than 4096 octets


if MICROPYTHON:

    def _spread(key):
        """MicroPython hashes the octets of one network's addresses to few values; their numbers spread."""
        if not isinstance(key, tuple):
            return key
        return tuple([int.from_bytes(part, "big") if isinstance(part, bytes) else part for part in key])

else:

    def _spread(key):
        return key


def _answer(waiting, counters):
    if isinstance(waiting, list):
        for call in waiting:
            call()
    else:
        waiting(counters)


class TunneldClient:
    """deliver(message) gets every message that is not about the connection; changed(up, offloads) its state;
    refused(message, error, text) what tunneld could not do."""

    def __init__(self, loop, path, deliver, changed, refused, count):
        self._loop = loop
        self._deliver = deliver
        self._changed = changed
        self._refused = refused
        self._count = count
        self._connection = Connection(loop, path, self, QUEUE_MAX, BUFFER_SIZE)
        self._held = {}  # key -> Set... message
        self._settled = False
        self._replay, self._ends = None, False  # an iterator over keys, or None; does ReplayEnd follow?
        self._epoch = None
        self._number = 0
        self._batch, self._batch_size = [], 0  # packed messages of this turn
        self._recent = [None] * REMEMBERED
        self._after_counters = []  # who waits for Counters: an answer(), or a list of calls of after_all()
        self._after_all = []  # of this turn
        loop.add_timer(self)

    @property
    def state(self):
        """away, greeted or up"""
        return self._connection.state

    # -- What careofd wants

    def hold(self, key, message):
        """tunneld should hold this from now on, also after either was restarted."""
        key = _spread(key)
        if self._held.get(key) == message and not isinstance(message, wire.SetRoute):
            return  # a route is said again to renew its validity
        self._held[key] = message
        self._send(message)

    def release(self, key):
        message = self._held.pop(_spread(key), None)
        drop = wire.drop_of(message) if message is not None else None
        if drop is not None:
            self._send(drop)

    def send(self, message):
        """A message that is not state; lost if tunneld is away."""
        self._send(message)

    def settled(self):
        """All roles hold what they should: what tunneld holds beyond that may go."""
        if not self._settled:
            self._settled = self._ends = True
            if self._replay is None:
                self._send(wire.ReplayEnd())

    def ask_counters(self, answer):
        """Call answer({name: count}), or answer(None) if tunneld is away."""
        if self.state != UP:
            answer(None)
            return
        self._after_counters.append(answer)
        self._send(wire.AskCounters())

    def after_all(self, call):
        """Call call() when tunneld has done, or refused, all that it was told so far: it answers in order. At
        once if it is away. One question serves all of a turn."""
        if self.state != UP:
            call()
        else:
            self._after_all.append(call)

    def close(self):
        self._loop.remove_timer(self)
        self._connection.close()

    # -- The connection

    def deadline(self):
        return 0 if self._batch or self._after_all else self._connection.deadline()

    def late(self, now_ms):
        if self._batch or self._after_all:
            self._flush()
        elif self._connection.deadline() is not None:
            self._connection.late(now_ms)

    def connected(self):
        self._connection.send(self._packed(wire.Hello(wire.VERSION)))

    def lost(self, why, was_up):
        self._replay = None
        self._batch, self._batch_size = [], 0
        self._count("tunneld_lost")
        waiting, self._after_counters = self._after_counters + [self._after_all], []
        self._after_all = []
        for answer in waiting:
            _answer(answer, None)
        if was_up:
            self._changed(False, why)

    def absent(self, why):
        self._changed(False, why)

    def packed(self, datagram):
        return datagram

    def _packed(self, message):
        self._number = (self._number + 1) & 0xFFFFFFFF
        self._recent[self._number % REMEMBERED] = (self._number, message)
        return wire.pack(message, self._number)

    def _send(self, message):
        if self.state != UP:
            return
        octets = self._packed(message)
        if self._batch_size + len(octets) > BATCH_SIZE:
            self._flush()
        self._batch.append(octets)
        self._batch_size += len(octets)

    def _flush(self):
        if self._after_all and self.state == UP:
            self._batch.append(self._packed(wire.AskCounters()))
            self._after_counters.append(self._after_all)
            self._after_all = []
        batch, self._batch, self._batch_size = self._batch, [], 0
        if batch and self.state == UP:
            self._connection.send(b"".join(batch))

    def _greeted(self, message):
        if message.version != wire.VERSION:
            self._connection.drop("speaks version %d, expected %d" % (message.version, wire.VERSION))
            return
        another = self._epoch is not None and message.epoch != self._epoch
        self._epoch = message.epoch
        self._connection.greeted()
        self._send(wire.ReplayBegin())
        self._replay, self._ends = iter(self._in_order()), another or self._settled
        self.room()
        if self.state == UP:  # it may be gone again already
            self._changed(True, message.offloads)

    def _in_order(self):
        """The keys of all that is held, each after those that its message refers to."""
        of_type, ranks = {}, {}
        for key, message in self._held.items():
            keys = of_type.get(type(message))
            if keys is None:
                keys = of_type[type(message)] = ranks.setdefault(wire.rank(message), [])
            keys.append(key)
        return [key for rank in sorted(ranks) for key in ranks[rank]]

    def room(self):
        """Say some more of what is held, as it is by now."""
        for _ in range(REPLAY_TURN):
            if self.state != UP or self._connection.is_full():
                break
            key = next(self._replay, None)
            if key is None:
                self._replay = None
                if self._ends:
                    self._send(wire.ReplayEnd())
                return
            message = self._held.get(key)
            if message is not None:
                self._send(message)
        if self.state == UP:
            self._connection.wants_room()

    def is_behind(self):
        return False  # a datagram has one message

    def arrived(self, datagram):
        try:
            message, _ = wire.unpack(datagram)
        except Malformed:
            self._count("tunneld_malformed")
            return
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
        if self._after_counters and isinstance(self._after_counters[0], list):
            _answer(self._after_counters.pop(0), None)
            return
        try:
            counters = wire.counters(message.values)
        except Malformed:
            self._count("tunneld_malformed")
            counters = None
        if self._after_counters:
            self._after_counters.pop(0)(counters)
