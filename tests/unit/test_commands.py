"""The status socket: what it answers, and what it refuses without minding."""

import errno
import json

import scratch
from careof.system import commands, sockets
from fakes import Counts, FakeLoop, FakeSocket


class Listener:
    """Hands out sockets that were put there."""

    def __init__(self):
        self.coming = []
        self.closed = False

    def accept(self):
        if not self.coming:
            raise OSError(sockets.EAGAIN, "nobody")
        return self.coming.pop(0), None

    def close(self):
        self.closed = True


class World:
    def __init__(self):
        self.loop, self.counts, self.asked = FakeLoop(), Counts(), []
        self.listener = Listener()
        real = sockets.unix_listen
        sockets.unix_listen = lambda path, kind, backlog: self.listener
        chmod = getattr(commands.os, "chmod", None)
        if chmod:
            commands.os.chmod = lambda path, mode: None
        try:
            self.server = commands.CommandServer(
                self.loop, "/tmp/careof-no-such.sock", self._handle, self.counts
            )
        finally:
            sockets.unix_listen = real
            if chmod:
                commands.os.chmod = chmod

    def _handle(self, name, arguments, reply):
        self.asked.append((name, arguments))
        if name == "big":
            reply(answer="x" * 60000)
        else:
            reply(answer={"name": name})

    def connect(self):
        client = FakeSocket()
        self.listener.coming.append(client)
        self.loop.readable(self.listener)
        return client

    def ask(self, octets, client=None):
        """The replies to what a client says."""
        client = client or self.connect()
        client.incoming.append(octets)
        self.loop.readable(client)
        text = b"".join(client.sent)
        client.sent = []
        return [json.loads(line) for line in text.split(b"\n") if line]


def test_a_command_is_answered():
    world = World()
    assert world.ask(b'{"command": "move", "arguments": ["lte"]}\n') == [{"answer": {"name": "move"}}]
    assert world.asked == [("move", ["lte"])]


def test_several_lines_and_lines_in_pieces():
    world = World()
    client = world.connect()
    assert world.ask(b'{"command": "one"}\n{"comm', client) == [{"answer": {"name": "one"}}]
    assert world.ask(b'and": "two"}\n', client) == [{"answer": {"name": "two"}}]


def test_what_is_no_command_is_refused_with_the_reason():
    world = World()
    client = world.connect()
    for line, word in (
        (b"status", "JSON"),
        (b"\xff\xfe", "JSON"),
        (b"[" * 4000, "JSON"),
        (b"[1]", "object"),
        (b"{}", "object"),
        (b'{"command": 7}', "object"),
        (b'{"command": "x", "arguments": "y"}', "list"),
        (b'{"command": "x", "arguments": [1]}', "list"),
        (b'{"command": "x", "arguments": ["a","a","a","a","a","a","a","a","a"]}', "list"),
    ):
        [reply] = world.ask(line + b"\n", client)
        assert word in reply["error"], line
    assert world.counts["status_refused"] == 9 and world.asked == []
    assert world.ask(b'{"command": "control"}\n') == [{"answer": {"name": "control"}}]


def test_a_line_without_end_is_cut_and_the_client_gone():
    world = World()
    client = world.connect()
    assert world.ask(b"x" * 4000, client) == []
    [reply] = world.ask(b"x" * 1000, client)
    assert "more than" in reply["error"] and client.closed


def test_too_many_clients_are_turned_away_and_leave_room_when_they_go():
    world = World()
    clients = [world.connect() for _ in range(commands.CLIENTS_MAX + 1)]
    assert clients[-1].closed and world.counts["status_too_many"] == 1
    clients[0].incoming.append(b"")
    world.loop.readable(clients[0])
    assert world.ask(b'{"command": "again"}\n') == [{"answer": {"name": "again"}}]


def test_a_reader_that_does_not_read_is_dropped():
    world = World()
    client = world.connect()
    client.full = True
    asked = 0
    while not client.closed:
        world.ask(b'{"command": "big"}\n', client)
        asked += 1
        assert asked * 60000 <= commands.ANSWER_MAX + 60000
    assert asked > 1 and world.counts["status_slow_reader"] == 1


def test_a_slow_reader_gets_it_all():
    world = World()
    client = world.connect()
    client.full = True
    assert world.ask(b'{"command": "late"}\n', client) == []
    client.full = False
    world.loop.writable(client)
    assert json.loads(b"".join(client.sent)) == {"answer": {"name": "late"}}
    assert not world.loop.waits_for_room(client)


def test_a_client_that_dies_takes_nobody_along():
    world = World()
    client = world.connect()
    client.incoming.append(OSError(104, "reset"))
    world.loop.readable(client)
    assert client.closed
    assert world.ask(b'{"command": "control"}\n') == [{"answer": {"name": "control"}}]


def test_a_follower_is_told_of_changes_of_its_tables_only():
    world = World()
    follower, other = world.connect(), world.connect()
    assert not world.server.is_followed("bindings")
    assert world.ask(b'{"command": "follow", "arguments": ["bindings"]}\n', follower) == [
        {"answer": "following"}
    ]
    assert world.server.is_followed("bindings") and not world.server.is_followed("visitors")
    world.server.publish("bindings", {"rows": [1]})
    world.server.publish("visitors", {"rows": [2]})
    assert [json.loads(octets) for octets in follower.sent] == [{"change": {"rows": [1]}}]
    assert other.sent == []
    follower.sent = []
    assert world.ask(b'{"command": "control"}\n', follower) == [{"answer": {"name": "control"}}]


def test_a_path_that_somebody_answers_at_is_left_to_him():
    path = scratch.path("status")
    dead = sockets.unix_listen(path, sockets.SOCK_STREAM, 1)
    dead.close()  # as one that was killed leaves it
    first = commands.CommandServer(FakeLoop(), path, None, Counts())
    for _ in range(2):
        try:
            commands.CommandServer(FakeLoop(), path, None, Counts())
        except OSError as e:
            assert e.errno == errno.EADDRINUSE and "another careofd" in str(e)
        else:
            raise AssertionError("took the path of one that lives")
    first.close()
    commands.CommandServer(FakeLoop(), path, None, Counts()).close()


def test_what_cannot_be_followed_is_refused():
    world = World()
    for arguments in (b"[]", b'["status"]', b'["bindings", "status"]'):
        [reply] = world.ask(b'{"command": "follow", "arguments": ' + arguments + b"}\n")
        assert "bindings, visitors, agents, registrations" in reply["error"]
    assert world.asked == []


def test_a_follower_that_does_not_read_is_dropped_and_the_others_go_on():
    world = World()
    slow, quick = world.connect(), world.connect()
    for client in (slow, quick):
        world.ask(b'{"command": "follow", "arguments": ["bindings"]}\n', client)
    slow.full = True
    for number in range(commands.FOLLOWED_MAX // 500 + 1):
        world.server.publish("bindings", {"rows": ["x" * 500, number]})
    assert slow.closed and world.counts["status_slow_reader"] == 1
    assert not quick.closed and len(quick.sent) == commands.FOLLOWED_MAX // 500 + 1
    assert world.server.is_followed("bindings")
    quick.incoming.append(b"")
    world.loop.readable(quick)
    assert not world.server.is_followed("bindings")


if __name__ == "__main__":
    from runner import main

    main(globals())
