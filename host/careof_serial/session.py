"""A conversation with a router: find out what is at the other end, come to the console, give it commands.

    silence        -> an error that names the port and its speed
    noise          -> an error: another speed, most likely
    login:         -> name and password, if there are any
    Enter, please  -> Enter
    a shell        -> `careof console`
    careof>        -> here we are

On a line that loses octets a command may arrive as another or not at all: commands whose repetition does no
harm are repeated, and files go with checksums (transfer).
"""

import re
import time

from .port import PortError

ANSI = re.compile(rb"\x1b\[[?0-9;]*[@-~]|\x1b[=>]")
CONSOLE = re.compile(rb"(?:^|[\r\n])careof(?:\*| \(on trial\))?> ?$")
SHELL = re.compile(rb"[#$] ?$")
LOGIN = re.compile(rb"(?i)login: ?$")
PASSWORD = re.compile(rb"(?i)password: ?$")
ENTER = re.compile(rb"(?i)press enter[^\r\n]*[\r\n]*$")
LOADER = re.compile(rb"(?:^|[\r\n])(?:=>|U-Boot>|[a-zA-Z0-9_-]+ ?#) ?$")
XON, KILL_LINE, INTERRUPT, ENTER_KEY = b"\x11", b"\x15", b"\x03", b"\r"
CANCEL = b"\x18\x18"  # of a file transfer that was broken off

ATTACH_S = 20  # for a router that answers, with its login
SILENCE_S = 3  # after which it is asked again
COMMAND_S = 60
BEGIN_S, TRIES = 10, 3  # a command that is not answered so soon was lost on its way
QUIET_S = 5  # then the prompt itself was lost: Enter brings another
NOISE_MIN = 24  # octets heard before it may be called noise
NOISE_SHARE = 0.3  # of them that no terminal would get


def is_noise(heard):
    """Is most of it what a UART makes of another speed?"""
    text = ANSI.sub(b"", heard)
    if len(text) < NOISE_MIN:
        return False
    odd = sum(octet >= 0x80 or (octet < 0x20 and octet not in b"\r\n\t\b\x07\x1b") for octet in text)
    return odd > NOISE_SHARE * len(text)


def plain(heard):
    """Octets as lines of text, without what moves the cursor."""
    text = ANSI.sub(b"", heard).decode(errors="replace").replace("\r\n", "\n").replace("\r", "")
    while "\b" in text:
        text = re.sub("[^\b]?\b", "", text, count=1)
    return text


class Session:
    """port: a Port. user, password: for a login. say(text): progress, for a person."""

    def __init__(self, port, user=None, password=None, say=lambda text: None):
        self.port = port
        self._user, self._password, self._say = user, password, say
        self.heard = b""
        self._is_echoed = True  # is the first line that is heard the command itself?

    # -- Hearing

    def hear(self, wait_s=0.1):
        data = self.port.read(wait_s)
        self.heard += data
        return data

    def expect(self, pattern, timeout_s=COMMAND_S):
        """The match of a regular expression (octets); what came before it is dropped. Raises PortError."""
        compiled = re.compile(pattern)
        deadline = time.monotonic() + timeout_s
        while True:
            text = ANSI.sub(b"", self.heard)
            found = compiled.search(text)
            if found:
                self.heard = text[found.end() :]
                return found
            if time.monotonic() > deadline:
                raise PortError(
                    self._unheard(f"nothing like {compiled.pattern.decode()!r} in {timeout_s:g} s")
                )
            self.hear()

    def _unheard(self, why):
        where = f"{self.port.url} at {self.port.speed}"
        if not self.heard:
            return f"{where}: {why}: nothing was heard. Is the router on, the cable in, and the speed right?"
        if is_noise(self.heard):
            return f"{where}: {why}: what comes is noise. Is the router's speed another, or the cable bad?"
        return f"{where}: {why}; last heard: {plain(self.heard)[-200:]!r}"

    # -- Coming to the console

    def attach(self, timeout_s=None):
        """Until careof's prompt is there. Raises PortError."""
        deadline = time.monotonic() + (ATTACH_S if timeout_s is None else timeout_s)
        # Whatever somebody left half typed is not to be entered; ^C is for what does not answer otherwise, as
        # it would end a console that is just starting.
        gentle, firm = XON + KILL_LINE + ENTER_KEY, XON + CANCEL + INTERRUPT + ENTER_KEY
        tries = [gentle, gentle]
        self.port.write(gentle)
        asked = time.monotonic()
        while True:
            self.hear()
            now = time.monotonic()
            if now - asked >= 0.3 and self._answer():
                if CONSOLE.search(self._end()):
                    self.heard = b""
                    return
                self.heard = b""
                asked = now
            elif now - asked > SILENCE_S:
                self.port.write(tries.pop() if tries else firm)
                asked = now
            if now > deadline:
                raise PortError(self._unheard("careof's console does not come"))

    def _end(self):
        return ANSI.sub(b"", self.heard)

    def _answer(self):
        """Do what the last line asks for; False: it asks for nothing that we know."""
        end = self._end()
        if CONSOLE.search(end):
            return True
        if LOGIN.search(end):
            if self._user is None:
                raise PortError(f"{self.port.url}: a login is wanted: expected --user, and CAREOF_PASSWORD")
            self._say(f"logging in as {self._user}")
            self.port.write(self._user.encode() + ENTER_KEY)
        elif PASSWORD.search(end):
            if self._password is None:
                raise PortError(f"{self.port.url}: a password is wanted: expected one in CAREOF_PASSWORD")
            self.port.write(self._password.encode() + ENTER_KEY)
        elif ENTER.search(end):
            self.port.write(ENTER_KEY)
        elif LOADER.search(end) and b"=>" in end[-4:]:
            raise PortError(f"{self.port.url}: that is the boot loader: expected a router that is up")
        elif SHELL.search(end):
            self._say("a shell: starting careof console")
            self.port.write(b"careof console" + ENTER_KEY)
        else:
            return False
        return True

    # -- Commands

    def command(self, text, timeout_s=COMMAND_S):
        """Lines that a command says, up to the next prompt. Raises PortError."""
        self.begin(text)
        return self.finish(timeout_s)

    def begin(self, text, answer=None):
        """Type a command; what it says is heard after. answer: what it says first; without that it is typed
        again, so its repetition must do no harm."""
        for attempt in range(1, TRIES + 1):
            while self.port.read(0.05):
                pass
            self.heard, self._is_echoed = b"", answer is None
            self.port.write((b"" if attempt == 1 else INTERRUPT) + text.encode() + ENTER_KEY)
            if answer is None:
                return
            try:
                self.expect(answer, BEGIN_S)
                return
            except PortError:
                if attempt == TRIES:
                    raise

    def finish(self, timeout_s=COMMAND_S):
        """Lines up to the next prompt, without the command's own."""
        deadline = time.monotonic() + timeout_s
        heard = time.monotonic()
        while True:
            text = self._end()
            end = CONSOLE.search(text)
            if end and b"\n" in text and not self.hear(0.3):
                self.heard = b""
                lines = [line.rstrip() for line in plain(text[: end.start()]).split("\n")]
                return [line for line in lines[self._is_echoed :] if line]
            now = time.monotonic()
            if self.hear():
                heard = now
            elif now - heard > QUIET_S:
                self.port.write(XON + ENTER_KEY)
                heard = now
            if now > deadline:
                raise PortError(self._unheard(f"no prompt within {timeout_s:g} s"))
