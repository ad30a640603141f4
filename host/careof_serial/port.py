"""A serial port, by pyserial's URL. Whatever goes wrong with it is a PortError that says what and where."""

import contextlib
import errno
import termios
import time

import serial

SPEED = 115200
PIECE = 4096
STEP_S = 0.05  # of pyserial's own waiting: to change it is a conversation with a terminal server
# What a write may take beyond what its octets need on the line, before the other end counts as gone.
WRITE_S = 30
CAUSES = {
    errno.ENOENT: "there is no such device: is the adapter plugged in?",
    errno.EACCES: "no right to use it: expected to be in the group dialout, or root",
    errno.EBUSY: "another program has it",
    errno.ECONNREFUSED: "nobody listens there: is the terminal server or the emulator up?",
    errno.EHOSTUNREACH: "that host cannot be reached",
    errno.ETIMEDOUT: "that host does not answer",
    errno.ENOTTY: "it is no serial port",
    errno.ENXIO: "no serial port is behind that name",
}


class PortError(Exception):
    """Why a port cannot be used, or can no more."""


def cause(error):
    """The words for what pyserial raised."""
    numbers = [getattr(error, "errno", None), getattr(error.__context__, "errno", None)]
    for number in numbers:
        if number in CAUSES:
            return CAUSES[number]
    text = str(error)
    for number, words in CAUSES.items():
        if f"[Errno {number}]" in text or f"({number}, " in text:
            return words
    return text


class Port:
    """Octets in and out. speed: baud; a URL that is no tty may have none."""

    def __init__(self, url, speed=SPEED):
        """Raises PortError."""
        self.url, self.speed = url, speed
        try:
            self._serial = serial.serial_for_url(url, baudrate=speed, timeout=STEP_S, xonxoff=True)
            if "://" not in url:  # others have none
                self._serial.write_timeout = WRITE_S
        except ValueError as error:
            raise PortError(f"{url} at {speed}: {error}") from None
        except (OSError, serial.SerialException, termios.error) as error:
            raise PortError(f"{url}: {cause(error)}") from None

    def _gone(self, error):
        return PortError(
            f"{self.url}: gone while in use (cable or adapter pulled, or the other end closed): {error}"
        )

    def read(self, wait_s=STEP_S):
        """What comes within that time, b"" if nothing does. Raises PortError."""
        try:
            data = self._first(time.monotonic() + wait_s)
            while data and self._serial.in_waiting and len(data) < PIECE:
                data += self._serial.read(self._serial.in_waiting)
            return data
        except (OSError, serial.SerialException) as error:
            raise self._gone(error) from None

    def _first(self, deadline):
        while True:
            data = self._serial.read(1)
            if data or time.monotonic() >= deadline:
                return data

    def read_exactly(self, size, wait_s):
        """So many octets, or fewer if they do not come in time. Raises PortError."""
        deadline = time.monotonic() + wait_s
        data = b""
        try:
            while len(data) < size and time.monotonic() < deadline:
                data += self._serial.read(size - len(data))
            return data
        except (OSError, serial.SerialException) as error:
            raise self._gone(error) from None

    def write(self, data):
        """Returns when it is on the line. Raises PortError."""
        try:
            self._serial.write(data)
            with contextlib.suppress(AttributeError, NotImplementedError):
                self._serial.flush()
        except serial.SerialTimeoutException:
            why = (
                f"nothing was taken for {WRITE_S} s: the other end holds the line (XOFF), or nothing is there"
            )
            raise PortError(f"{self.url}: {why}") from None
        except (OSError, serial.SerialException) as error:
            raise self._gone(error) from None

    def flow_control(self, on):
        """XON and XOFF have their meaning, or are octets like all others."""
        with contextlib.suppress(ValueError, NotImplementedError, OSError, serial.SerialException):
            self._serial.xonxoff = on

    def close(self):
        with contextlib.suppress(OSError, serial.SerialException):
            self._serial.close()
