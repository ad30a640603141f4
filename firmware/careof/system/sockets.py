"""Where the two interpreters' sockets differ, and nothing else.

MicroPython's unix port takes raw sockaddr octets, has no recv_into(), and has no names for what is rarer than
TCP and UDP. Its readinto() is no recv_into(): it goes on until the buffer is full or nothing is left, and so
glues datagrams together. Its recv() takes as much memory as might come, which its collector counts: thousands
of octets for each short datagram had it collect ten times as often, so one is looked at first.
"""

import errno
import socket
import sys

MICROPYTHON = sys.implementation.name == "micropython"

AF_UNIX, AF_NETLINK = 1, 16
# Of these numbers MIPS has its own (stream and datagram the other way round, ENOBUFS 132).
SOCK_STREAM, SOCK_RAW, SOCK_SEQPACKET = socket.SOCK_STREAM, 3, 5
EAGAIN, ENOBUFS = errno.EAGAIN, errno.ENOBUFS
WOULD_BLOCK = None  # what receive_into() answers when there is nothing
_MSG_PEEK = 2
_SHORT_SIZE = 512  # octets: most datagrams are shorter


def _unix_address(path):
    if MICROPYTHON:
        return AF_UNIX.to_bytes(2, sys.byteorder) + path.encode() + b"\x00"
    return path


def unix_connect(path, kind):
    """A non-blocking socket connected to a Unix path. Raises OSError."""
    made = socket.socket(AF_UNIX, kind)
    made.setblocking(False)  # before connect(): it would wait for room in the queue of one that hangs
    try:
        made.connect(_unix_address(path))
    except OSError:
        made.close()
        raise
    return made


def unix_listen(path, kind, backlog):
    """A non-blocking listener at a Unix path. Raises OSError."""
    made = socket.socket(AF_UNIX, kind)
    try:
        made.bind(_unix_address(path))
        made.listen(backlog)
    except OSError:
        made.close()
        raise
    made.setblocking(False)
    return made


def netlink(address):
    """A non-blocking route netlink socket bound to a struct sockaddr_nl. Raises OSError."""
    made = socket.socket(AF_NETLINK, SOCK_RAW, 0)
    made.bind(address if MICROPYTHON else (0, int.from_bytes(address[8:12], sys.byteorder)))
    made.setblocking(False)
    return made


if MICROPYTHON:

    def receive_into(sock, buffer):
        """Octets received into buffer; 0 at the end of a stream; WOULD_BLOCK. Raises OSError."""
        try:
            data = sock.recv(len(buffer))
        except OSError as e:
            if e.errno == EAGAIN:
                return WOULD_BLOCK
            raise
        buffer[: len(data)] = data
        return len(data)

    def receive_datagram_into(sock, buffer):
        """The same, of one datagram."""
        try:
            data = sock.recv(_SHORT_SIZE, _MSG_PEEK)
            if len(data) < _SHORT_SIZE:
                sock.recv(1)  # takes all of it away
            else:
                data = sock.recv(len(buffer))
        except OSError as e:
            if e.errno == EAGAIN:
                return WOULD_BLOCK
            raise
        buffer[: len(data)] = data
        return len(data)

else:

    def receive_into(sock, buffer):
        """Octets received into buffer; 0 at the end of a stream; WOULD_BLOCK. Raises OSError."""
        try:
            return sock.recv_into(buffer)
        except BlockingIOError:
            return WOULD_BLOCK

    receive_datagram_into = receive_into
