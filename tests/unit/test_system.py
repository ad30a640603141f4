"""The small parts of the system room: store, log, clock, loop."""

import os

import scratch
from careof.limits import STORE_SLACK_SIZE, TURN_WORK_MS
from careof.system import clock, kept, log, loop, resolv, sockets, store
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


def values(one=None):
    """{name: value} that a careofd finds that is started now."""
    found = (one or store.Store(FOLDER)).restore()
    assert found.unreadable == [] and not found.is_newer()
    return found.values


def test_what_is_saved_is_restored_by_the_next():
    one = fresh_store()
    one.save("home_agent-ha.n.0a4d0002", ["0a4d0002", [1, 2]])
    one.save("mobile_router-branch.state", {"carrying": "wan"})
    one.save("mobile_router-branch.state", {"carrying": "lte"})
    wanted = {
        "home_agent-ha.n.0a4d0002": ["0a4d0002", [1, 2]],
        "mobile_router-branch.state": {"carrying": "lte"},
    }
    assert values() == wanted and values() == wanted


def test_what_is_forgotten_is_gone():
    one = fresh_store()
    one.save("a", 1)
    one.save("a", None)
    one.save("a", None)
    assert values() == {}


def test_thousands_of_changes_take_a_bounded_room():
    one = fresh_store()
    for step in range(3000):
        one.save("n%d" % (step % 50), [step, "x" * 200])
    assert values() == {"n%d" % n: [2950 + n, "x" * 200] for n in range(50)}
    size = sum([os.stat(FOLDER + "/" + name)[6] for name in os.listdir(FOLDER)])
    assert size < 50 * (2 * 230 + STORE_SLACK_SIZE)


def test_a_write_that_was_cut_off_leaves_the_old_value():
    """At every octet; and what is saved afterwards is there as well."""
    fresh_store().save("a", "old")
    [name] = os.listdir(FOLDER)
    with open(FOLDER + "/" + name, "rb") as file:
        before = file.read()
    store.Store(FOLDER).save("a", "new")
    with open(FOLDER + "/" + name, "rb") as file:
        whole = file.read()
    assert len(whole) > len(before)
    for end in range(len(before), len(whole) + 1):
        with open(FOLDER + "/" + name, "wb") as file:
            file.write(whole[:end])
        one = store.Store(FOLDER)
        assert values(one) == {"a": "new" if end == len(whole) else "old"}, end
        one.save("a", end)
        assert values() == {"a": end}


def test_a_file_that_was_not_written_to_its_end_is_nobodys():
    one = fresh_store()
    one.save("a", "old")
    [name] = os.listdir(FOLDER)
    write(name + store.TEMPORARY, 'a 2 "ne')
    assert values() == {"a": "old"}


def test_what_the_first_careofd_kept_is_read_and_turned_into_lines():
    fresh_store()
    write("home_agent-ha.3.json", '[["0a4d0002", [1, 2]]]')
    assert values() == {"home_agent-ha.3": [["0a4d0002", [1, 2]]]}
    assert "home_agent-ha.3.json" not in os.listdir(FOLDER)
    assert values() == {"home_agent-ha.3": [["0a4d0002", [1, 2]]]}


def test_what_a_newer_one_kept_stays_as_it_is():
    """Also in lines that this one would have left out."""
    one = fresh_store()
    one.save("a", 1)
    one.save("a", 2)
    [name] = os.listdir(FOLDER)
    with open(FOLDER + "/" + name, "ab") as file:
        file.write(b"a %d something new\n" % (kept.VERSION + 1))
    write("b.json", "%d x" % (kept.VERSION + 1))
    before = {name: os.stat(FOLDER + "/" + name)[6] for name in os.listdir(FOLDER)}
    found = store.Store(FOLDER).restore()
    assert found.is_newer() and found.newest == kept.VERSION + 1
    assert {name: os.stat(FOLDER + "/" + name)[6] for name in os.listdir(FOLDER)} == before


def test_a_value_says_its_version():
    assert kept.unpack(kept.pack({"x": [1, None, "y"]})) == (kept.VERSION, {"x": [1, None, "y"]})
    assert kept.unpack(b'{"a": 1}') == (1, {"a": 1}) and kept.unpack(b"[]") == (1, [])
    assert kept.unpack(b"5") == (1, 5) and kept.unpack(b"17 {") == (17, None)
    for wrong in (b"", b"2", b"2 ", b"2 [tru", b"\xff", b"2 \xff", b" 2 1"):
        try:
            assert kept.unpack(wrong) == (1, 2) and wrong in (b"2",), wrong
        except ValueError:
            pass


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
    [good] = os.listdir(FOLDER)
    write("bad" + store.OLDER, "[tru")
    write("0" + good[1:] if good[0] != "0" else "1" + good[1:], "worse 2 [tru\n")
    found = store.Store(FOLDER).restore()
    assert found.values == {"good": 1} and sorted(found.unreadable) == ["bad", "worse"]


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


if __name__ == "__main__":
    from runner import main

    main(globals())
