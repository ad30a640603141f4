"""A person at the router's console: what is typed goes there, what comes is shown. ^] leaves."""

import os
import select
import sys
import termios
import tty

from .session import is_noise

LEAVE = b"\x1d"
HINT_S = 5


def run(port, source=0, sink=1):
    """Until ^] or the end of input. Raises PortError when the port is gone."""
    before = termios.tcgetattr(source) if os.isatty(source) else None
    if before is not None:
        tty.setraw(source)
    heard = b""
    try:
        while True:
            if select.select([source], [], [], 0)[0]:
                typed = os.read(source, 1024)
                if not typed or LEAVE in typed:
                    port.write(typed.split(LEAVE)[0])
                    return
                port.write(typed)
            data = port.read(0.02)
            if data:
                _write_all(sink, data)
                if heard is not None:
                    heard = (heard + data)[:512]
                    if is_noise(heard):
                        hint = f"\r\n[what comes looks like noise: is {port.speed} the right speed?]\r\n"
                        _write_all(sink, hint.encode())
                        heard = None
    finally:
        if before is not None:
            termios.tcsetattr(source, termios.TCSADRAIN, before)
            sys.stderr.write("\n")


def _write_all(descriptor, data):
    while data:
        data = data[os.write(descriptor, data) :]
