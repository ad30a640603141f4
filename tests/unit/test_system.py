"""The small parts of the system room: store, log, clock, loop."""

import json
import os

import scratch
from careof.limits import TURN_WORK_MS
from careof.system import clock, log, loop, resolv, sockets, store
from fakes import FakeClock

FOLDER = scratch.path("store")


def fresh_store():
    made = store.Store(FOLDER)
    for name in os.listdir(FOLDER):
        os.remove(FOLDER + "/" + name)
    return made


def write(name, text):
    with open(FOLDER + "/" + name, "w") as file:
        file.write(text)


# -- Store ------------------------------------------------------------------------------------------


def test_what_is_saved_is_restored_by_the_next():
    one = fresh_store()
    one.save("home_agent-ha.3", [["0a4d0002", [1, 2]]])
    one.save("mobile_router-branch.state", {"carrying": "wan"})
    one.save("mobile_router-branch.state", {"carrying": "lte"})
    kept, unreadable = store.Store(FOLDER).restore()
    assert dict(kept) == {
        "home_agent-ha.3": [["0a4d0002", [1, 2]]],
        "mobile_router-branch.state": {"carrying": "lte"},
    }
    assert unreadable == []


def test_what_is_forgotten_is_gone():
    one = fresh_store()
    one.save("a", 1)
    one.save("a", None)
    one.save("a", None)
    assert one.restore() == ([], [])


def test_a_write_that_power_loss_ended_leaves_the_old_value():
    one = fresh_store()
    one.save("a", "old")
    write("a" + store.SUFFIX + store.TEMPORARY, '"ne')
    assert one.restore() == ([("a", "old")], [])


def test_name_servers_are_a_file_for_resolvers_as_long_as_there_are_any():
    fresh_store()
    path = resolv.path_of(FOLDER, "branch")
    resolv.write(FOLDER, "branch", (), None)  # nothing to forget
    resolv.write(FOLDER, "branch", (bytes((10, 1, 0, 53)), bytes((10, 1, 1, 53))), "example.net")
    with open(path) as file:
        assert file.read() == "nameserver 10.1.0.53\nnameserver 10.1.1.53\nsearch example.net\n"
    resolv.write(FOLDER, "branch", (bytes((10, 1, 0, 53)),), None)
    with open(path) as file:
        assert file.read() == "nameserver 10.1.0.53\n"
    resolv.write(FOLDER, "branch", (), "example.net")
    assert os.listdir(FOLDER) == []


def test_what_cannot_be_read_is_named_and_left_out():
    one = fresh_store()
    one.save("good", 1)
    write("bad" + store.SUFFIX, '{"cut o')
    write("large" + store.SUFFIX, " " * (store.SIZE_MAX + 1))
    assert one.restore() == ([("good", 1)], ["bad", "large"])


def test_names_do_not_leave_the_folder():
    one = fresh_store()
    for name in ("../x", "a/b", "a b"):
        try:
            one.save(name, 1)
            assert False, name
        except ValueError:
            pass


# -- Log --------------------------------------------------------------------------------------------


class Lines(list):
    def __call__(self, line):
        self.append(line)


def test_lines_have_level_and_tag_and_no_control_characters():
    lines = Lines()
    one = log.Log(FakeClock(), "info", lines)
    one.line("notice", "moved", "wan -> lte\x1b[2J\n\xe9")
    assert lines == ["careofd: notice: moved: wan -> lte?[2J??\n"]
    one.line("debug", "moved", "not this one")
    one.set_level("debug")
    one.line("debug", "moved", "x" * 1000)
    assert len(lines) == 2 and len(lines[1]) < 450


def test_one_tag_cannot_flood_and_does_not_silence_another():
    lines, time = Lines(), FakeClock()
    one = log.Log(time, "info", lines)
    for number in range(100):
        one.line("info", "security", "%d" % number)
    one.line("info", "moved", "still heard")
    assert len(lines) == log.LINES_MAX + 1
    one.line("error", "security", "errors always")
    assert len(lines) == log.LINES_MAX + 2
    time.ms += log.WINDOW_MS
    one.line("info", "security", "again")
    assert "80 lines suppressed" in lines[-2] and lines[-1].endswith("again\n")


def test_octets_are_told_at_the_level_that_asks_for_them_and_no_more_than_their_beginning():
    lines = Lines()
    one = log.Log(FakeClock(), "info", lines)
    one.octets("debug", "contents", "request_malformed", b"\x01\xff")
    assert lines == []
    one.set_level("debug")
    one.octets("debug", "contents", "request_malformed", b"\x01\xff")
    assert lines == ["careofd: debug: contents: request_malformed: 2 octets: 01ff\n"]
    one.octets("debug", "contents", "visitor_malformed", bytes(range(256)) * 200)
    told = lines[1].split(" ")[-1].strip()
    assert "51200 octets" in lines[1] and bytes.fromhex(told) == bytes(range(log.OCTETS_MAX))
    for _ in range(100):
        one.octets("debug", "contents", "request_malformed", bytes(2000))
    assert len(lines) == log.LINES_MAX


def test_tags_are_bounded():
    one = log.Log(FakeClock(), "info", Lines())
    for number in range(1000):
        one.line("info", "tag%d" % number, "x")
    assert len(one._windows) <= log.TAGS_MAX


# -- Clock ------------------------------------------------------------------------------------------


def test_time_does_not_go_back():
    one = clock.Clock()
    before = one.now_ms()
    for _ in range(1000):
        now = one.now_ms()
        assert now >= before
        before = now
    assert before < 60000


def test_a_step_of_the_wall_clock_is_seen_once():
    one = clock.WallClock(clock.Clock())
    assert not one.stepped()
    one.offset_ms -= 3600000  # as if it had been an hour slow until now
    assert one.stepped()
    assert not one.stepped()


# -- Loop -------------------------------------------------------------------------------------------


class Timer:
    def __init__(self, at_ms):
        self.at_ms, self.calls = at_ms, []

    def deadline(self):
        return self.at_ms

    def late(self, now_ms):
        self.calls.append(now_ms)
        self.at_ms = None


def test_timers_are_called_when_they_are_due():
    time = clock.Clock()
    one = loop.Loop(time)
    soon, never, now = Timer(time.now_ms() + 30), Timer(None), Timer(0)
    for timer in (soon, never, now):
        one.add_timer(timer)
    one.turn()
    assert now.calls and not soon.calls
    began = time.now_ms()
    while not soon.calls:
        one.turn()
    assert time.now_ms() - began >= 20 and not never.calls
    one.remove_timer(never)


def pair():
    path = scratch.path("loop")
    listener = sockets.unix_listen(path, sockets.SOCK_SEQPACKET, 4)
    near = sockets.unix_connect(path, sockets.SOCK_SEQPACKET)
    far, _ = listener.accept()
    far.setblocking(False)
    listener.close()
    return near, far


def test_sockets_are_told_and_forgotten():
    one = loop.Loop(clock.Clock())
    near, far = pair()
    heard = []

    def take():
        heard.append(far.recv(10))

    one.watch(far, take)
    near.send(b"one")
    one.turn(100)
    assert heard == [b"one"]
    one.forget(far)
    one.forget(far)
    near.send(b"two")
    one.turn(10)
    assert heard == [b"one"]
    near.close()
    far.close()


def test_who_is_forgotten_in_a_turn_is_not_called_in_it():
    one = loop.Loop(clock.Clock())
    pairs = [pair() for _ in range(2)]
    heard = []

    def take(mine, other):
        def taken():
            heard.append(mine)
            one.forget(other)

        return taken

    for (near, far), (_, other) in ((pairs[0], pairs[1]), (pairs[1], pairs[0])):
        one.watch(far, take(far, other))
        near.send(b"x")
    one.turn(100)
    assert len(heard) == 1


def test_what_a_turn_had_no_time_for_comes_first_in_the_next():
    one = loop.Loop(clock.Clock())
    near, far = pair()
    done = []

    def take():
        done.append(far.recv(10))

    one.watch(far, take)
    near.send(b"new")
    one.again(lambda: done.append("begun before"))
    one.turn(100)
    assert done == ["begun before", b"new"]
    one.again(lambda: done.append("again"))
    one.turn(loop.WAIT_MAX_MS)  # nothing is there to wake it
    assert done[2:] == ["again"]
    near.close()
    far.close()


def test_a_turn_has_time_for_so_much():
    ticks = FakeClock()
    one = loop.Loop(ticks)
    seen = []

    def work():
        while True:
            seen.append(ticks.ms)
            ticks.ms += 1
            if not one.has_time():
                break

    one.again(work)
    one.turn(0)
    assert len(seen) == TURN_WORK_MS


def test_stop_ends_the_run_and_the_loop_measures_its_pauses():
    one = loop.Loop(clock.Clock())

    class Stopper(Timer):
        def late(self, now_ms):
            Timer.late(self, now_ms)
            one.stop()

    one.add_timer(Stopper(0))
    one.run()
    assert one.longest_pause_ms >= 0


def test_json_of_the_store_is_plain():
    one = fresh_store()
    one.save("a", {"x": [1, None, "y"]})
    with open(FOLDER + "/a" + store.SUFFIX) as file:
        assert json.loads(file.read()) == {"x": [1, None, "y"]}


if __name__ == "__main__":
    from runner import main

    main(globals())
