"""The terminal that the console is on: standard input and output, never waited for longer than told.

While the console edits, the tty is raw, with XON/XOFF in both directions: the kernel asks the other end to
pause before its 4 KB are full, so a paste is not lost while a command runs. A tool that is started gets the
tty as it was, with ^C. Output waits in a queue: input is always taken first, and a ^C drops what is queued.
"""

import os
import select
import sys

IN, OUT = 1, 4  # POLLIN, POLLOUT: the same on Linux everywhere
PIECE = 64  # octets written at a time: a slow line's buffer has room for them when poll() says so
RECEIVED_MAX = 65536  # octets taken in advance; more stay in the kernel, which pauses the sender
DROP_FROM = 256  # octets of output that a ^C is worth
READ_SIZE = 512
MICROPYTHON = sys.implementation.name == "micropython"
# What of termios is set: flags that have the same numbers on every Linux, and a tty's list of them.
IGNBRK, IXON, IXOFF, CS8, PARENB = 0x1, 0x400, 0x1000, 0x30, 0x100
IFLAG, OFLAG, CFLAG, LFLAG, CC = 0, 1, 2, 3, 6
HUNG_UP = 0x18  # POLLERR, POLLHUP


class Hangup(Exception):
    """The other end is gone."""


class Terminal:
    def __init__(self):
        import termios

        self._termios = termios
        self._poll = select.poll()
        self._poll.register(0, IN)
        self._output = select.poll()
        self._output.register(1, OUT)
        self._queue, self._queued = [], 0
        self.received = b""
        try:
            self._before = termios.tcgetattr(0)
        except Exception:  # termios.error is no OSError on CPython
            self._before = None
        self.is_tty = self._before is not None

    # -- Modes

    def raw(self, flow_control=True):
        """Octets as they come, and what there is at once. Without flow control: all of them, for files."""
        attributes = self._termios.tcgetattr(0)
        attributes[IFLAG] = IGNBRK | (IXON | IXOFF if flow_control else 0)
        attributes[OFLAG] = attributes[LFLAG] = 0
        attributes[CFLAG] = (attributes[CFLAG] | CS8) & ~PARENB
        characters = attributes[CC]
        if MICROPYTHON:  # VMIN and VTIME are those that it gives as numbers
            for index, value in enumerate(characters):
                if isinstance(value, int):
                    characters[index] = 0
        else:
            characters[self._termios.VMIN] = characters[self._termios.VTIME] = 0
        self._termios.tcsetattr(0, self._termios.TCSANOW, attributes)

    def restore(self):
        """As it was before."""
        if self._before is not None:
            self._termios.tcsetattr(0, self._termios.TCSANOW, self._before)

    # -- Input

    def pump(self, wait_ms):
        """Take what came and write what waits, for so long at most. Did anything happen? Raises Hangup."""
        moved = False
        if self._queue and self._output.poll(0):
            self._write_piece()
            moved, wait_ms = True, 0
        elif self._queue:
            wait_ms = min(wait_ms, 5)
        if len(self.received) < RECEIVED_MAX:
            ready = self._poll.poll(wait_ms)
            if ready:
                self._take(ready[0][1])
                moved = True
        return moved

    def _take(self, events):
        data = b""
        if events & IN:
            try:
                data = sys.stdin.buffer.read(READ_SIZE) if MICROPYTHON else os.read(0, READ_SIZE)
            except OSError:
                raise Hangup()
        if not data:
            if events & HUNG_UP or not self.is_tty:
                raise Hangup()
            return
        if 3 in data and self._queued >= DROP_FROM:
            self._queue, self._queued = [], 0
        self.received += data

    def input_waits(self):
        return bool(self.received) or bool(self._poll.poll(0))

    def take(self, size):
        data, self.received = self.received[:size], self.received[size:]
        return data

    # -- Output

    def send(self, data):
        if data:
            self._queue.append(data)
            self._queued += len(data)

    @property
    def queued(self):
        return self._queued

    def _write_piece(self):
        data = self._queue[0]
        piece, rest = data[:PIECE], data[PIECE:]
        try:
            if MICROPYTHON:
                sys.stdout.buffer.write(piece)
                written = len(piece)
            else:
                written = os.write(1, piece)
        except OSError:
            raise Hangup()
        rest = piece[written:] + rest
        if rest:
            self._queue[0] = rest
        else:
            self._queue.pop(0)
        self._queued -= written

    def flush(self):
        """All that waits is written. Raises Hangup."""
        while self._queue:
            self.pump(1000)
