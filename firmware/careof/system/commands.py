"""The status socket: one JSON object a line in, one JSON object a line out, over a Unix stream.

    {"command": "status"}                     -> {"answer": {...}}
    {"command": "move", "arguments": ["lte"]} -> {"answer": ...} or {"error": "..."}
    {"command": "follow", "arguments": ["bindings"]} -> {"answer": "following"}, and from then on, beside the
                                                 answers, {"change": {...}} whenever that table changes

It is open to root only (mode 0600, and the folder it lies in). Whatever comes is checked: a line longer
than LINE_MAX, not JSON, or not of this form is refused with the reason and counted; the connection is
closed after a line that was too long, since where the next begins cannot be known.
"""

import errno
import json
import os

from .. import json_text
from . import sockets

LINE_MAX = 4096  # octets of a request
ANSWER_MAX = 524288  # octets waiting for a reader; a slower one is dropped
FOLLOWED_MAX = 65536  # octets of changes waiting for a follower; a slower one is dropped
CLIENTS_MAX = 8
FOLLOWABLE = ("bindings", "visitors", "agents", "registrations")
ARGUMENTS_MAX = 8
MODE = 0o600


def _make_room(path):
    """Remove what a listener that died left there. Raises OSError if one lives, or it is something else."""
    try:
        sockets.unix_connect(path, sockets.SOCK_STREAM).close()
    except OSError as e:
        if e.errno == errno.ECONNREFUSED:
            os.remove(path)
        elif e.errno != errno.ENOENT:
            raise
        return
    raise OSError(errno.EADDRINUSE, "another careofd answers there")


class CommandServer:
    """handle(name, arguments, reply) is called for each request; reply(answer=..., error=...) answers it."""

    def __init__(self, loop, path, handle, count):
        """Raises OSError if the path cannot be taken: another one may listen there."""
        self._loop = loop
        self._path = path
        self._handle = handle
        self._count = count
        self._clients = []
        _make_room(path)
        self._listener = sockets.unix_listen(path, sockets.SOCK_STREAM, CLIENTS_MAX)
        if hasattr(os, "chmod"):  # MicroPython has none: there the folder's mode, 0700, is what protects
            os.chmod(path, MODE)
        loop.watch(self._listener, self._connected)

    def close(self):
        for client in list(self._clients):
            client.close()
        self._loop.forget(self._listener)
        self._listener.close()
        os.remove(self._path)

    def _connected(self):
        try:
            accepted, _ = self._listener.accept()
        except OSError as e:
            if e.errno == sockets.EAGAIN:
                return
            raise
        if len(self._clients) >= CLIENTS_MAX:
            self._count("status_too_many")
            accepted.close()
            return
        accepted.setblocking(False)
        self._clients.append(_Client(self, accepted))

    def gone(self, client):
        if client in self._clients:
            self._clients.remove(client)

    def refused(self, client, why):
        self._count("status_refused")
        client.reply(error=why)

    def request(self, client, line):
        """One line, without its end."""
        try:
            request = json_text.loads(line)
        except (ValueError, UnicodeError, RuntimeError):  # RuntimeError: nested too deeply
            self.refused(client, "not JSON")
            return
        if not isinstance(request, dict) or not isinstance(request.get("command"), str):
            self.refused(client, 'expected an object with "command", a string')
            return
        arguments = request.get("arguments", [])
        if (
            not isinstance(arguments, list)
            or len(arguments) > ARGUMENTS_MAX
            or not all(isinstance(argument, str) for argument in arguments)
        ):
            self.refused(client, '"arguments": expected a list of at most %d strings' % ARGUMENTS_MAX)
            return
        if request["command"] == "follow":
            self._follow(client, arguments)
        else:
            self._handle(request["command"], arguments, client.reply)

    # -- Followers

    def _follow(self, client, tables):
        if not tables or not all([table in FOLLOWABLE for table in tables]):
            client.reply(error="follow: expected some of %s" % ", ".join(FOLLOWABLE))
            return
        client.follows = tuple(tables)
        client.reply(answer="following")

    def is_followed(self, table):
        return any([table in client.follows for client in self._clients])

    def publish(self, table, value):
        """Tell whoever follows that table."""
        line = json.dumps({"change": value}).encode() + b"\n"
        for client in list(self._clients):
            if table in client.follows:
                client.told(line)


class _Client:
    def __init__(self, server, sock):
        self._server = server
        self._socket = sock
        self._received = b""
        self._waiting, self._waiting_size = [], 0  # octets that the reader has not taken, in their order
        self._buffer = bytearray(LINE_MAX)
        self.follows = ()
        server._loop.watch(sock, self._readable)

    def reply(self, answer=None, error=None):
        """Send one line; harmless after the client went away."""
        if self._socket is None:
            return
        try:
            line = json.dumps({"error": error} if error is not None else {"answer": answer})
            line = line.encode() + b"\n"
        except MemoryError:  # MicroPython's heap is small: nobody may end careofd by asking
            self._server._count("status_no_memory")
            self.close()
            return
        self._wait(line, ANSWER_MAX)

    def told(self, line):
        """A change, encoded once for all who follow."""
        self._wait(line, FOLLOWED_MAX)

    def _wait(self, line, size_max):
        self._waiting.append(line)
        self._waiting_size += len(line)
        if self._waiting_size > size_max:
            self._server._count("status_slow_reader")
            self.close()
        elif len(self._waiting) == 1:
            self._writable()  # else it is called when there is room

    def close(self):
        if self._socket is not None:
            self._server._loop.forget(self._socket)
            self._socket.close()
            self._socket = None
            self._server.gone(self)

    def _writable(self):
        while self._waiting:
            line = self._waiting[0]
            try:
                sent = self._socket.send(line)
            except OSError as e:
                if e.errno != sockets.EAGAIN:
                    self.close()
                    return
                break
            self._waiting_size -= sent
            if sent < len(line):
                self._waiting[0] = line[sent:]
                break
            del self._waiting[0]
        self._server._loop.watch(self._socket, self._readable, self._writable if self._waiting else None)

    def _readable(self):
        try:
            size = sockets.receive_into(self._socket, self._buffer)
        except OSError:
            self.close()
            return
        if size is sockets.WOULD_BLOCK:
            return
        if size == 0:
            self.close()
            return
        self._received += bytes(memoryview(self._buffer)[:size])
        while self._socket is not None:
            end = self._received.find(b"\n")
            if end < 0:
                break
            line, self._received = self._received[:end], self._received[end + 1 :]
            self._server.request(self, line)
        if len(self._received) > LINE_MAX:
            self._server.refused(self, "a line of more than %d octets" % LINE_MAX)
            self.close()
