"""careofd's end of the socket to tunneld, against a tunneld that is played by hand."""

from careof.system import connection, sockets
from careof.system import tunneld as client
from careof.wire import tunneld as wire
from careof.wire.messages import split
from fakes import Counts, FakeLoop, FakeSocket

ROUTE = wire.SetRoute(bytes(4), 0, bytes(4), 0, wire.GATE_OPEN, 60, (1,))
PATH = wire.SetPath(1, 1400, 0, (1,))
UPLINK = wire.SetUplink(1, "wan", bytes(4), 434)


class World:
    def __init__(self):
        self.loop, self.counts = FakeLoop(), Counts()
        self.delivered, self.changes, self.refusals = [], [], []
        self.there = True
        self.connects = 0
        self._real = sockets.unix_connect
        sockets.unix_connect = self._connect
        self.client = client.TunneldClient(
            self.loop,
            "/run/tunneld.sock",
            self.delivered.append,
            lambda up, detail: self.changes.append((up, detail)),
            lambda *refusal: self.refusals.append(refusal),
            self.counts,
        )

    def _connect(self, path, kind):
        self.connects += 1
        if not self.there:
            raise OSError(2, "not there")
        self.socket = FakeSocket()
        return self.socket

    def close(self):
        sockets.unix_connect = self._real

    def tick(self, ms=0):
        self.loop.clock.ms += ms
        deadline_ms = self.client.deadline()
        if deadline_ms is not None and deadline_ms <= self.loop.clock.ms:
            self.client.late(self.loop.clock.ms)

    def say(self, *messages):
        """What tunneld says, all at once."""
        self.socket.incoming += [wire.pack(message, 1) for message in messages]
        self.loop.readable(self.socket)

    def greet(self, epoch=7):
        self.tick()
        self.say(wire.HelloBack(wire.VERSION, epoch, 15))

    def end_turn(self):
        if self.client.deadline() == 0:
            self.client.late(self.loop.clock.ms)

    def sent(self):
        """The messages that were sent since the last look."""
        self.end_turn()
        found = []
        for datagram in self.socket.sent:
            found += [wire.unpack(message)[0] for message in split(datagram, "tunneld message")]
        self.socket.sent = []
        return found


def told(test):
    """Run a test in a world of its own."""

    def run():
        world = World()
        try:
            test(world)
        finally:
            world.close()

    return run


@told
def test_it_says_hello_and_replays_in_the_order_of_reference(world):
    world.client.hold("route", ROUTE)
    world.client.hold("path", PATH)
    world.client.hold("uplink", UPLINK)
    world.greet()
    assert world.sent() == [wire.Hello(wire.VERSION), wire.ReplayBegin(), UPLINK, PATH, ROUTE]
    assert world.changes == [(True, 15)]
    world.client.settled()
    world.client.settled()
    assert world.sent() == [wire.ReplayEnd()]


@told
def test_what_is_held_changes_is_said_and_what_is_not_is_not(world):
    world.greet()
    world.sent()
    world.client.hold("path", PATH)
    world.client.hold("path", PATH)
    assert world.sent() == [PATH]
    world.client.hold("route", ROUTE)
    world.client.hold("route", ROUTE)
    assert world.sent() == [ROUTE, ROUTE]  # a route is renewed by being said again
    world.client.release("path")
    world.client.release("path")
    assert world.sent() == [wire.DropPath(1)]


@told
def test_another_tunneld_gets_everything_at_once(world):
    world.greet(epoch=7)
    world.client.hold("path", PATH)
    world.socket.incoming.append(b"")
    world.loop.readable(world.socket)
    assert world.changes[-1][0] is False and world.client.state == connection.AWAY
    world.tick(connection.RETRY_MS)
    world.say(wire.HelloBack(wire.VERSION, 8, 15))
    assert world.sent() == [wire.Hello(wire.VERSION), wire.ReplayBegin(), PATH, wire.ReplayEnd()]
    assert [up for up, _ in world.changes] == [True, False, True]


@told
def test_it_looks_again_quickly_and_later_slowly(world):
    world.there = False
    for _ in range(connection.RETRY_QUICK):
        world.tick(connection.RETRY_MS)
    assert world.connects == connection.RETRY_QUICK
    world.tick(connection.RETRY_MS)
    assert world.connects == connection.RETRY_QUICK
    [(up, why)] = world.changes
    assert not up and why.startswith("/run/tunneld.sock: ") and "not there" in why
    for _ in range(3):
        world.tick(connection.RETRY_SLOW_MS)
    assert len(world.changes) == 1  # said once
    world.there = True
    world.tick(connection.RETRY_SLOW_MS)
    assert world.client.state == client.GREETED


@told
def test_another_version_is_not_spoken_with(world):
    world.tick()
    world.say(wire.HelloBack(wire.VERSION + 1, 7, 0))
    assert world.client.state == connection.AWAY and world.changes == []


@told
def test_what_tunneld_refused_is_told_with_its_message(world):
    world.greet()
    world.client.hold("uplink", UPLINK)
    world.end_turn()
    number = wire.unpack(split(world.socket.sent[-1], "tunneld message")[-1])[1]
    world.say(wire.Done(number, 19, b"wan: \xff No such device"))
    assert world.refusals == [(UPLINK, 19, "wan: ? No such device")]
    world.say(wire.Done(number + 1000, 5, b"?"))
    assert world.refusals[-1][0] is None


@told
def test_rubbish_is_counted_and_what_follows_is_heard(world):
    world.greet()
    world.socket.incoming += [b"\xff", b"\0\x31" + bytes(6), b"x" * 5000]
    world.say(wire.Answered(5))
    assert world.counts["tunneld_malformed"] == 3 and world.delivered == [wire.Answered(5)]


@told
def test_who_waits_for_all_that_was_told_is_called_behind_what_was_refused(world):
    calls = []
    world.client.after_all(lambda: calls.append("away"))
    assert calls == ["away"]
    world.greet()
    world.client.hold("uplink", UPLINK)
    for name in ("one", "two"):
        world.client.after_all(lambda name=name: calls.append((name, len(world.refusals))))
    assert world.sent()[-2:] == [UPLINK, wire.AskCounters()]  # one question for all of a turn
    number = world.client._number - 1
    world.say(wire.Done(number, 19, b"no"), wire.Counters(bytes(8 * len(wire.COUNTERS))))
    assert calls[1:] == [("one", 1), ("two", 1)] and world.refusals[0][0] == UPLINK
    world.client.after_all(lambda: calls.append("nothing to say"))
    assert world.sent() == [wire.AskCounters()]
    world.client.after_all(lambda: calls.append("in this turn"))
    world.socket.incoming.append(OSError(104, "reset"))
    world.loop.readable(world.socket)
    assert calls[3:] == ["nothing to say", "in this turn"]  # nobody waits for who is gone


@told
def test_counters_and_waits_are_answered_in_their_order(world):
    world.greet()
    answers = []
    world.client.after_all(lambda: answers.append("all"))
    world.end_turn()
    world.client.ask_counters(answers.append)
    world.end_turn()
    world.say(wire.Counters(bytes(8 * len(wire.COUNTERS))))
    assert answers == ["all"]
    world.say(wire.Counters(bytes(8 * len(wire.COUNTERS))))
    assert answers[1]["out_packets"] == 0


@told
def test_counters_are_answered_or_not_at_all(world):
    answers = []
    world.client.ask_counters(answers.append)
    assert answers == [None]
    world.greet()
    for _ in range(3):
        world.client.ask_counters(answers.append)
    world.say(wire.Counters(bytes(8 * len(wire.COUNTERS))))
    assert answers[1]["out_packets"] == 0
    world.say(wire.Counters(b"short"))
    assert answers[2] is None and world.counts["tunneld_malformed"] == 1
    world.socket.incoming.append(OSError(104, "reset"))
    world.loop.readable(world.socket)
    assert answers[3] is None


@told
def test_what_cannot_be_sent_waits_in_order(world):
    world.greet()
    world.sent()
    world.socket.full = True
    world.client.hold("path", PATH)
    world.client.hold("route", ROUTE)
    assert world.sent() == [] and world.loop.waits_for_room(world.socket)
    world.socket.full = False
    world.client.send(wire.SendInner(1, b"x"))
    assert world.sent() == []  # behind those before it
    world.loop.writable(world.socket)
    assert world.sent() == [PATH, ROUTE, wire.SendInner(1, b"x")]
    assert not world.loop.waits_for_room(world.socket)


@told
def test_a_tunneld_that_takes_nothing_is_hung_up_on(world):
    world.greet()
    world.socket.full = True
    before, client.BATCH_SIZE = client.BATCH_SIZE, 1  # each alone
    try:
        for _ in range(client.QUEUE_MAX + 2):
            world.client.send(wire.SendInner(1, b"x"))
    finally:
        client.BATCH_SIZE = before
    assert world.socket.closed and world.client.state == connection.AWAY


@told
def test_one_turn_is_bounded_by_its_time(world):
    world.greet()
    world.loop.time_left = False
    world.say(*[wire.Answered(number) for number in range(10)])
    assert len(world.delivered) == 1
    world.loop.readable(world.socket)
    assert len(world.delivered) == 2
    world.loop.time_left = True
    world.loop.readable(world.socket)
    assert len(world.delivered) == 10


def tunnel(number):
    return wire.SetTunnel(number, wire.KIND_IPIP, 1, bytes((203, 0, number >> 8, number & 255)), 0, 0, 0)


@told
def test_a_long_replay_lets_others_pass_and_says_what_is_held_by_then(world):
    count = 3 * client.REPLAY_TURN
    for number in range(count):
        world.client.hold(number, tunnel(number))
    world.client.hold("uplink", UPLINK)
    world.greet()
    first = world.sent()
    assert len(first) == 2 + client.REPLAY_TURN and first[2] == UPLINK  # behind Hello and ReplayBegin
    world.client.settled()
    signal = wire.SendSignal(1, bytes(4), 434, b"reply")
    world.client.send(signal)
    world.client.release(count - 1)
    changed = wire.SetTunnel(count - 2, wire.KIND_GRE, 1, bytes(4), 0, 0, 0)
    world.client.hold(count - 2, changed)
    assert world.sent()[0] == signal  # at once, and no end of the replay yet
    rest = []
    while world.loop.waits_for_room(world.socket):
        world.loop.writable(world.socket)
        rest += world.sent()
    assert rest[-1] == wire.ReplayEnd() and rest.count(wire.ReplayEnd()) == 1
    assert changed in rest and tunnel(count - 2) not in rest and tunnel(count - 1) not in rest
    assert {m for m in first + rest if isinstance(m, wire.SetTunnel)} == {
        tunnel(n) for n in range(count - 2)
    } | {changed}


@told
def test_a_replay_waits_for_room_and_ends_with_the_connection(world):
    for number in range(2 * client.REPLAY_TURN):
        world.client.hold(number, tunnel(number))
    world.greet()
    world.sent()
    world.socket.full = True
    world.loop.writable(world.socket)
    assert world.sent() == []
    world.socket.full = False
    while world.loop.waits_for_room(world.socket):
        world.loop.writable(world.socket)
    assert len(world.sent()) == client.REPLAY_TURN
    world.client.hold("more", tunnel(9999))
    assert world.sent() == [tunnel(9999)]
    world.socket.incoming.append(b"")
    world.loop.readable(world.socket)
    world.tick(1000)
    world.greet()
    assert len(world.sent()) == 2 + client.REPLAY_TURN


@told
def test_messages_of_one_turn_leave_together_and_long_ones_alone(world):
    world.greet()
    world.sent()
    for _ in range(3):
        world.client.send(wire.SendInner(1, b"x"))
    assert world.socket.sent == [] and world.client.deadline() == 0
    world.client.late(world.loop.clock.ms)
    assert len(world.socket.sent) == 1 and len(world.sent()) == 3
    for size in (3000, 3000, client.BATCH_SIZE + 1, 10):
        world.client.send(wire.SendInner(1, bytes(size)))
    world.client.late(world.loop.clock.ms)
    assert [len(datagram) < client.BATCH_SIZE for datagram in world.socket.sent] == [True, True, False, True]
    assert len(world.sent()) == 4


if __name__ == "__main__":
    from runner import main

    main(globals())
