"""What both interpreters' sockets must do alike."""

import scratch
from careof.system import sockets


def pair(kind):
    """(listener, connected client, accepted server), non-blocking."""
    path = scratch.path("sockets")
    listener = sockets.unix_listen(path, kind, 1)
    client = sockets.unix_connect(path, kind)
    server, _ = listener.accept()
    server.setblocking(False)
    return listener, client, server


def close(*all_of_them):
    for one in all_of_them:
        one.close()


def test_datagrams_are_received_one_by_one():
    listener, client, server = pair(sockets.SOCK_SEQPACKET)
    buffer = bytearray(64)
    assert sockets.receive_into(server, buffer) is sockets.WOULD_BLOCK
    for text in (b"one", b"second", b"x" * 64):
        client.send(text)
    for text in (b"one", b"second", b"x" * 64):
        size = sockets.receive_into(server, buffer)
        assert bytes(buffer[:size]) == text
    assert sockets.receive_into(server, buffer) is sockets.WOULD_BLOCK
    assert len(buffer) == 64
    client.close()
    assert sockets.receive_into(server, buffer) == 0
    close(listener, server)


def test_a_stream_gives_what_is_there():
    listener, client, server = pair(sockets.SOCK_STREAM)
    buffer = bytearray(4)
    client.send(b"abcdef")
    assert sockets.receive_into(server, buffer) == 4 and bytes(buffer) == b"abcd"
    assert sockets.receive_into(server, buffer) == 2 and bytes(buffer[:2]) == b"ef"
    assert sockets.receive_into(server, buffer) is sockets.WOULD_BLOCK
    close(listener, client, server)


def test_a_listener_that_takes_nobody_is_not_waited_for():
    path, waiting = scratch.path("full"), []
    listener = sockets.unix_listen(path, sockets.SOCK_STREAM, 1)
    try:
        while len(waiting) < 10:
            waiting.append(sockets.unix_connect(path, sockets.SOCK_STREAM))
    except OSError as e:
        assert e.errno == sockets.EAGAIN and waiting
        close(listener, *waiting)
        return
    raise AssertionError("room for ten where one was to wait")


def test_nobody_at_a_path_is_an_error_that_says_so():
    try:
        sockets.unix_connect(scratch.path("nobody"), sockets.SOCK_SEQPACKET)
    except OSError as e:
        assert e.errno == 2
        return
    raise AssertionError("connected to nobody")


if __name__ == "__main__":
    from runner import main

    main(globals())
