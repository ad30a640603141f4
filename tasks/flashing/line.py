"""The serial line to a boot loader: what comes is looked for patterns, and kept for who wants to read it."""

import re
import time

from careof_serial.port import Port, PortError

READ_S = 0.05
SHOWN = 200  # octets of what came last, in an error


class LineTrouble(Exception):
    """The line, or who is at its other end, does not do what it should; str() says what was expected."""


class Line:
    """url: any that pyserial takes. log: a file that all octets that come are appended to, or None."""

    def __init__(self, url, speed, log=None):
        self.url, self._log = url, log
        self._seen = b""
        try:
            self._port = Port(url, speed)
        except PortError as e:
            raise LineTrouble(str(e)) from None
        self._port.flow_control(False)  # a boot loader knows of none

    def close(self):
        self._port.close()

    def send(self, octets):
        try:
            self._port.write(octets)
        except PortError as e:
            raise LineTrouble(str(e)) from None

    def read(self):
        """What has come; b"" if nothing did for a moment."""
        try:
            octets = self._port.read(READ_S)
        except PortError as e:
            raise LineTrouble(str(e)) from None
        if self._log is not None:
            self._log.write(octets)
        return octets

    def read_exactly(self, size, timeout_s):
        """So many octets, or fewer if they do not come in time."""
        end = time.monotonic() + timeout_s
        while len(self._seen) < size and time.monotonic() < end:
            self._seen += self.read()
        found, self._seen = self._seen[:size], self._seen[size:]
        return found

    def forget(self):
        """What came until now is not looked at any more."""
        while self.read():
            pass
        self._seen = b""

    def wait(self, pattern, timeout_s):
        """What came up to where a pattern (a regular expression) matched; None: it did not in time."""
        wanted, end = re.compile(pattern), time.monotonic() + timeout_s
        while True:
            found = wanted.search(self._seen)
            if found:
                text, self._seen = self._seen[: found.end()], self._seen[found.end() :]
                return text
            if time.monotonic() >= end:
                return None
            self._seen += self.read()

    def expect(self, pattern, timeout_s, what):
        """As wait(), but LineTrouble if it does not come: `what` says what was expected."""
        found = self.wait(pattern, timeout_s)
        if found is None:
            raise LineTrouble(f"{self.url}: {what} did not come in {timeout_s:.0f} s: {self.impression()}")
        return found

    def impression(self):
        """What is to be made of what came last, in words."""
        seen = self._seen[-SHOWN:]
        if not seen:
            return "nothing comes: is the board on, the cable right (TX to RX), and is this the port?"
        odd = sum(octet > 126 or (octet < 32 and octet not in b"\r\n\t\b\x1b") for octet in seen)
        if odd * 4 > len(seen):
            return f"garbage comes: is the speed right? {seen[-40:]!r}"
        return f"last came {seen.decode('ascii', 'replace')!r}"
