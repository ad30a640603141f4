"""YMODEM, both ends: a file over a line that loses and garbles octets (Forsberg, "XMODEM/YMODEM Protocol
Reference", 1988). Machines without I/O: octets in, octets out.

    receiver                       sender
    "C" (again each 3 s)  ------>
                          <------  block 0: name NUL size NUL
    ACK, "C"              ------>
                          <------  blocks 1 ... (128 or 1024 octets, number, complement, CRC-16)
    ACK, or NAK: again    ------>
                          <------  EOT
    ACK, "C"              ------>                   (NAK, once, if more should come: it may be noise)
                          <------  block 0 without a name: no more files
    ACK                   ------>

Every wait is bounded (TRIES times WAIT_MS), as is what is taken (size_max). Two CAN in a row end it.
"""

SOH, STX, EOT, ACK, NAK, CAN, WANTED = 0x01, 0x02, 0x04, 0x06, 0x15, 0x18, 0x43
SMALL, LARGE = 128, 1024
PAD = 0x1A
WAIT_MS = 3000
TRIES = 10
FIRST_TRIES = 20  # a minute for somebody to start the other end
GIVE_UP = bytes((CAN, CAN, CAN, 8, 8, 8))  # and the CANs off a screen that they may reach


def _of_nibble(nibble):
    crc = nibble << 12
    for _ in range(4):
        crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


_NIBBLES = tuple(
    [_of_nibble(nibble) for nibble in range(16)]
)  # a router's time for eight bits each is too much


def crc16(data):
    """CCITT, from 0: what XMODEM-CRC and its heirs have."""
    crc = 0
    for octet in data:
        crc = (crc << 4 & 0xFFFF) ^ _NIBBLES[crc >> 12 ^ octet >> 4]
        crc = (crc << 4 & 0xFFFF) ^ _NIBBLES[crc >> 12 ^ octet & 15]
    return crc


def block(number, data):
    size = SMALL if len(data) <= SMALL else LARGE
    data = data + bytes((PAD,)) * (size - len(data)) if number or data[:1] != b"\0" else data
    crc = crc16(data)
    kind = SOH if size == SMALL else STX
    return bytes((kind, number & 0xFF, ~number & 0xFF)) + data + bytes((crc >> 8, crc & 0xFF))


class _Machine:
    """feed(octets) and late(), when nothing came for WAIT_MS: octets to send. done, error: how it ended."""

    def __init__(self):
        self.done, self.error = False, None
        self._tries = 0
        self._cancels = 0

    def _fail(self, why):
        self.error = why
        return GIVE_UP

    def _is_cancelled(self, octet):
        self._cancels = self._cancels + 1 if octet == CAN else 0
        return self._cancels == 2


class Receiver(_Machine):
    """One file: name and data. After it `data` is whole, as long as the sender said."""

    def __init__(self, size_max):
        _Machine.__init__(self)
        self.name, self.data = None, b""
        self._pieces, self._taken = [], 0
        self._size_max, self._size = size_max, None
        self._next = 0
        self._buffer = b""
        self._ends = 0
        self._is_over = False  # the file is here; the sender has to say that there is no other

    def begin(self):
        return bytes((WANTED,))

    def late(self):
        self._tries += 1
        self._buffer = b""
        if self._is_over and self._tries >= 3:
            self.done = True  # the last block or its ACK was lost: the file is here
            return b""
        if self._tries >= (FIRST_TRIES if self.name is None else TRIES):
            return self._fail("nothing came for %d s" % (self._tries * WAIT_MS // 1000))
        return bytes((WANTED if self.name is None or (self._next == 1 and not self._taken) or self._is_over
                      else NAK,))  # fmt: skip

    def feed(self, octets):
        self._buffer += octets
        out = b""
        while self._buffer and not self.done and self.error is None:
            first = self._buffer[0]
            if first in (SOH, STX):
                size = (SMALL if first == SOH else LARGE) + 5
                if len(self._buffer) < size:
                    break
                whole, self._buffer = self._buffer[:size], self._buffer[size:]
                out += self._block(whole)
                continue
            self._buffer = self._buffer[1:]
            if self._is_cancelled(first):
                self.error = "the other end gave up"
            elif first == EOT and self.name is not None:
                out += self._end()
        return out

    def _block(self, whole):
        number, data, crc = whole[1], whole[3:-2], whole[-2] << 8 | whole[-1]
        if number ^ whole[2] != 0xFF or crc16(data) != crc:
            self._buffer = b""  # whatever follows is of the same block; it comes again
            self._tries += 1
            if self._tries >= TRIES:
                return self._fail("%d blocks in a row were garbled" % self._tries)
            return bytes((NAK,))
        self._tries = 0
        if (self.name is None or self._is_over) and number == 0:
            return self._header(data)
        if number == (self._next - 1) & 0xFF:
            # Our ACK was lost. After block 0 the sender waits for "C" besides.
            return bytes((ACK, WANTED)) if self._next == 1 and not self._taken else bytes((ACK,))
        if number != self._next & 0xFF or self.name is None:
            return self._fail("block %d came instead of %d" % (number, self._next & 0xFF))
        self._taken += len(data)
        if self._taken > self._size_max + LARGE:
            return self._fail("more than %d octets" % self._size_max)
        self._pieces.append(data)
        self._next += 1
        return bytes((ACK,))

    def _header(self, data):
        name, _, rest = data.partition(b"\0")
        if not name:
            if self.name is None:
                return self._fail("the other end sent no file")
            self.done = True
            return bytes((ACK,))
        if self._is_over:
            return self._fail("expected one file only")
        size = rest.split(b"\0")[0].split(b" ")[0]
        try:
            self._size = int(size) if size else None
            self.name = name.decode()
        except (ValueError, UnicodeError):
            return self._fail("a header that cannot be read")
        if self._size is not None and self._size > self._size_max:
            return self._fail("%d octets, at most %d" % (self._size, self._size_max))
        self._next = 1
        return bytes((ACK, WANTED))

    def _end(self):
        self._ends += 1
        whole = self._size is not None and self._taken >= self._size
        if self._ends == 1 and not whole:
            return bytes((NAK,))
        if not self._is_over:
            data = b"".join(self._pieces)
            if self._size is None:
                data = data.rstrip(bytes((PAD,)))
            elif len(data) < self._size:
                return self._fail("%d octets of %d" % (len(data), self._size))
            else:
                data = data[: self._size]
            self.data, self._is_over, self._pieces = data, True, []
        return bytes((ACK, WANTED))


class Sender(_Machine):
    def __init__(self, name, data):
        _Machine.__init__(self)
        # Size, and no date, mode and serial number: all four may be left out, but some receivers want them.
        header = name.encode() + b"\0" + str(len(data)).encode() + b" 0 0 0\0"
        self._blocks = [block(0, _padded(header))]
        for number in range((len(data) + LARGE - 1) // LARGE):
            self._blocks.append(block(number + 1, data[number * LARGE : (number + 1) * LARGE]))
        self._at = None  # index of the block on its way; None: nobody asked yet
        self._state = "wanted"  # -> header -> data -> end -> last -> done

    def begin(self):
        return b""

    def late(self):
        self._tries += 1
        if self._tries >= (FIRST_TRIES if self._state == "wanted" else TRIES):
            return self._fail("no answer for %d s" % (self._tries * WAIT_MS // 1000))
        return b"" if self._state == "wanted" else self._now()

    def feed(self, octets):
        out = b""
        for octet in octets:
            if self.done or self.error:
                break
            if self._is_cancelled(octet):
                self.error = "the other end gave up"
            elif octet in (ACK, NAK, WANTED):
                out += self._answer(octet)
        return out

    def _now(self):
        """What is on its way, once more."""
        if self._state in ("end", "ended"):
            return bytes((EOT,))
        if self._state == "last":
            return block(0, bytes(SMALL))
        return self._blocks[self._at]

    def _again(self):
        self._tries += 1
        if self._tries >= TRIES:
            return self._fail("%d times refused" % self._tries)
        return self._now()

    def _answer(self, octet):
        state = self._state
        if state == "wanted":
            if octet != WANTED:
                return b""
            self._state, self._at, self._tries = "header", 0, 0
            return self._now()
        if octet == NAK:
            return self._again()
        if state == "header":
            # ACK, then "C": the data may begin. A second "C" without ACK asks for the header again.
            if octet == ACK:
                self._state = "acknowledged"
            return b"" if octet == ACK else self._again()
        if state == "acknowledged":
            if octet != WANTED:
                return b""
            return self._next()
        if state == "data":
            return self._next() if octet == ACK else b""
        if state == "end":
            if octet == ACK:
                self._state, self._tries = "ended", 0
            return b""
        if state == "ended":
            if octet != WANTED:
                return b""
            self._state, self._tries = "last", 0
            return self._now()
        if octet == ACK:
            self.done = True
        return b""

    def _next(self):
        self._tries = 0
        self._at += 1
        self._state = "data" if self._at < len(self._blocks) else "end"
        return self._now()


def _padded(header):
    return header + bytes((SMALL if len(header) <= SMALL else LARGE) - len(header))
