"""A session at the console: octets of the terminal become lines, lines become commands, and lines come back.

    idle --line--> command --lines--> idle
    idle --load--> loading --"." or ^D--> idle           (lines of a file)
    idle --a secret, a question--> answering --line--> idle

A command's lines are queued as they come, and what was typed meanwhile waits. While a paste comes in, its
lines say nothing but what went wrong, with the line itself, which was not on the screen.
"""

import os

from ..limits import CONSOLE_IDLE_MS, CONSOLE_PASTE_GAP_MS, CONSOLE_QUEUE_MAX
from ..status.connection import Connection
from ..status.connection import Refused as CareofdRefused
from ..status.tables import LISTS, Listing
from ..system import trial
from . import machine, redaction, ymodem
from .candidate import Candidate, Refused
from .commands import COMMANDS
from .editor import LINE_SIZE_MAX, Editor, End, Interrupt
from .grammar import Grammar
from .terminal import Hangup

PROMPT, PROMPT_CHANGED, PROMPT_TRIAL = "careof> ", "careof*> ", "careof (on trial)> "
FILE_SIZE_MAX = 1 << 19
TAKEN = 256  # octets handed to the editor at a time
BRACKETED_PASTE_ON, BRACKETED_PASTE_OFF = b"\x1b[?2004h", b"\x1b[?2004l"
CANCEL = 3
MONITOR_WAIT_MS = 100
NO_MEMORY = "not done: there is not enough memory for it"


class Session:
    """place: committing.Place. terminal: terminal.Terminal, or a test's. width: columns."""

    def __init__(self, place, terminal, width):
        """Raises Refused if the configuration cannot be read."""
        self.place, self._terminal = place, terminal
        self.candidate = Candidate(place.config_path)
        self.grammar = Grammar(COMMANDS, self.candidate, machine.devices, width)
        self._editor = Editor(self.grammar, PROMPT, width)
        self._running = True
        self._connection = None
        self._take_line = self._command_line  # who gets the next line
        self._loading = None
        self._was_on_trial = False
        self._left_once = False
        self.refused = False  # the last command, or what it asked for
        self.is_script = not terminal.is_tty

    # -- The loop

    def run_until_left(self):
        """Returns when the user leaves. Raises Hangup."""
        terminal = self._terminal
        terminal.raw()
        terminal.send(BRACKETED_PASTE_ON)
        try:
            while self._running:
                self.turn()
            terminal.send(BRACKETED_PASTE_OFF)
            terminal.flush()
        finally:
            terminal.restore()

    def run_script(self, lines):
        """Lines of a file, or one of the command line; ends with the first that is refused. Did none?"""
        for line in lines:
            self._take_line(line)
            self._terminal.flush()
            if self.refused or not self._running:
                break
        if self._loading is not None:
            self._end_load()
            self._terminal.flush()
        if self.candidate.is_changed and self._running and not self.refused:
            self._refuse(["changes that are not committed are dropped"])
            self._terminal.flush()
        return not self.refused

    def turn(self):
        terminal, editor = self._terminal, self._editor
        waits = not terminal.received and not terminal.queued
        if waits:
            self._set_prompt()
            editor.refresh()
            terminal.send(editor.take_output())
            waits = not terminal.queued
        if not terminal.pump(CONSOLE_IDLE_MS if waits else 5) and waits:
            editor.idle()
        while self._running and terminal.received and terminal.queued < CONSOLE_QUEUE_MAX:
            self._feed(terminal.take(TAKEN))

    def _feed(self, octets):
        terminal, editor = self._terminal, self._editor
        if octets[-1:] in (b"?", b"\t") and not terminal.input_waits():
            terminal.pump(CONSOLE_PASTE_GAP_MS)  # a paste goes on at once, a finger does not
        for index in range(len(octets)):
            more = index + 1 < len(octets) or terminal.input_waits()
            for event in editor.feed(octets[index : index + 1], more):
                terminal.send(editor.take_output())
                self._handle(event)
        terminal.send(editor.take_output())

    def _handle(self, event):
        if isinstance(event, Interrupt):
            self._back_to_commands()
        elif isinstance(event, End):
            if self._loading is not None:
                self._end_load()
            else:
                self._back_to_commands()
                self.say(self.leave())
        elif event.text is None:
            self.say(["a line of more than %d characters is not taken" % LINE_SIZE_MAX])
        else:
            self._take_line(event.text)

    def _command_line(self, text):
        shown = self.refused = False
        try:
            words = self.grammar.resolved(text)
            if not words:
                return
            if words[0] != "exit":
                self._left_once = False
            for line in COMMANDS[words[0]].run(self, words[1:]) or ():
                if line is not None:
                    shown = True
                    self.say([line])
                if self._interrupted():
                    break
        except Hangup:
            raise
        except (Refused, CareofdRefused, machine.Missing) as e:
            self._refuse(self._with_place(text, str(e), shown))
        except OSError as e:
            self._refuse(self._with_place(text, "not done: %s" % e, shown))
        except MemoryError:
            self._refuse(self._with_place(text, NO_MEMORY, shown))
        finally:
            self.disconnect()

    def _refuse(self, lines):
        self.refused = True
        self.say(lines)

    def _interrupted(self):
        """Did ^C come? Output that does not leave is waited for meanwhile."""
        terminal = self._terminal
        terminal.pump(0)
        while True:
            at = terminal.received.find(b"\x03")
            if at >= 0:
                terminal.take(at + 1)
                return True
            if terminal.queued < CONSOLE_QUEUE_MAX:
                return False
            terminal.pump(CONSOLE_IDLE_MS)

    def _with_place(self, text, why, shown):
        """Lines of a refusal; what was not on the screen comes with it."""
        lines = why.split("\n")
        if not (self._editor.was_shown or shown or self.is_script):
            lines.insert(0, self._hidden(text))
        return lines

    def _hidden(self, text):
        secret = self.grammar.secret_from(text)
        return redaction.line(text if secret is None else text[:secret] + "*")

    def _set_prompt(self):
        if self._take_line != self._command_line:
            return
        on_trial = trial.is_on(self.place.config_path)
        if self._was_on_trial and not on_trial and not self.candidate.is_changed:
            self._look_again()
        self._was_on_trial = on_trial
        prompt = PROMPT_CHANGED if self.candidate.is_changed else PROMPT
        self._editor.prompt = PROMPT_TRIAL if on_trial else prompt

    def _look_again(self):
        """A trial ended: kept, or taken back by careofd."""
        before = self.candidate.base
        try:
            self.candidate.load()
        except Refused as e:
            self.say([str(e)])
        if self.candidate.base != before:
            self.say(["the trial is over: the configuration of before is in force again"])

    def _back_to_commands(self):
        self._loading = None
        self._take_line = self._command_line
        self._editor.is_raw = self._editor.is_secret = False

    # -- What commands ask of it

    def say(self, lines):
        self._editor.say(list(lines))
        self._terminal.send(self._editor.take_output())

    def connection(self):
        """To careofd. Raises OSError."""
        if self._connection is None:
            try:
                self._connection = Connection(self.place.run_path)
            except OSError as e:
                raise OSError(e.errno, "careofd does not answer at %s/status.sock" % self.place.run_path)
        return self._connection

    def disconnect(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def ask(self, command, *arguments):
        return self.connection().ask(command, *arguments)

    def run(self, command_line):
        """Let another program have the terminal. Returns its exit status."""
        terminal = self._terminal
        if self.is_script:
            terminal.flush()
            return os.system(command_line)
        terminal.send(BRACKETED_PASTE_OFF)
        terminal.flush()
        terminal.restore()
        try:
            return os.system(command_line)
        finally:
            terminal.raw()
            terminal.send(BRACKETED_PASTE_ON)

    def run_quietly(self, command_line):
        """Its output goes nowhere."""
        return os.system("(%s) </dev/null >/dev/null 2>&1" % command_line)

    def set_width(self, width):
        self._editor.screen.width = self.grammar.width = width

    def leave(self):
        """Lines; the second time it is meant."""
        if self.candidate.is_changed and not self._left_once and not self.is_script:
            self._left_once = True
            return ["there are changes that are not committed: again to leave and drop them"]
        self._running = False
        return ["careof: still on trial, to be confirmed from another console"] if self._was_on_trial else []

    def ask_secret(self, kind, name, option_name):
        """`set` without a value: it is asked for, and not shown."""

        def answered(text):
            self._back_to_commands()
            try:
                self.candidate.set(kind, name, option_name, [text])
            except Refused as e:
                self._refuse([str(e)])

        if not redaction.is_secret(kind, option_name):
            raise Refused("expected: set %s %s %s VALUE" % (kind, name, option_name))
        self.question("%s: " % option_name, answered, is_secret=True)

    def question(self, prompt, answered, is_secret=False):
        """answered(line) gets the next line; ^C: nobody does."""
        self._take_line = answered
        self._editor.prompt = prompt
        self._editor.is_raw, self._editor.is_secret = True, is_secret

    def back_to_commands(self):
        self._back_to_commands()

    # -- A whole file

    def begin_load(self):
        self._loading, self._load_size = [], 0
        self.question("", self._load_line)
        return ["paste the file; a line with nothing but . ends it, ^C drops it"]

    def _load_line(self, text):
        if text == ".":
            self._end_load()
            return
        self._load_size += len(text) + 1
        if self._load_size > FILE_SIZE_MAX:
            self._back_to_commands()
            self.say(["more than %d characters: nothing is taken" % FILE_SIZE_MAX])
            return
        self._loading.append(text)

    def _end_load(self):
        lines = self._loading
        self._back_to_commands()
        lines.append("")
        self._replace("\n".join(lines), len(lines) - 1)

    def _replace(self, text, count):
        try:
            self.candidate.replace(text)
            self.say(["%d lines taken: see `diff`, then `commit`" % count])
        except Refused as e:
            self._refuse(["nothing is taken: %s" % e])
        except MemoryError:
            self._refuse([NO_MEMORY])

    def send_file(self, name, data):
        self.say(["sending %s, %d octets: receive it by YMODEM, ctrl-c twice stops it" % (name, len(data))])
        done = self._transfer(ymodem.Sender(name, data))
        return ["sent"] if done.error is None else ["not sent: %s" % done.error]

    def receive_file(self):
        self.say(["send one file by YMODEM, ctrl-c twice stops it"])
        machine_ = self._transfer(ymodem.Receiver(FILE_SIZE_MAX))
        if machine_.error is not None:
            return ["nothing is taken: %s" % machine_.error]
        try:
            text = machine_.data.decode()
        except UnicodeError:
            return ["nothing is taken: it is not UTF-8"]
        self._replace(text, text.count("\n"))
        return ()

    def _transfer(self, machine_):
        """Run a YMODEM machine on the terminal until it ends."""
        if self.is_script:
            raise Refused("expected a terminal for that")
        terminal = self._terminal
        terminal.flush()
        terminal.raw(flow_control=False)
        try:
            terminal.send(machine_.begin())
            while not (machine_.done or machine_.error):
                if not terminal.received and not terminal.pump(ymodem.WAIT_MS) and not terminal.queued:
                    terminal.send(machine_.late())
                    continue
                octets = terminal.take(2048)
                if bytes((CANCEL, CANCEL)) == octets:
                    machine_.error = "stopped by ^C"
                    terminal.send(ymodem.GIVE_UP)
                    break
                terminal.send(machine_.feed(octets))
            terminal.flush()
        finally:
            terminal.raw()
        return machine_

    # -- What changes

    def monitor(self, table):
        """Lines of a table and of what becomes of it, until ^C."""
        connection = self.connection()
        connection.follow(table)
        roles = [role["name"] for role in connection.ask("roles") if role["kind"] in LISTS[table][0]]
        if not roles:
            raise Refused("%s: no role here has any" % table)
        yield "until ^C:"
        listing = Listing(table, len(roles) > 1)
        for role in roles:
            for rows in connection.pages(role, table):
                for line in listing.rows(role, rows):
                    yield line
        while True:
            if not connection.has_news(MONITOR_WAIT_MS):
                yield None  # a look at the terminal
                continue
            change = connection.next_change()
            for row in change["rows"]:
                for line in listing.change(change["role"], row):
                    yield line
