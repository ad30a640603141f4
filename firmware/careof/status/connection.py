"""A connection to careofd's status socket: questions, pages of tables, and what is followed.

It waits for answers: who asks is a command or a helper of snmpd, never careofd.
"""

import json
import select
import socket
import sys

from .. import json_text

RUN = "/var/run/careof"
_PIECE = 65536  # octets received at a time


class Refused(Exception):
    """careofd's own words why not."""


class Connection:
    """Raises OSError whenever careofd is not there or does not answer, Refused when it says no."""

    def __init__(self, run_path, patience_s=None):
        """patience_s: how long an answer is waited for; None: as long as it takes."""
        path = run_path + "/status.sock"
        self._socket = socket.socket(1, socket.SOCK_STREAM)  # AF_UNIX
        try:
            if sys.implementation.name == "micropython":
                self._socket.connect((1).to_bytes(2, sys.byteorder) + path.encode() + b"\x00")
            else:
                self._socket.connect(path)
            self._socket.settimeout(patience_s)
        except OSError:
            self._socket.close()
            raise
        self._lines = []  # received and not yet looked at
        self._rest = []  # of a line whose end has not come
        self._changes = []  # that came while an answer was awaited

    def close(self):
        self._socket.close()

    def ask(self, command, *arguments):
        """careofd's answer."""
        line = json.dumps({"command": command, "arguments": list(arguments)}).encode() + b"\n"
        while line:
            line = line[self._socket.send(line) :]
        while True:
            said = json_text.loads(self._line())
            if "change" in said:
                self._changes.append(said["change"])
            elif "error" in said:
                raise Refused(said["error"])
            else:
                return said["answer"]

    def pages(self, role, table, after=-1):
        """The rows of a role's table, page by page."""
        while after is not None:
            page = self.ask("rows", role, table, str(after))
            after = page["after"]
            yield page["rows"]

    def rows(self, role, table):
        """All of them."""
        found = []
        for rows in self.pages(role, table):
            found += rows
        return found

    def follow(self, *tables):
        """Be told of changes of these tables, from now on."""
        self.ask("follow", *tables)

    def next_change(self):
        """The next one that came, waiting for it."""
        if self._changes:
            return self._changes.pop(0)
        while True:
            said = json_text.loads(self._line())
            if "change" in said:
                return said["change"]

    def has_news(self, wait_ms):
        """Would next_change() have something, within that time?"""
        if self._changes or self._lines:
            return True
        poll = select.poll()
        poll.register(self._socket, 1)  # POLLIN
        return bool(poll.poll(wait_ms))

    def wait_change(self, wait_ms):
        """Until something followed changed, or so long. Then what else was told is forgotten."""
        while self.has_news(wait_ms):
            self.next_change()
            wait_ms = 0

    def _line(self):
        while not self._lines:
            received = self._socket.recv(_PIECE)
            if not received:
                raise OSError(104, "careofd closed the connection")  # ECONNRESET
            pieces = received.split(b"\n")
            self._rest.append(pieces[0])
            for piece in pieces[1:]:
                self._lines.append(b"".join(self._rest))
                self._rest = [piece]
        return self._lines.pop(0)
