"""How octets get into a board's memory, while its boot loader waits for them: by network, or by the line."""

import logging
import tempfile
import threading
from pathlib import Path

import tftpy
from ymodem.Socket import ModemSocket

from .line import LineTrouble

TFTP_PORT = 69
TFTP_S, BEGIN_S = 60, 10

for _name in ("tftpy", "ModemSocket"):  # what goes wrong is said by who called
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class TftpServer:
    """One for all boards. host: this machine's address in their network. Raises LineTrouble."""

    def __init__(self, host):
        self.host = host
        self._folder = tempfile.TemporaryDirectory(prefix="careof-tftp-")
        self._server, self._fault = tftpy.TftpServer(self._folder.name), None
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        while not self._server.is_running.wait(0.1):
            if self._fault is not None:
                self._folder.cleanup()
                raise LineTrouble(f"TFTP cannot be served at {host}: {self._fault}")

    def _listen(self):
        try:
            self._server.listen(self.host, TFTP_PORT)
        except OSError as e:
            self._fault = e

    def file(self, name):
        return Path(self._folder.name, name)

    def close(self):
        self._server.stop(now=True)
        self._thread.join()
        self._folder.cleanup()


class Tftp:
    """To the board whose loader takes that address."""

    name = "TFTP"

    def __init__(self, server, address):
        self._server, self._address = server, address

    def open(self, uboot):
        uboot.run(f"setenv ipaddr {self._address}")
        uboot.run(f"setenv serverip {self._server.host}")

    def load(self, uboot, address, octets, name):
        """Raises LineTrouble with what the loader says."""
        file = self._server.file(f"{self._address}-{name}")
        file.write_bytes(octets)
        text = uboot.run(f"tftpboot {address:#x} {file.name}", TFTP_S)
        file.unlink()
        if f"Bytes transferred = {len(octets)} " not in text:
            raise LineTrouble(
                f"TFTP of {name}: expected {len(octets)} octets, the loader says {text[-300:]!r}"
            )


class Ymodem:
    name = "YMODEM"

    def __init__(self, line):
        self._line = line

    def open(self, uboot):
        """Nothing to prepare."""

    def load(self, uboot, address, octets, name):
        """Raises LineTrouble if it is not taken."""
        uboot.begin(f"loady {address:#x}")
        self._line.expect(rb"C", BEGIN_S, "the loader's wish to receive")
        with tempfile.TemporaryDirectory(prefix="careof-ymodem-") as folder:
            file = Path(folder, name)
            file.write_bytes(octets)
            modem = ModemSocket(self._line.read_exactly, lambda data, _timeout_s=None: self._line.send(data))
            sent = modem.send([str(file)])
        uboot.catch(BEGIN_S)
        if not sent:
            raise LineTrouble(f"YMODEM of {name}: the loader did not take it")
