"""U-Boot at the other end of a serial line.

A command is typed without its end, and what comes back is compared with it: only then is Return sent. So
noise on the line, or a character that was lost, can never make another command of it ("erase" of another
place); it is typed again.
"""

import re
import time

from .line import LineTrouble

TRIES = 5
ECHO_S, CATCH_GAP_S = 2, 0.15
CANCEL = b"\x03"


class UBoot:
    """loader: the table of board/. say(text): for who waits."""

    def __init__(self, line, loader, say=lambda text: None):
        self._line, self._say = line, say
        self._prompt_seen = re.compile(rb"(?:^|[\r\n])" + loader["prompt"].encode())
        self._prompt = re.compile(self._prompt_seen.pattern + rb"$")
        self._interrupt = loader.get("interrupt", " ").encode()

    def catch(self, timeout_s):
        """Stop its countdown, or find that it waits for commands already. The board may be off until now."""
        line, end = self._line, time.monotonic() + timeout_s
        line.send(CANCEL)
        self._say("waiting for the boot loader: switch the board on, or off and on")
        while time.monotonic() < end:
            if line.wait(self._prompt_seen, CATCH_GAP_S) is not None:  # and what was sent too much after it
                self._settle()
                return
            line.send(self._interrupt)
        raise LineTrouble(
            f"{line.url}: the boot loader's prompt did not come in {timeout_s:.0f} s: {line.impression()}"
        )

    def _settle(self):
        """A line of its own: what was sent too much is no part of a command."""
        for _ in range(TRIES):
            self._line.send(CANCEL)
            time.sleep(2 * CATCH_GAP_S)
            self._line.forget()
            self._line.send(CANCEL)
            if self._line.wait(self._prompt, ECHO_S) is not None:
                return
        raise LineTrouble(
            f"{self._line.url}: the boot loader's prompt comes and goes: {self._line.impression()}"
        )

    def run(self, command, timeout_s=10):
        """Its output, a text. Raises LineTrouble if the prompt does not come back in time."""
        self.begin(command)
        found = self._line.expect(self._prompt, timeout_s, f"the prompt after '{command}'")
        text = found.decode("ascii", "replace").replace("\r", "")
        return text[: text.rfind("\n")].strip("\n") if "\n" in text else ""

    def begin(self, command):
        """Have it run a command, and do not wait for its end."""
        typed = command.encode()
        for _ in range(TRIES):
            self._line.send(typed)
            if self._line.read_exactly(len(typed), ECHO_S) == typed:
                self._line.send(b"\r")
                return
            self._settle()
        raise LineTrouble(
            f"{self._line.url}: '{command}' came back otherwise than typed, {TRIES} times: noise on the line?"
        )

    def crc32(self, address, size, timeout_s):
        """Of some of its memory."""
        command = f"crc32 {address:#x} {size:#x}"
        text = self.run(command, timeout_s)
        found = re.search(r"==> ([0-9a-fA-F]{8})", text)
        if not found:
            raise LineTrouble(f"{self._line.url}: '{command}': expected a checksum, got {text!r}")
        return int(found[1], 16)
