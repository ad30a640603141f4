"""The simulator's `main`: one role, its tunneld, its keys, its saved state, in virtual time.

As firmware/careof/main.py, an event is drained with all that it causes before the next. A role is never late
by more than `work_ms`, the time that its interpreter takes.
"""

import json

from careof.agent import events
from careof.crypt.soft import SoftProvider
from model import Tunneld

UNIX_MS = 1_790_000_000_000  # wall clock at the simulator's time 0


class Machine:
    """make() makes the role anew, as careofd does when it is started."""

    def __init__(self, world, make, wires, associations, deliver):
        self.world, self._make, self.wires = world, make, wires
        self.keys = SoftProvider()
        for section in associations.values():
            self.keys.add_key(section.name, section.algorithm, section.key)
        self.saved, self.held = {}, {}
        self.counters, self.answers, self.moves, self.log = {}, [], [], []
        self.sent, self.told = [], []  # (ms, uplink's number) of each signal; ms of each word about a link
        self.settled = self.stopped = False
        self.resolv = None  # the last name servers that were told
        self.clock_error_ms = 0
        self.refuse_with = None  # a home agent that answers every request with this code
        self.role = None
        self._alarm = self._alarm_ms = None
        self.tunneld = Tunneld(world, wires, self.tell, deliver)
        for device, wire in wires.items():
            wire.arrived = lambda packet, device=device: self.tunneld.arrived(device, packet)

    # -- Processes

    def start(self):
        """careofd is started: for the first time, or again."""
        self.role = self._make()
        self.settled = False
        self.held = {}
        self.tell(events.WallClock(UNIX_MS + self.clock_error_ms))
        for name in sorted(sorted(self.saved), key=len):  # as main does
            self.tell(events.Restored(name, self.saved[name]))
        self.tell(events.Start())
        self.tunneld_up()
        for device in self.wires:
            self.link(device)

    def kill(self):
        """careofd dies; tunneld goes on with what it holds."""
        self.role = None
        self.tunneld.up = False
        self.world.note("careofd killed")

    def tunneld_up(self):
        """Connected: all that is held is said again, then the role is told."""
        self.tunneld.up = True
        for key, message in self.held.items():
            self.tunneld.hold(key, message)
        self.told.append(self.world.now_ms)  # a new tunneld is as good as new links
        self.tell(events.TunneldUp(0))

    def kill_tunneld(self, for_ms):
        self.tunneld.up = False
        self.tunneld.restart()
        self.world.note("tunneld killed")
        self.tell(events.TunneldDown())
        self.world.after(for_ms, self.tunneld_up)

    def link(self, device):
        """Tell what this device is attached to."""
        wire = self.wires[device]
        there = wire.up and wire.address is not None
        self.told.append(self.world.now_ms)
        self.tell(events.Link(device, wire.up, wire.address if there else None, 24, b"\x0a\x00\x00\x01"))

    def cable(self, device, plugged):
        self.wires[device].up = plugged
        self.world.note("%s %s" % (device, "plugged" if plugged else "pulled"))
        self.link(device)

    def silence(self, device, silent=True):
        self.wires[device].silent = silent
        self.world.note("%s %s" % (device, "silent" if silent else "speaks"))

    def command(self, name, *arguments):
        self.answers = []
        self.tell(events.Command(name, list(arguments)))
        return self.answers[0] if self.answers else None

    # -- Events and actions

    def tell(self, event):
        if self.role is None:
            return
        waiting = [event]
        while waiting:
            for action in self.role.handle(waiting.pop(0), self.world.now_ms):
                answer = PERFORM[type(action)](self, action)
                if answer is not None:
                    waiting.append(answer)
        self._arm()

    def _arm(self):
        deadline_ms = self.role.deadline()
        if deadline_ms == self._alarm_ms and self._alarm is not None:
            return
        if self._alarm is not None:
            self.world.cancel(self._alarm)
        self._alarm_ms = deadline_ms
        self._alarm = None if deadline_ms is None else self.world.at(deadline_ms, self._late)

    def _late(self):
        self._alarm = self._alarm_ms = None
        spins = getattr(self, "_spins", (0, 0))
        same = spins[0] == self.world.now_ms
        self._spins = (self.world.now_ms, spins[1] + 1 if same else 0)
        if self._spins[1] > 1000:
            raise RuntimeError("%s: busy at %d ms" % (self.role.name, self.world.now_ms))
        self.tell(events.Late())

    def _send(self, action):
        data = action.data
        if self.tunneld.up:
            self.sent.append((self.world.now_ms, action.uplink))
        if self.refuse_with is not None:
            data = self._altered + data[len(self._altered) :]
        self.tunneld.send_signal(action.uplink, action.destination, action.port, data)

    def _send_inner(self, action):
        if self.tunneld.up:
            self.tunneld.send_inner(action.path, action.data)

    def _hold(self, action):
        self.held[action.key] = action.message
        if self.tunneld.up:
            self.tunneld.hold(action.key, action.message)

    def _release(self, action):
        self.held.pop(action.key, None)
        if self.tunneld.up:
            self.tunneld.release(action.key)

    def _authenticate(self, action):
        data = action.data
        if self.refuse_with is not None:
            data = data[:1] + bytes((self.refuse_with, 0, 0)) + data[4:]
            self._altered = data
        return events.Authenticated(action.token, self.keys.authenticate(action.key, data))

    def _verify(self, action):
        genuine = self.keys.verify(action.key, action.data, action.authenticator)
        return events.Verified(action.token, genuine)

    def _log(self, action):
        self.log.append((self.world.now_ms, action.level, action.text))
        self.world.note("%s: %s" % (self.role.name, action.text))

    def _count(self, action):
        self.counters[action.name] = self.counters.get(action.name, 0) + 1

    def _moved(self, action):
        self.moves.append((action.from_uplink, action.to_uplink, action.why))
        self.world.note("moved %s -> %s: %s" % (action.from_uplink, action.to_uplink, action.why))

    def _answer(self, action):
        self.answers.append(action.value)

    def _save(self, action):
        if action.value is None:
            self.saved.pop(action.name, None)
        else:
            self.saved[action.name] = json.loads(json.dumps(action.value))

    def _resolv(self, action):
        self.resolv = action[1:]

    def _settled(self, action):
        if self.settled:
            raise RuntimeError("settled twice")
        self.settled = True
        for key in [key for key in self.tunneld.held if key not in self.held]:
            self.tunneld.release(key)

    def _stop(self, action):
        self.stopped = True


PERFORM = {
    events.Send: Machine._send,
    events.SendInner: Machine._send_inner,
    events.Hold: Machine._hold,
    events.Release: Machine._release,
    events.Confirm: lambda machine, action: events.Confirmed(action.token),
    events.Authenticate: Machine._authenticate,
    events.Verify: Machine._verify,
    events.Log: Machine._log,
    events.Contents: lambda machine, action: None,  # nobody debugs
    events.Count: Machine._count,
    events.Changed: lambda machine, action: None,  # nobody follows
    events.Moved: Machine._moved,
    events.Answer: Machine._answer,
    events.Save: Machine._save,
    events.Resolv: Machine._resolv,
    events.Settled: Machine._settled,
    events.Stop: Machine._stop,
}
