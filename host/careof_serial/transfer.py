"""Files by YMODEM, over a Port, with the `ymodem` library.

The library waits a second for an answer; a slow line takes longer for a block of 1024 octets alone. So slow
lines get blocks of 128, and every wait is at least what the octets need, and three seconds. It tells a
transfer that was given up from one that is done by nothing: whether the file arrived is for the other end to
say, or for its size.
"""

import logging
import tempfile
from pathlib import Path

from ymodem.Socket import ModemSocket

from .port import PortError

WAIT_S = 3
SLOW = 38400  # baud: below, blocks are small
BITS = 10  # on the line for an octet

logging.getLogger("ModemSocket").setLevel(logging.CRITICAL)  # what goes wrong is said once, by us


class TransferError(Exception):
    """A file that did not arrive."""


def _modem(port, failures):
    """failures: PortErrors, which the library would swallow."""

    def read(size, timeout=1):
        if failures:
            return None
        try:
            return port.read_exactly(size, max(timeout, WAIT_S, 2 * size * BITS / port.speed))
        except PortError as error:
            failures.append(error)
            return None

    def write(data, timeout=1):
        if failures:
            return None
        try:
            port.write(bytes(data))
        except PortError as error:
            failures.append(error)
        return len(data)

    return ModemSocket(read, write, packet_size=128 if port.speed < SLOW else 1024)


def send(port, data, name, progress=None):
    """Send octets as a file. Raises TransferError, PortError."""
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        port.flow_control(False)
        try:
            done = _modem(port, failures).send([str(path)], callback=_callback(progress))
        finally:
            port.flow_control(True)
    if failures:
        raise failures[0]
    if not done:
        raise TransferError(f"{name} was not sent: the other end stopped answering")


def receive(port, progress=None):
    """The octets of the one file that comes. Raises TransferError, PortError."""
    failures, sizes = [], []

    def note(number, name, total, received):
        sizes[:] = [total]
        if progress is not None:
            progress(received, total)

    with tempfile.TemporaryDirectory() as folder:
        port.flow_control(False)
        try:
            _modem(port, failures).recv(folder, callback=note)
        except (ValueError, TypeError) as error:  # what the library does not expect in a header
            raise TransferError(f"what came is no file that YMODEM sends: {error}") from None
        finally:
            port.flow_control(True)
        if failures:
            raise failures[0]
        files = list(Path(folder).iterdir())
        if len(files) != 1:
            raise TransferError("no file came: the other end gave up, or the line is too bad")
        data = files[0].read_bytes()
    if sizes and len(data) != sizes[0]:
        raise TransferError(f"the file is cut: {len(data)} octets of {sizes[0]}")
    return data


def _callback(progress):
    return None if progress is None else lambda number, name, total, sent: progress(sent, total)
