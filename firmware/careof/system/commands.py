"""The status socket: one JSON object a line in, one JSON object a line out, over a Unix stream.

    {"command": "status"}                     -> {"answer": {...}}
    {"command": "move", "arguments": ["lte"]} -> {"answer": ...} or {"error": "..."}

It is open to root only (mode 0600, and the folder it lies in). Whatever comes is checked: a line longer
than LINE_MAX, not JSON, or not of this form is refused with the reason and counted; the connection is
closed after a line that was too long, since where the next begins cannot be known.
"""

import json
import os

from . import sockets

LINE_MAX = 4096  # octets of a request
ANSWER_MAX = 524288  # octets waiting for a reader; a slower one is dropped
CLIENTS_MAX = 8
ARGUMENTS_MAX = 8
MODE = 0o600


class CommandServer:
    """handle(name, arguments, reply) is called for each request; reply(answer=..., error=...) answers it."""

    def __init__(self, loop, path, handle, count):
        """Raises OSError if the path cannot be taken."""
        self._loop = loop
        self._path = path
        self._handle = handle
        self._count = count
        self._clients = []
        try:
            os.remove(path) if hasattr(os, "remove") else os.unlink(path)
        except OSError as e:
            if e.errno != 2:  # ENOENT
                raise
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
            request = json.loads(line)
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
        self._handle(request["command"], arguments, client.reply)


class _Client:
    def __init__(self, server, sock):
        self._server = server
        self._socket = sock
        self._received = b""
        self._waiting = b""
        self._buffer = bytearray(LINE_MAX)
        server._loop.watch(sock, self._readable)

    def reply(self, answer=None, error=None):
        """Send one line; harmless after the client went away."""
        if self._socket is None:
            return
        try:
            line = json.dumps({"error": error} if error is not None else {"answer": answer})
            self._waiting += line.encode() + b"\n"
        except MemoryError:  # MicroPython's heap is small: nobody may end careofd by asking
            self._server._count("status_no_memory")
            self.close()
            return
        if len(self._waiting) > ANSWER_MAX:
            self._server._count("status_slow_reader")
            self.close()
            return
        self._writable()

    def close(self):
        if self._socket is not None:
            self._server._loop.forget(self._socket)
            self._socket.close()
            self._socket = None
            self._server.gone(self)

    def _writable(self):
        try:
            sent = self._socket.send(self._waiting) if self._waiting else 0
        except OSError as e:
            if e.errno != sockets.EAGAIN:
                self.close()
                return
            sent = 0
        self._waiting = self._waiting[sent:]
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
