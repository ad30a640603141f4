"""A shell on a serial console, as pyserial reaches it: a pty, a real port, or socket://host:port."""

import re
import time

import serial


class Console:
    """Everything that is heard goes to `log` too."""

    def __init__(self, url, log):
        self._port = serial.serial_for_url(url, baudrate=115200, timeout=0.1)
        self._log = open(log, "wb")  # noqa: SIM115  (until close)
        self._heard = b""
        self._number = 0

    def wait_for(self, pattern, timeout_s):
        """What matches a regular expression (octets), and everything before it is dropped."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = re.search(pattern, self._heard)
            if found:
                self._heard = self._heard[found.end() :]
                return found
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing like {pattern!r} on the console; last: {self._heard[-300:]!r}")
            try:
                more = self._port.read(4096)
            except serial.SerialException as e:
                raise TimeoutError(f"the console is gone ({e}); last: {self._heard[-300:]!r}") from None
            self._log.write(more)
            self._log.flush()
            self._heard += more

    def run(self, command, timeout_s=20):
        """(exit status, what it printed) of a shell command."""
        self._number += 1
        begin, end = f"<{self._number}>", f"</{self._number}:"
        # The marks are written so that their echo on the console is no mark.
        self._port.write(f"echo '<''{self._number}>'; {command}; echo '<''/{self._number}:'$?:\n".encode())
        self.wait_for(re.escape(begin).encode(), timeout_s)
        found = self.wait_for(rb"(?s)(.*?)" + re.escape(end).encode() + rb"(\d+):", timeout_s)
        return int(found[2]), found[1].decode(errors="replace").replace("\r", "").strip()

    def close(self):
        self._port.close()
        self._log.close()
