"""careofd: read the configuration, make the roles, run the loop.

    micropython -m careof.main [--config /etc/config/careof] [--run /var/run/careof] [--keys FILE]

A role's actions become messages, files and log lines here, and what comes back becomes its events;
roles and machine meet nowhere else. One input is drained with all that it causes before the next.

Exit status: 0 stopped when asked to; 2 wrong use; 3 the configuration is not usable; 4 the machine refuses
something (a socket, a folder); 5 the configuration that was taken back (system/trial) wants other roles; 6
what was kept is a newer careofd's, and stays as it is; 1 a defect, with a traceback. After that whoever
supervises careofd starts it again: tunneld goes on with what it holds, and what was saved is restored, so a
fresh start is safer than to go on with a role in a state that nobody thought of.
"""

import os
import sys

from . import keepers
from .agent import events
from .answers import Answers, together
from .limits import READ_WORK_MS
from .reload import Reload
from .roles import make_roles
from .system import clock as clocks
from .system import (
    commands,
    kept,
    links,
    log,
    loop,
    memory,
    networks,
    options,
    reading,
    resolv,
    trial,
    tunneld,
)

EXIT_USE, EXIT_CONFIGURATION, EXIT_MACHINE, EXIT_OTHER_ROLES, EXIT_STATE = 2, 3, 4, 5, 6
CONFIG, RUN = "/etc/config/careof", "/var/run/careof"
WALL_CLOCK_MS = 1000  # how often a step of the wall clock is looked for
GOODBYE_MAX_MS = 4000  # roles have so long to say goodbye, and what they keep to be on the disk


def interpreter():
    """Which Python this is, with its version: "micropython 1.28.0"."""
    version = ".".join([str(part) for part in sys.implementation.version[:3]])
    return "%s %s" % (sys.implementation.name, version)


KEPT_BY_NEWER = (
    "version %d of what is kept is a newer careofd's, this one reads up to %d: nothing was changed. Install "
    "that one again; or stop careof-keyd too, move the state away, and all nodes register anew"
)


class MachineError(Exception):
    """The machine refuses what careofd cannot do without."""


def demand(what, make, *arguments):
    """make(*arguments); raises MachineError that names `what` when the machine refuses it."""
    try:
        return make(*arguments)
    except OSError as e:
        raise MachineError("%s: %s" % (what, e))


class Careofd:
    """One daemon: the roles and the machine that they share."""

    def __init__(self, config_path, run_path, keys_path=None):
        """Raises options.ConfigError, MachineError."""
        self._config_path, self._keys_path, self._run_path = config_path, keys_path, run_path
        self._clock = clocks.Clock()
        read = self._read()
        while not read.work(self._clock):
            pass  # nobody is served yet
        self.configuration = read.configuration
        self._reload = Reload(self._clock, self._read, self._wanted, self._take_over)
        self._wall = clocks.WallClock(self._clock)
        self._log = log.Log(self._clock, self.configuration.globals.log_level)
        self.counters = {}  # of careofd itself; each role has its own
        self._counted = {}  # role's name -> its counters
        self._loop = loop.Loop(self._clock)
        self._telling = []  # (role, event) that waits for the one before it
        self._started = False  # until all that was kept has been restored, roles hear of nothing else
        self._kept = None  # [(name, value)] that is still to be restored
        self._offloads = None  # of the tunneld that is connected
        provider = self.configuration.globals.key_provider
        about = (provider, self._loop, run_path, self._keyd_changed, self._keeper_trouble, self.count)
        self._keeper = demand(run_path + "/state", keepers.keeper, *about)
        self._keeper.set_keys(read.provider)
        self._roles = make_roles(self.configuration, read.tables, os.urandom)
        self._counted.update({role.name: {} for role, _ in self._roles})
        self._answers = Answers(self._roles, self._counted)
        self._unsettled = {role.name for role, _ in self._roles}
        self._stopping = None  # names of the roles that have not said goodbye
        self._stop_at_ms = None
        self._said = []  # what roles answer to the command that they are told of
        self._moves = []
        self._networks = networks.Networks()
        self._next_look_ms = 0
        self.exit_status = 0
        self._tunneld = tunneld.TunneldClient(
            self._loop,
            run_path + "/tunneld.sock",
            self._from_tunneld,
            self._tunneld_changed,
            self._tunneld_refused,
            self.count,
        )
        self._links = demand("netlink", links.Links, self._loop, self._link_changed, self.count)
        status = run_path + "/status.sock"
        self._commands = demand(status, commands.CommandServer, self._loop, status, self._command, self.count)
        self._loop.add_timer(self)
        self._trial = trial.Trial(
            config_path, run_path, self._clock, self._tunnels_up, self._say_trial, self._trial_taken_back
        )
        self._trial.look()
        self._loop.add_timer(self._trial)

    def run(self):
        """Run until asked to stop. Returns the exit status."""
        for role, _ in self._roles:
            self._tell(role, events.WallClock(self._wall.offset_ms))
        self._keeper.restore(self._restored)
        if self._kept is None and not self._started and not self.exit_status:
            self._log.line("notice", "careofd", "waits for careof-keyd to tell what it kept")
        if not self.exit_status:
            self._loop.run()
        self._commands.close()
        self._links.close()
        self._tunneld.close()
        self._keeper.close()
        return self.exit_status

    def _restored(self, found):
        """What was kept is here: the roles begin with it, a few milliseconds at a time."""
        if found.is_newer():
            self._log.line("error", "state", KEPT_BY_NEWER % (found.newest, kept.VERSION))
            self.exit_status = EXIT_STATE
            self._loop.stop()
            return
        for name in found.unreadable:
            self._log.line("warning", "state", "%s cannot be read, and is left out" % name)
        self._kept = sorted(found.values.items(), key=lambda row: -len(row[0]))  # the shorter names first
        self._restore_on()

    def _restore_on(self):
        end_ms = self._clock.now_ms() + READ_WORK_MS
        while self._kept:
            name, value = self._kept.pop()
            for role, _ in self._roles:
                if name.startswith(role.name + "."):
                    self._tell(role, events.Restored(name, value))
            if self._clock.now_ms() >= end_ms and self._kept:
                return
        self._kept = None
        self._started = True
        self._tell_all(events.WallClock(self._wall.offset_ms))
        self._tell_all(events.Start())
        if self._offloads is not None:
            self._tell_all(events.TunneldUp(self._offloads))
        self._links.watch(options.devices(self.configuration))
        self._log.line("notice", "careofd", "started: " + ", ".join([r.name for r, _ in self._roles]))
        memory.settle()

    def count(self, name, by=1):
        self.counters[name] = self.counters.get(name, 0) + by

    # -- Events: what came from the machine, told to the roles

    def _tell_all(self, event):
        if self._started:
            for role, _ in self._roles:
                self._tell(role, event)

    def _tell(self, role, event):
        """Hand a role one event and perform what it asks, and what that causes."""
        self._telling.append((role, event))
        if len(self._telling) > 1:
            return  # caused by the one that is being handled: its turn comes after that
        try:
            while self._telling:
                role, event = self._telling[0]
                for action in role.handle(event, self._clock.now_ms()):
                    PERFORM[type(action)](self, role, action)
                del self._telling[0]
        finally:
            self._telling = []  # a command may end in a MemoryError, and careofd goes on

    def _from_tunneld(self, message):
        make = FROM_TUNNELD.get(type(message))
        if make is None:
            self.count("tunneld_unexpected")
        else:
            self._tell_all(make(message))

    def _tunneld_changed(self, up, detail):
        was_up, self._offloads = self._offloads is not None, detail if up else None
        if up:
            self._log.line("notice", "tunneld", "connected")
            self._tell_all(events.TunneldUp(detail))
        elif not was_up:
            self._log.line("error", "tunneld", "not there: %s" % detail)
        else:
            self._log.line("error", "tunneld", "lost: %s" % detail)
            self._tell_all(events.TunneldDown())

    def _tunneld_refused(self, message, error, text):
        self.count("tunneld_refused")
        if message is None:
            self._log.line("error", "tunneld", text)
        else:
            self._tell_all(events.Refused(message, error, text))

    def _keyd_changed(self, up, text):
        level = "notice" if up else "error"
        self._log.line(level, "keyd", ("connected: " if up else "lost: ") + text)

    def _keeper_trouble(self, text):
        self._log.line("error", "state", text)

    def _link_changed(self, device, carrier, address, prefix_length, gateway):
        if not carrier:
            self._networks.left(device)
        self._tell_all(events.Link(device, carrier, address, prefix_length, gateway))

    # -- Time

    def deadline(self):
        soonest_ms = self._next_look_ms if not self._reload.is_reading and self._kept is None else 0
        for role, _ in self._roles if self._started else ():
            deadline_ms = role.deadline()
            if deadline_ms is not None and deadline_ms < soonest_ms:
                soonest_ms = deadline_ms
        if self._stop_at_ms is not None and self._stop_at_ms < soonest_ms:
            soonest_ms = self._stop_at_ms
        return soonest_ms

    def late(self, now_ms):
        if self._reload.is_reading:
            self._reload.go_on()
        if self._kept is not None:
            self._restore_on()
        for role, _ in self._roles if self._started else ():
            deadline_ms = role.deadline()
            if deadline_ms is not None and deadline_ms <= now_ms:
                self._tell(role, events.Late())
        if now_ms >= self._next_look_ms:
            self._next_look_ms = now_ms + WALL_CLOCK_MS
            if self._wall.stepped():
                self._log.line("notice", "clock", "the wall clock was set")
                self._tell_all(events.WallClock(self._wall.offset_ms))
        if self._stop_at_ms is not None and now_ms >= self._stop_at_ms:
            self._loop.stop()

    # -- Actions: what a role asks of the machine. What is returned is an event for it.

    def _send(self, role, action):
        self._tunneld.send(tunneld.wire.SendSignal(*action))

    def _send_inner(self, role, action):
        self._tunneld.send(tunneld.wire.SendInner(*action))

    def _send_frame(self, role, action):
        self._tunneld.send(tunneld.wire.SendFrame(*action))

    def _hold(self, role, action):
        self._tunneld.hold((role.name,) + action.key, action.message)

    def _release(self, role, action):
        self._tunneld.release((role.name,) + action.key)

    def _confirm(self, role, action):
        self._tunneld.after_all(lambda: self._tell(role, events.Confirmed(action.token)))

    def _authenticate(self, role, action):
        def answered(authenticator):
            if authenticator is None:
                self._key_missing(action.key)
            self._tell(role, events.Authenticated(action.token, authenticator))

        self._keeper.authenticate(action.key, action.data, answered)

    def _verify(self, role, action):
        def answered(genuine):
            if genuine is None:
                self._key_missing(action.key)
            self._tell(role, events.Verified(action.token, bool(genuine)))

        self._keeper.verify(action.key, action.data, action.authenticator, answered)

    def _key_missing(self, name):
        """A node of a file whose key is not in the file of keys."""
        if not self.counters.get("key_missing"):
            self._log.line("error", "keys", "there is no key %s: told once, counted as key_missing" % name)
        self.count("key_missing")

    def _log_line(self, role, action):
        self._log.line(action.level, action.tag, action.text)

    def _contents(self, role, action):
        self._log.octets("debug", "contents", action.name, action.data)

    def _count_one(self, role, action):
        counters, name = self._counted[role.name], action.name
        counters[name] = counters.get(name, 0) + 1

    def _changed(self, role, action):
        if self._commands.is_followed(action.table):
            now_ms = self._clock.now_ms()
            self._commands.publish(action.table, self._answers.change(role, action, now_ms))

    def _moved(self, role, action):
        text = "%s -> %s: %s" % (action.from_uplink or "nowhere", action.to_uplink or "nowhere", action.why)
        self._log.line("notice", "moved", text)
        self._count_one(role, events.Count("moves"))

    def _answered(self, role, action):
        self._said.append(action.value)

    def _save(self, role, action):
        self._keeper.save(action.name, action.value)

    def _resolv(self, role, action):
        try:
            resolv.write(self._run_path, *action)
        except OSError as e:
            self.count("resolv_unwritable")
            self._log.line("error", "resolv", "%s cannot be written: %s" % (action.name, e))

    def _settled(self, role, action):
        self._unsettled.discard(role.name)
        if not self._unsettled:
            self._tunneld.settled()

    def _said_goodbye(self, role, action):
        if self._stopping is not None:
            self._stopping.discard(role.name)
            if not self._stopping:
                self._keeper.when_kept(self._loop.stop)

    # -- Commands: what the status socket asks

    def _command(self, name, arguments, reply):
        own = COMMANDS.get(name)
        if own:
            own(self, arguments, reply)
        elif name in ROLE_COMMANDS:
            self._said = []
            self._tell_all(events.Command(name, arguments))
            if self._said:
                reply(**together(self._said))
            else:
                why = "no role here knows it" if self._started else "no role has started yet"
                reply(error="%s: %s" % (name, why))
        else:
            known = sorted(list(COMMANDS) + list(ROLE_COMMANDS))
            reply(error="command '%s': expected one of %s" % (name, ", ".join(known)))

    def _command_status(self, arguments, reply):
        now_ms = self._clock.now_ms()
        reply(
            answer={
                "interpreter": interpreter(),
                "up_s": now_ms // 1000,
                "tunneld": self._tunneld.state,
                "keys": self._keeper.state,
                "state": self._keeper.trouble(),
                "longest_pause_ms": self._loop.longest_pause_ms,
                "trial_left_s": self._trial.left_s(),
                "networks": self._networks.snapshot(now_ms),
                "roles": [role.snapshot(now_ms) for role, _ in self._roles],
            }
        )

    def _command_counters(self, arguments, reply):
        def answer(of_keyd, of_tunneld):
            together = dict(self.counters)
            for counters in self._counted.values():
                for name, value in counters.items():
                    together[name] = together.get(name, 0) + value
            reply(answer={"careofd": together, "tunneld": of_tunneld, "keyd": of_keyd})

        def ask_tunneld(of_keyd):
            self._tunneld.ask_counters(lambda of_tunneld: answer(of_keyd, of_tunneld))

        self._keeper.ask_counters(ask_tunneld)

    def _command_roles(self, arguments, reply):
        reply(answer=self._answers.roles(self._clock.now_ms()))

    def _command_rows(self, arguments, reply):
        try:
            reply(answer=self._answers.rows(arguments, self._clock.now_ms()))
        except ValueError as e:
            reply(error=str(e))

    def _command_facts(self, arguments, reply):
        """What an uplink is attached to, as a script says."""
        device, known = arguments[0] if arguments else "", options.devices(self.configuration)
        if device not in known:
            reply(error="device '%s': expected one of %s" % (device, ", ".join(known)))
            return
        try:
            facts = networks.read(arguments[1:])
        except ValueError as e:
            reply(error=str(e))
            return
        network = self._networks.told(device, facts, self._clock.now_ms())
        if network is not None:
            self._log.line("info", "network", "%s: %s" % (device, network))
        reply(answer=self._networks.snapshot(self._clock.now_ms()).get(device))

    def _command_reload(self, arguments, reply):
        if not self._started:
            reply(error="reload: careofd is still reading")
        else:
            self._trial.look()
            self._reload.begin(reply)

    def _command_stop(self, arguments, reply):
        reply(answer="stopping")
        self._log.line("notice", "careofd", "asked to stop")
        self._stopping = {role.name for role, _ in self._roles}
        self._stop_at_ms = self._clock.now_ms() + GOODBYE_MAX_MS
        self._tell_all(events.Command("stop", []))
        if not self._roles or not self._started:
            self._loop.stop()

    # -- A configuration on trial

    def _tunnels_up(self):
        now_ms = self._clock.now_ms()
        return trial.tunnels_up([role.snapshot(now_ms) for role, _ in self._roles])

    def _say_trial(self, level, text):
        self._log.line(level, "trial", text)

    def _trial_taken_back(self):
        def reloaded(answer=None, error=None):
            if error is not None:  # the roles are others: whoever supervises careofd starts it again
                self._log.line("error", "trial", error)
                self.exit_status = EXIT_OTHER_ROLES
                self._command_stop([], reloaded_nothing)

        def reloaded_nothing(answer=None, error=None):
            pass

        self._reload.begin(reloaded)

    # -- Configuration

    def _read(self):
        """Raises options.ConfigError."""
        return reading.Reading(self._config_path, self._keys_path, keepers.handed)

    def _wanted(self, read):
        """The roles of what was read. Raises options.ConfigError if they need another careofd than this."""
        names = [role.name for role, _ in self._roles]
        wanted = make_roles(read.configuration, read.tables, os.urandom)
        changed = None
        if [role.name for role, _ in wanted] != names:
            changed = "the roles changed (%s)" % ", ".join(names)
        if read.configuration.globals.key_provider != self.configuration.globals.key_provider:
            changed = "key_provider changed"
        if changed:
            raise options.ConfigError(["%s: %s: restart careofd" % (self._config_path, changed)])
        return wanted

    def _take_over(self, read, wanted, done):
        """What was read is in force once careof-keyd has its file too: done(names of the roles that changed).
        Or nothing is: done(None, what is wrong with the file)."""

        def loaded(wrong):
            if wrong is None:
                done(self._enforce(read, wanted))
            else:
                done(None, wrong)

        self._keeper.load_keys(loaded)

    def _enforce(self, read, wanted):
        fresh = self.configuration = read.configuration
        self._keeper.set_keys(read.provider)
        self._log.set_level(fresh.globals.log_level)
        changed = []
        for index, (role, before) in enumerate(self._roles):
            after = wanted[index][1]
            if after != before:
                self._roles[index] = (role, after)
                changed.append(role.name)
                self._tell(role, events.Reconfigured(after))
        self._links.watch(options.devices(fresh))
        self._networks.keep_only(options.devices(fresh))
        return changed


PERFORM = {
    events.Send: Careofd._send,
    events.SendInner: Careofd._send_inner,
    events.SendFrame: Careofd._send_frame,
    events.Hold: Careofd._hold,
    events.Release: Careofd._release,
    events.Confirm: Careofd._confirm,
    events.Authenticate: Careofd._authenticate,
    events.Verify: Careofd._verify,
    events.Log: Careofd._log_line,
    events.Contents: Careofd._contents,
    events.Count: Careofd._count_one,
    events.Changed: Careofd._changed,
    events.Moved: Careofd._moved,
    events.Answer: Careofd._answered,
    events.Save: Careofd._save,
    events.Resolv: Careofd._resolv,
    events.Settled: Careofd._settled,
    events.Stop: Careofd._said_goodbye,
}

FROM_TUNNELD = {
    tunneld.wire.Signal: lambda m: events.Datagram(
        m.uplink, m.source, m.source_port, m.destination, m.ttl, m.data
    ),
    tunneld.wire.Inner: lambda m: events.Inner(m.tunnel, m.data),
    tunneld.wire.Unreachable: lambda m: events.Unreachable(*m),
    tunneld.wire.Frame: lambda m: events.Frame(*m),
    tunneld.wire.LinkUp: lambda m: events.LinkUp(*m),
    tunneld.wire.Unanswered: lambda m: events.Unanswered(m.path, m.since_ms),
    tunneld.wire.Answered: lambda m: events.Answered(m.path),
    tunneld.wire.Expired: lambda m: events.Expired(*m),
}

COMMANDS = {
    "status": Careofd._command_status,
    "counters": Careofd._command_counters,
    "roles": Careofd._command_roles,
    "rows": Careofd._command_rows,
    "facts": Careofd._command_facts,
    "reload": Careofd._command_reload,
    "stop": Careofd._command_stop,
}
ROLE_COMMANDS = ("move", "revoke")


def arguments_of(argv):
    """(configuration path, run folder, path of the keys) of the command line. Raises ValueError."""
    paths = {"--config": CONFIG, "--run": RUN, "--keys": None}
    rest = list(argv)
    while rest:
        name = rest.pop(0)
        if name not in paths or not rest:
            raise ValueError("usage: careof.main [--config FILE] [--run FOLDER] [--keys FILE]")
        paths[name] = rest.pop(0)
    return paths["--config"], paths["--run"], paths["--keys"]


def main(argv):
    """Run careofd; returns its exit status."""
    try:
        paths = arguments_of(argv)
    except ValueError as e:
        sys.stderr.write("careofd: %s\n" % e)
        return EXIT_USE
    memory.begin()
    try:
        said = trial.at_start(*paths[:2])
        if said is not None:
            sys.stderr.write("careofd: warning: %s\n" % said)
    except OSError as e:
        sys.stderr.write("careofd: error: the configuration on trial cannot be taken back: %s\n" % e)
    try:
        careofd = Careofd(*paths)
    except options.ConfigError as e:
        sys.stderr.write("careofd: error: configuration:\n%s\n" % e)
        return EXIT_CONFIGURATION
    except MachineError as e:
        sys.stderr.write("careofd: error: %s\n" % e)
        return EXIT_MACHINE
    return careofd.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
