"""careofd's end of the socket to keyd, against a keyd that is played by hand."""

from careof.crypt import HandedKeys
from careof.limits import KEYD_QUESTIONS_MAX, QUESTION_FORGOTTEN_MS
from careof.system import again, connection, kept, keyd, sockets
from careof.wire import keyd as wire
from fakes import Counts, FakeLoop, FakeSocket

KEY = bytes(range(16))


class World:
    def __init__(self):
        self.loop, self.counts = FakeLoop(), Counts()
        self.changes, self.troubles = [], []
        self._real = sockets.unix_connect
        sockets.unix_connect = self._connect
        self.client = keyd.KeydClient(
            self.loop,
            "/run/keyd.sock",
            lambda up, text: self.changes.append((up, text)),
            self.troubles.append,
            self.counts,
        )

    def _connect(self, path, kind):
        self.socket = FakeSocket()
        self.numbers = {}
        return self.socket

    def close(self):
        sockets.unix_connect = self._real

    def tick(self, ms=0):
        self.loop.clock.ms += ms
        for _ in range(2):  # connecting, and what that says
            deadline_ms = self.client.deadline()
            if deadline_ms is not None and deadline_ms <= self.loop.clock.ms:
                self.client.late(self.loop.clock.ms)

    def retry(self):
        """What was refused, if it is time."""
        for timer in self.loop.timers:
            if isinstance(timer, again.Again) and timer.deadline() <= self.loop.clock.ms:
                timer.late(self.loop.clock.ms)

    def say(self, *messages):
        """What keyd says, all in one datagram."""
        self.socket.incoming.append(b"".join([wire.pack(message, 1) for message in messages]))
        self.loop.readable(self.socket)

    def greet(self, epoch=7):
        self.tick(connection.RETRY_MS)
        assert self.sent() == [wire.Hello(wire.VERSION)]
        self.say(wire.HelloBack(wire.VERSION, epoch, 3))

    def sent(self):
        """The messages that were sent since the last look; their numbers are in `numbers`."""
        self.tick()
        found = []
        for datagram in self.socket.sent:
            assert len(datagram) <= wire.DATAGRAM_SIZE_MAX
            for message, number in wire.messages(datagram):
                found.append(message)
                self.numbers[message] = number
        self.socket.sent = []
        return found

    def die(self):
        self.socket.incoming.append(b"")
        self.loop.readable(self.socket)


def told(test):
    """Run a test in a world of its own."""

    def run():
        world = World()
        try:
            test(world)
        finally:
            world.close()

    return run


def handed(*names):
    keys = HandedKeys()
    for name in names:
        keys.add_key(name, "hmac-md5", KEY)
    return keys


def saved(name, json):
    """What saves this value, as JSON, in this version's form."""
    return wire.Save(name, 0, b"%d " % kept.VERSION + json)


def added(name, algorithm="hmac-md5"):
    return wire.AddKey(name, wire.ALGORITHMS[algorithm], KEY)


# -- Turns


@told
def test_answers_that_a_turn_has_no_time_for_come_in_the_next_ones(world):
    """One each time, in their order; what lies in the socket behind them waits there."""
    world.greet()
    answers = []
    for index in range(3):
        world.client.verify("key", b"%d" % index, KEY, lambda genuine, index=index: answers.append(index))
    world.loop.time_left = False
    world.say(wire.Verified(1, 1), wire.Verified(2, 1), wire.Verified(3, 1))
    assert answers == [0] and world.client.is_behind()
    world.say(wire.HelloBack(wire.VERSION, 7, 3))
    assert answers == [0] and len(world.socket.incoming) == 1
    world.loop.go_on()
    assert answers == [0, 1]
    world.loop.go_on()
    assert answers == [0, 1, 2] and not world.client.is_behind() and not world.loop.begun
    world.loop.readable(world.socket)
    assert world.socket.incoming == []


@told
def test_answers_of_a_keyd_that_died_are_none(world):
    world.greet()
    answers = []
    for _ in range(2):
        world.client.verify("key", b"data", KEY, answers.append)
    world.loop.time_left = False
    world.say(wire.Verified(1, 1), wire.Verified(2, 1))
    world.client.lost("in a test", True)
    world.loop.go_on()
    assert answers == [True] and not world.client.is_behind()


# -- Keys


@told
def test_keys_are_added_to_every_keyd(world):
    world.client.set_keys(handed("one", "two"))
    world.greet()
    assert sorted(world.sent()) == [added("one"), added("two")]
    world.die()
    world.greet(8)
    assert sorted(world.sent()) == [added("one"), added("two")]
    assert [up for up, _ in world.changes] == [True, False, True] and world.counts["keyd_lost"] == 1


@told
def test_only_what_changed_of_the_keys_is_said(world):
    world.client.set_keys(handed("one", "two"))
    world.greet()
    world.sent()
    world.client.set_keys(handed("one", "two"))
    assert world.sent() == []
    keys = handed("two", "three")
    keys.add_key("two", "hmac-sha1", KEY)
    world.client.set_keys(keys)
    messages = world.sent()
    assert len(messages) == 3
    for message in (wire.DropKey("one"), added("two", "hmac-sha1"), added("three")):
        assert message in messages


@told
def test_the_file_of_keys_is_loaded(world):
    answers = []
    world.client.load_keys(answers.append)
    assert answers == ["careof-keyd does not answer"]
    world.greet()
    world.client.load_keys(answers.append)
    (load,) = world.sent()
    world.say(wire.Done(world.numbers[load], 0, b"5 keys"))
    world.client.load_keys(answers.append)
    (load,) = world.sent()
    world.say(wire.Done(world.numbers[load], 22, b"keys:3: what"))
    world.client.load_keys(answers.append)
    world.die()
    assert answers[1:] == [None, "keys:3: what", "careof-keyd does not answer"]


# -- Questions


@told
def test_questions_of_one_turn_leave_together(world):
    answers = []
    world.greet()
    world.client.verify("one", b"data", b"authenticator", answers.append)
    world.client.authenticate("two", b"data", answers.append)
    world.client.authenticate("none", b"data", answers.append)
    assert world.socket.sent == []
    world.tick()
    assert len(world.socket.sent) == 1
    first, second, third = world.sent()
    assert first[1:] == ("one", b"authenticator", b"data") and second[1:] == ("two", b"data")
    world.say(wire.Authenticated(second.token, b"octets"), wire.Verified(first.token, 1))
    world.say(wire.NoKey(third.token), wire.Verified(first.token, 0), wire.Verified(99, 1))
    assert answers == [b"octets", True, None]
    world.client.verify("one", b"", b"", answers.append)
    world.say(wire.Verified(world.sent()[0].token, 0))
    assert answers[-1] is False


@told
def test_many_questions_take_several_datagrams(world):
    world.greet()
    for _ in range(200):
        world.client.authenticate("one", bytes(100), None)
    assert len(world.sent()) == 200


@told
def test_the_next_keyd_is_asked_again_what_is_not_too_old(world):
    answers = []
    world.greet()
    world.client.authenticate("old", b"", answers.append)
    world.sent()
    world.loop.clock.ms += QUESTION_FORGOTTEN_MS
    world.client.authenticate("young", b"", answers.append)
    world.sent()
    world.die()
    world.client.authenticate("meanwhile", b"", answers.append)
    world.greet()
    again = world.sent()
    assert sorted([question.key for question in again]) == ["meanwhile", "young"]
    assert world.counts["keyd_questions_lost"] == 1 and world.counts["keyd_questions_again"] == 2
    for question in again:
        world.say(wire.Authenticated(question.token, question.key.encode()))
    assert sorted(answers) == [b"meanwhile", b"young"]


@told
def test_questions_are_bounded(world):
    for _ in range(KEYD_QUESTIONS_MAX + 5):
        world.client.authenticate("one", b"", None)
    assert world.counts["keyd_questions_too_many"] == 5
    world.loop.clock.ms += QUESTION_FORGOTTEN_MS + 1
    world.client.authenticate("one", b"", None)
    assert world.counts["keyd_questions_too_many"] == 5
    world.greet()
    assert len(world.sent()) == 1


# -- The state


@told
def test_all_values_are_restored_in_pages(world):
    got = []
    world.client.restore(got.append)
    world.greet()
    assert world.sent() == [wire.Restore()]
    world.say(wire.Value("ha.1", 0, b'{"a": 1}'), wire.Value("ha.2", 1, b"[1, "), wire.RestorePause())
    assert world.sent() == [wire.RestoreMore()] and got == []
    world.say(wire.Value("ha.2", 0, b"2]"), wire.Value("broken", 0, b"{"), wire.RestoreEnd())
    [found] = got
    assert found.values == {"ha.1": {"a": 1}, "ha.2": [1, 2]} and found.unreadable == ["broken"]
    world.die()
    world.greet()
    assert world.sent() == []  # once is enough


@told
def test_a_keyd_that_dies_while_it_tells_is_asked_from_the_beginning(world):
    got = []
    world.client.restore(got.append)
    world.greet()
    world.say(wire.Value("ha.1", 0, b"1"), wire.Value("ha.2", 1, b"[1, "))
    world.die()
    world.greet()
    assert wire.Restore() in world.sent()
    world.say(wire.Value("ha.2", 0, b"2"), wire.RestoreEnd())
    [found] = got
    assert found.values == {"ha.2": 2} and found.unreadable == []


@told
def test_of_a_name_one_value_is_under_way(world):
    world.greet()
    for value in (1, 2, 3):
        world.client.save("name", value)
    world.client.save("other", 4)
    first, other = world.sent()
    assert first == saved("name", b"1") and other == saved("other", b"4")
    world.say(wire.Saved(world.numbers[first]))
    (third,) = world.sent()
    assert third == saved("name", b"3")
    world.say(wire.Saved(world.numbers[third]))
    assert world.sent() == []
    world.client.save("name", 5)
    assert world.sent() == [saved("name", b"5")]


@told
def test_what_was_not_acknowledged_is_saved_again(world):
    world.client.save("before", [1])
    world.greet()
    world.client.save("name", 1)
    world.client.save("gone", None)
    world.client.save("kept", 2)
    messages = world.sent()
    assert saved("before", b"[1]") in messages and wire.Forget("gone") in messages
    world.say(wire.Saved(world.numbers[wire.Forget("gone")]))  # and all before it
    world.client.save("kept", 3)
    world.die()
    world.client.save("name", 4)
    world.greet()
    assert sorted(world.sent()) == [saved("kept", b"3"), saved("name", b"4")]


@told
def test_a_long_value_goes_in_parts(world):
    value = "x" * 20000
    world.greet()
    world.client.save("name", value)
    parts = world.sent()
    assert [part.more for part in parts] == [1, 1, 0]
    assert b"".join([part.value for part in parts]) == b'2 "' + value.encode() + b'"'
    world.say(wire.Saved(world.numbers[parts[1]]))  # of something before it
    world.client.save("name", 1)
    assert world.sent() == []
    world.say(wire.Saved(world.numbers[parts[2]]))
    assert world.sent() == [saved("name", b"1")]


@told
def test_what_keyd_refuses_is_told_and_tried_again_later_each_time(world):
    world.greet()
    world.client.save("name", "x" * 20000)
    world.client.save("other", 1)
    parts = world.sent()
    world.client.save("name", 2)
    world.say(wire.Done(world.numbers[parts[1]], 28, b"value 'name': no space"))
    assert world.troubles == ["value 'name': no space (it is tried again)"]
    assert world.client.trouble() == {"unsaved": 2, "refused": 1, "why": "value 'name': no space"}
    assert world.sent() == []
    world.client.save("name", 3)
    gap_ms = again.RETRY_MS
    for _ in range(8):
        assert world.sent() == []
        world.tick(gap_ms - 1)
        assert world.sent() == []
        world.loop.clock.ms += 1
        world.retry()
        [message] = world.sent()
        assert message == saved("name", b"3")
        gap_ms = min(2 * gap_ms, again.RETRY_MAX_MS)
        world.say(wire.Done(world.numbers[message], 28, b"value 'name': no space"))
    assert gap_ms == again.RETRY_MAX_MS and len(world.troubles) == 1 and world.counts["keyd_refused"] == 9
    world.loop.clock.ms += gap_ms
    world.retry()
    [message] = world.sent()
    world.say(wire.Saved(world.numbers[message]))
    assert world.client.trouble() == {"unsaved": 0, "refused": 0, "why": None}
    world.client.save("name", 4)
    assert world.sent() == [saved("name", b"4")]


@told
def test_a_refusal_of_something_else_is_told(world):
    world.greet()
    world.say(wire.Done(1, 22, b"a key"))
    assert world.troubles == ["a key"] and world.client.trouble()["refused"] == 0


@told
def test_of_many_that_were_refused_some_are_tried_and_then_all(world):
    world.greet()
    many = 3 * again.TRIED
    for number in range(many):
        world.client.save("n%d" % number, 1)
    for message in world.sent():
        world.say(wire.Done(world.numbers[message], 12, b"no memory"))
    assert world.client.trouble()["refused"] == many
    world.loop.clock.ms += again.RETRY_MS
    for left in (2, 1, 0):
        world.retry()
        messages = world.sent()
        assert len(messages) == again.TRIED
        world.say(wire.Saved(world.numbers[messages[-1]]))
        assert world.client.trouble()["refused"] == left * again.TRIED


@told
def test_another_keyd_is_told_everything_some_at_a_time(world):
    many = 2 * keyd.SAID_AGAIN + 1
    for number in range(many):
        world.client.save("n%d" % number, number)
    world.greet()
    told = world.sent()
    assert len(told) == keyd.SAID_AGAIN
    world.loop.go_on()
    world.client.save("n0", "new")  # is under way
    told += world.sent()
    world.loop.go_on()
    told += world.sent()
    assert len(told) == len(set([message.name for message in told])) == many and not world.loop.begun


@told
def test_what_a_newer_careofd_kept_is_seen_and_not_read(world):
    got = []
    world.client.restore(got.append)
    world.greet()
    world.say(wire.Value("ours", 0, b"2 [1]"), wire.Value("newer", 0, b"3 what is this"), wire.RestoreEnd())
    assert got[0].is_newer() and got[0].newest == 3
    assert got[0].values["ours"] == [1] and got[0].values["newer"] is None and got[0].unreadable == []


@told
def test_whoever_ends_waits_for_the_disk(world):
    done = []
    world.client.when_kept(lambda: done.append("away"))
    world.greet()
    world.client.when_kept(lambda: done.append("nothing to keep"))
    world.client.save("name", 1)
    world.client.when_kept(lambda: done.append("saved"))
    (first,) = world.sent()
    world.client.save("name", 2)
    assert done == ["away", "nothing to keep"]
    world.say(wire.Saved(world.numbers[first]))
    (second,) = world.sent()
    assert done == ["away", "nothing to keep"]
    world.say(wire.Saved(world.numbers[second]))
    assert done.pop() == "saved" and len(done) == 2
    world.client.save("name", 3)
    world.client.when_kept(lambda: done.append("refused"))
    (third,) = world.sent()
    world.say(wire.Done(world.numbers[third], 28, b"value 'name': no space"))
    world.client.save("another", 4)
    world.client.when_kept(lambda: done.append("lost"))
    assert done[2:] == ["refused"]
    world.die()
    assert done[3:] == ["lost"]


@told
def test_what_no_keyd_would_take_is_not_said(world):
    world.greet()
    world.client.save("x" * 64, 1)
    world.client.save("", 1)
    world.client.save("name", "x" * wire.VALUE_SIZE_MAX)
    assert world.sent() == [] and len(world.troubles) == 3


@told
def test_trouble_is_told(world):
    world.greet()
    world.say(wire.Trouble(28, b"cannot be written: No space left on device"))
    assert world.troubles == ["cannot be written: No space left on device"]
    world.client.save("name", 1)
    why = "cannot be written: No space left on device"
    assert world.client.trouble() == {"unsaved": 1, "refused": 0, "why": why}
    [message] = world.sent()
    world.say(wire.Saved(world.numbers[message]))
    assert world.client.trouble()["why"] is None


# -- The connection


@told
def test_numbers_wrap(world):
    world.client._number = 0xFFFFFFFE
    world.greet()
    for name in ("one", "two", "three"):
        world.client.save(name, 1)
    messages = world.sent()
    assert [world.numbers[message] for message in messages] == [0, 1, 2]
    world.client._number = 0xFFFFFFFE
    world.say(wire.Saved(2))
    for name in ("one", "two", "three"):
        world.client.save(name, 2)
    messages = world.sent()
    world.say(wire.Saved(0))  # the first two of them
    world.client.save("one", 3)
    world.client.save("three", 3)
    assert world.sent() == [saved("one", b"3")]


@told
def test_another_version_is_not_spoken_with(world):
    world.tick()
    world.say(wire.HelloBack(wire.VERSION + 1, 1, 0))
    assert world.client.state == connection.AWAY and world.changes == []


@told
def test_rubbish_is_counted(world):
    world.greet()
    world.socket.incoming.append(b"x" * 20)
    world.loop.readable(world.socket)
    world.say(wire.Restore())
    assert world.counts["keyd_malformed"] == 1 and world.counts["keyd_unexpected"] == 1
    world.say(wire.Counters(b"short"))
    assert world.counts["keyd_malformed"] == 2


@told
def test_counters(world):
    answers = []
    world.client.ask_counters(answers.append)
    world.greet()
    world.client.ask_counters(answers.append)
    world.say(wire.Counters(bytes(8 * len(wire.COUNTERS))))
    world.client.ask_counters(answers.append)
    world.die()
    assert answers[0] is None and answers[1]["no_key"] == 0 and answers[2] is None


if __name__ == "__main__":
    from runner import main

    main(globals())
