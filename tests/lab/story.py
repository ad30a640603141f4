"""The story: everything that happens to a branch's uplinks, one after the other, under live sessions.

A step does something to the lab, and lasts until the means of staying connected (careof, or plain NAT
failover) has brought the branch to the uplink where it should be, and pings are answered again. What it
cost is read from the pings between its beginning and its end; the sessions tell for themselves.
"""

import itertools
import threading
import time
from collections import namedtuple

from .traffic import Download, Iperf, Ping, Servers, Ssh

PATIENCE_S = 12  # for a step; after that the story goes on, and the sessions say what it cost
LASTS_S = 3  # at least, so that a reader of the timeline can tell the moves apart
STEADY_S = 0.6  # pings are answered for so long without a gap of STEADY_GAP_S: connected again
STEADY_GAP_S = 0.15
LOOK_S = 0.1
FLIGHT_S = 0.3  # until an answer is in: packets sent later do not count to a step
FLAPS, FLAP_S = 4, 0.4

# uplink: where the step should end, None for where it began, ANY; needs: the service that it kills
ANY = "any"
Step = namedtuple("Step", "name kind uplink act undo needs", defaults=(None, None))
# from_, to: as seen; begin, end: Unix times
Move = namedtuple("Move", "name kind from_ to begin end arrived")


def _flap(lab, means):
    for _ in range(FLAPS):
        lab.uplinks["wan"].unplug()
        time.sleep(FLAP_S)
        lab.uplinks["wan"].plug()
        time.sleep(FLAP_S)


def _kill(*names):
    def act(lab, means):
        for name in names:
            means.services[name].kill()

    return act


STEPS = (
    Step("the office cable is plugged in", "planned", "wan", lambda lab, means: lab.uplinks["wan"].plug()),
    Step("the office cable is pulled", "cable", "wwan", lambda lab, means: lab.uplinks["wan"].unplug()),
    Step(
        "the Wi-Fi's NAT forgets",
        *("rebinding", "wwan", lambda lab, means: lab.uplinks["wwan"].rebind()),
    ),
    Step("an operator asks for LTE", "planned", "lte", lambda lab, means: means.move("lte")),
    Step(
        "LTE dies silently",
        *("silent", "wwan", lambda lab, means: lab.uplinks["lte"].silence()),
        lambda lab, means: lab.uplinks["lte"].speak(),
    ),
    Step("the office cable is in again", "planned", "wan", lambda lab, means: lab.uplinks["wan"].plug()),
    # A means may well stay away from a line that flaps, until somebody says that it is sound again.
    Step(f"the office cable flaps, {FLAPS} times", "flapping", ANY, _flap),
    Step("an operator asks for the office line", "planned", "wan", lambda lab, means: means.move("wan")),
    Step("kill -9 careofd", "crash", None, _kill("careofd"), None, "careofd"),
    Step("kill -9 tunneld", "crash", None, _kill("tunneld"), None, "tunneld"),
    Step("kill -9 keyd", "crash", None, _kill("keyd"), None, "keyd"),
    Step(
        "the home agent is restarted",
        *("crash", None, _kill("ha-careofd", "ha-keyd", "ha-tunneld"), None, "ha-careofd"),
    ),
    Step("kill -9 the failover script", "crash", None, _kill("failover"), None, "failover"),
)


class Story:
    """Sessions over a lab and a means; `view` is told what happens: note(text), begins(step), moved(move)."""

    lasts_s, patience_s = LASTS_S, PATIENCE_S

    def __init__(self, lab, means, view):
        self.lab, self.means, self.view = lab, means, view
        self.moves = []
        self.uplink = None  # which carries, as far as anybody says
        self.carried = []  # [(time, uplink)] of every change
        self._watching = threading.Event()
        self.began = self.ended = None
        self.sessions = []

    def prepare(self):
        """Everything is up, the branch is on Wi-Fi, the office cable is out, and sessions run.

        Raises TimeoutError, CommandFailed.
        """
        lab, means = self.lab, self.means
        lab.uplinks["wan"].unplug()
        servers = Servers(lab)
        self.view.note(f"starting {means.name}")
        means.start()
        self.begin_sessions(servers.content, "wwan")
        self.view.note("an SSH session, a download, an iperf3 flow and pings are under way")

    def begin_sessions(self, content, uplink):
        """Begin all sessions; they run, by this uplink, and pings are steady. Raises TimeoutError."""
        lab = self.lab
        threading.Thread(target=self._watch, name="uplink", daemon=True).start()
        self.ssh, self.ping, self.iperf = Ssh(lab), Ping(lab), Iperf(lab)
        self.download = Download(lab, content)
        self.sessions = [self.ssh, self.download, self.iperf, self.ping]
        for session in self.sessions:
            session.begin()
        ready = (
            (
                "sessions",
                lambda: all(s.idle_s() < 1 and (s.samples or s is self.ping) for s in self.sessions),
            ),
            (f"to be on {uplink}", lambda: self.uplink == uplink),
            ("steady pings", self._steady),
        )
        for what, true in ready:
            if not self._wait(true):
                raise TimeoutError(f"{what}: not within {self.patience_s} s")
        self.began = time.time()

    def tell(self, steps=STEPS):
        """All steps that this means knows."""
        for step in steps:
            if step.needs is None or step.needs in self.means.services:
                self.take(step)
        return self.moves

    def take(self, step):
        """One step; the Move that it was."""
        lab, from_ = self.lab, self.uplink
        self.view.begins(step)
        begin = time.time()
        self.uplink = None  # until it is said again
        step.act(lab, self.means)
        target = step.uplink or from_
        arrived = self._wait(lambda: self.uplink in (target, *(lab.uplinks if target == ANY else ())))
        arrived = self._wait(self._steady) and arrived
        time.sleep(max(FLIGHT_S, self.lasts_s - (time.time() - begin)))
        move = Move(step.name, step.kind, from_, self.uplink, begin, time.time() - FLIGHT_S, arrived)
        self.moves.append(move)
        self.view.moved(move, self.measured(move))
        if step.undo:
            step.undo(lab, self.means)
        return move

    def measured(self, move):
        return self.ping.answers.around(move.begin, move.end)

    def finish(self):
        """Every session must get on once more after the last move; then they are ended."""
        last = time.time()
        self._wait(lambda: all(session.progressed_after(last) for session in self.sessions))
        self.ended = time.time()
        self._watching.set()
        for session in self.sessions:
            if session.alive and not session.progressed_after(last):
                session.died("nothing after the last move")
        for session in self.sessions:
            session.end()

    # -- What came of it

    def started(self):
        return sum(session.started for session in self.sessions)

    def survived(self):
        return sum(session.survived for session in self.sessions)

    def passed(self):
        """No session ever died, and the branch was where it should be after every step."""
        return bool(self.moves) and self.started() == self.survived() and all(m.arrived for m in self.moves)

    def result(self):
        """What --json writes."""
        moves = [
            {
                "name": move.name,
                "from": move.from_,
                "to": move.to,
                "kind": move.kind,
                **self.measured(move)._asdict(),
                "at_s": round(move.begin - self.began, 3),
                "arrived": move.arrived,
            }
            for move in self.moves
        ]
        return {
            "means": self.means.name,
            "interpreter": self.means.interpreter,
            "passed": self.passed(),
            "duration_s": round(self.ended - self.began, 1),
            "moves": moves,
            "sessions": {
                "started": self.started(),
                "survived": self.survived(),
                "each": {s.name: {"started": s.started, "survived": s.survived} for s in self.sessions},
            },
            "resident_kb": self.means.resident_kb(),
            "bytes_verified": self.download.bytes_verified,
            "uplinks": {
                name: {"round_trip_ms": uplink.access.delay_us * 2 / 1000}
                for name, uplink in self.lab.uplinks.items()
            },
        }

    # -- Waiting

    def _watch(self):
        """Ask again and again which uplink carries."""
        while not self._watching.wait(LOOK_S):
            try:
                self.uplink = self.means.uplink()
            except OSError:  # there is nobody to ask: the packets go on as they did
                continue
            if not self.carried or self.carried[-1][1] != self.uplink:
                self.carried.append((time.time(), self.uplink))

    def _wait(self, true, patience_s=None):
        """Wait until true(), at most patience_s; whether it became so."""
        deadline = time.monotonic() + (patience_s or self.patience_s)
        while not true():
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_S)
        return True

    def _steady(self):
        now = time.time()
        answers = self.ping.answers.all
        times = [now - STEADY_S, now]
        for answer in reversed(answers):
            if answer.at < now - STEADY_S:
                break
            times.insert(1, answer.at)
        return all(later - earlier < STEADY_GAP_S for earlier, later in itertools.pairwise(times))
