"""What a laptop away from home lives through, one scenario after the other: `./dev lab scenarios`.

A scenario begins with a laptop that is started with a Setting, on a link, with live sessions (traffic.py). It
has legs. Each does something, ends where it should, and is a row: what it cost, read from the pings; and how
long it may have cost at most, where there is a goal:

    with link events        one round trip by the new way, and 50 ms
    eager, without          1.5 s at an interval of 1 s between advertisements
    lazy, without           3.5 s
    both links up           nothing is lost

No session may die in any of them.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections import namedtuple
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .access import ACCESS
from .agents import PLAIN, Roaming
from .demo import ended, keep_logs
from .process import CommandFailed, wait_until
from .story import Step, Story
from .topology import ROOT
from .traffic import Servers
from .view import Lines
from .visited import HOME_LINK, LINKS, ROAMER, UPLINKS, VisitedLab

LOGS = ROOT / "build/scenarios"
EVENT_MS, EAGER_MS, LAZY_MS = 50, 1500, 3500
STEADY_S = 10

# start: device -> link. prepare(visit): what the agents are told before. legs: see Leg. undo(visit)
Scenario = namedtuple("Scenario", "name setting start legs prepare undo", defaults=(None, None))
# to: where it ends. act(visit). most_ms, most_lost: goals. check(visit): what must hold then; raises
# AssertionError
Leg = namedtuple("Leg", "name to act most_ms most_lost check", defaults=(None, None, None))


class Visit(Story):
    """One scenario under way."""

    lasts_s = 1.2

    def __init__(self, lab, means, view, content):
        super().__init__(lab, means, view)
        self._content = content

    def begin(self, scenario):
        lab, means = self.lab, self.means
        for device in ("eth0", "wlan0"):
            lab.unplug(device)
            lab.take_address(device)
        if scenario.prepare:
            scenario.prepare(self)
        means.start_laptop(scenario.setting)
        for device, link in scenario.start.items():
            lab.plug(device, link)
        first = next(iter(scenario.start.values()))
        if scenario.setting.attachment == "own":
            lab.give_address("eth0", first)
            first = lab.links[first].offered
        wait_until(lambda: means.uplink() == first, STEADY_S, f"the laptop on {first}")
        there = time.monotonic()
        self.begin_sessions(self._content, first)
        # Whoever moved less than a second ago may have to wait before he asks again (RFC 5944 3.6.3).
        time.sleep(max(0, self.lasts_s - (time.monotonic() - there)))

    def go(self, leg):
        """One leg; its row."""
        before = len(self.moves)
        move = self.take(Step(leg.name, "leg", leg.to, lambda lab, means: leg.act(self)))
        assert len(self.moves) == before + 1
        measured = self.measured(move)
        faults = [] if move.arrived else [f"on {move.to} in place of {leg.to}"]
        late = leg.most_ms is not None and measured.interruption_ms > leg.most_ms
        if leg.most_lost is not None and measured.lost > leg.most_lost:
            faults.append(f"{measured.lost} lost, at most {leg.most_lost}")
        if leg.check and not faults:
            try:
                leg.check(self)
            except (AssertionError, TimeoutError) as e:
                faults.append(str(e))
        self._wait(lambda: all(session.progressed_after(move.end) for session in self.sessions))
        faults += [
            f"{session.name} died: {session.deaths[-1][1]}" for session in self.sessions if session.deaths
        ]
        return {
            "name": leg.name,
            "passed": not faults and not late,
            **measured._asdict(),
            "most_ms": leg.most_ms,
            "most_lost": leg.most_lost,
            "late": late,
            "load": os.getloadavg()[0],
            "why": "; ".join(faults) or None,
        }


def round_trip_ms(link):
    """To the home agent, by this link's agent."""
    access = {"a": UPLINKS[0], "b": UPLINKS[1], "c": ACCESS[0]}.get(link)
    return access.delay_us * 2 / 1000 if access else 0


# -- Legs


def plugged(link, check=None):
    """The laptop is plugged in elsewhere, and sees it."""
    most_ms = round_trip_ms(link) + EVENT_MS
    return Leg(f"to {link}", link, lambda visit: visit.lab.plug("eth0", link), most_ms, check=check)


def slipped(link, most_ms, check=None):
    """It is elsewhere, and nobody tells it."""
    return Leg(f"to {link}", link, lambda visit: visit.lab.slip("eth0", link), most_ms, check=check)


def kind_is(agent, tunnel, delivery):
    """The visitor's tunnel is of this kind, as both agents say."""

    def check(visit):
        [visitor] = visit.means.visitors(agent)
        bound = [row["tunnel"] for row in visit.means.bound()]
        assert (visitor["tunnel"], bound) == (tunnel, [tunnel]), f"tunnels {visitor['tunnel']}, {bound}"
        assert visitor["delivery"] == delivery, f"delivery {visitor['delivery']}"

    return check


def killed(*services):
    def act(visit):
        for name in services:
            visit.means.services[name].kill()

    return act


# -- The scenarios

TUNNELS = {  # what is asked for -> what comes of it at [a], and at [b] behind its NAT
    "auto": ("ipip", "mip-udp"),
    "minimal": ("minimal", "mip-udp"),  # there is none in UDP (RFC 3519 3.3)
    "gre": ("gre", "mip-udp-gre"),
}


def each_tunnel():
    """Each delivery style, each encapsulation, with a challenge and without."""
    for delivery in ("direct", "encapsulating"):
        for asked, (native, in_udp) in TUNNELS.items():
            for challenge in (False, True):
                setting = PLAIN._replace(delivery=delivery, encapsulation=asked, challenge=challenge)
                name = f"{delivery}, {asked}, {'challenge' if challenge else 'no challenge'}"
                at_a = plugged("a", check=kind_is("a", native, delivery))._replace(name=f"{native} at a")
                at_b = plugged("b", check=kind_is("b", in_udp, delivery))._replace(name=f"{in_udp} at b")
                if asked == "minimal":  # refused first, and then asked for without
                    at_b = at_b._replace(most_ms=at_b.most_ms + round_trip_ms("b"))
                ask, no_more = asks_for_challenge(challenge), asks_for_challenge(False)
                yield Scenario(name, setting, {"eth0": "b"}, (at_a, at_b), ask, no_more)


def asks_for_challenge(challenge):
    def prepare(visit):
        for agent in ("a", "b"):
            visit.means.change_agent(agent, challenge=challenge)

    return prepare


def own_addresses():
    """No agent is asked: the same encapsulations to an address that the link gives."""

    def arrive(link):
        def act(visit):
            visit.lab.unplug("eth0")
            visit.lab.take_address("eth0")
            visit.lab.plug("eth0", link)
            visit.lab.give_address("eth0", link)

        return act

    def bound_by(tunnel):
        def check(visit):
            kinds = [row["tunnel"] for row in visit.means.bound()]
            assert tunnel in kinds, f"tunnels {kinds}"

        return check

    offered = {link.name: link.offered for link in LINKS}
    for asked, tunnels in TUNNELS.items():
        setting = PLAIN._replace(attachment="own", encapsulation=asked)
        legs = [
            Leg(f"{tunnel} at {link}", offered[link], arrive(link), check=bound_by(tunnel))
            for link, tunnel in zip(("a", "b"), tunnels, strict=True)
        ]
        yield Scenario(f"own address, {asked}", setting, {"eth0": "b"}, legs)


def movement():
    """Found by carrier, or by advertisements alone."""
    round_ = ("b", "a", "b", "a")
    for movement, most_ms in (("eager", EAGER_MS), ("lazy", LAZY_MS)):
        setting = PLAIN._replace(movement=movement)
        start = {"eth0": "a"}
        yield Scenario(f"{movement}, link events", setting, start, tuple(plugged(link) for link in round_))
        legs = tuple(slipped(link, most_ms) for link in round_)
        yield Scenario(f"{movement}, no link events", setting, start, legs)


def is_home(visit):
    wait_until(lambda: visit.means.bound() == [], STEADY_S, "deregistration")
    for agent in ("a", "b"):  # the home agent told whom it left (RFC 3543)
        wait_until(lambda agent=agent: not visit.means.visitors(agent), STEADY_S, f"its end at {agent}")
    assert_neighbour_reaches(visit)


def is_away(visit):
    assert visit.means.bound(), "no binding"
    assert_neighbour_reaches(visit)


def assert_neighbour_reaches(visit):
    """By the home agent's proxy ARP, or by the laptop's own."""
    said = visit.lab.run("neighbour", "ping", "-c3", "-i0.1", "-W1", ROAMER, check=False)
    assert " 0% packet loss" in said, f"neighbour: {said}"


ROUND = Scenario(
    "round trip",
    PLAIN,
    {"eth0": "a"},
    (plugged("b", check=is_away), plugged(HOME_LINK, check=is_home), plugged("a", check=is_away)),
)


UNSEEN = Scenario(
    "round trip, no link events",
    PLAIN,
    {"eth0": "a"},
    (slipped(HOME_LINK, EAGER_MS, is_home), slipped("a", EAGER_MS, is_away)),
)


def both_links():
    def ask(device, link):
        return Leg(
            f"{device} at {link} is asked for",
            *(link, lambda visit: visit.means.move(device)),
            most_lost=0,
        )

    legs = (ask("wlan0", "b"), ask("eth0", "a"), ask("wlan0", "b"))
    yield Scenario("both links up", PLAIN, {"eth0": "a", "wlan0": "b"}, legs)


def crashes():
    for name, services in (
        ("careofd", ("a-careofd",)),
        ("tunneld", ("a-tunneld",)),
        ("both", ("a-careofd", "a-tunneld")),
    ):
        leg = Leg("restarted", "a", killed(*services), check=is_away)
        yield Scenario(f"foreign agent restarted: {name}", PLAIN, {"eth0": "a"}, (leg,))


def denials():
    """The agent of [b] is full, or will not have this visitor: an address of the link's own must do."""
    setting = PLAIN._replace(attachment="auto")

    def full(visit):
        visit.means.change_agent("b", room=1, required=True)
        visit.means.start_guest("b")

    def closed(visit):
        visit.means.change_agent("b", required=True, visitors="10.99.0.0/16")

    def at_ease(visit):
        visit.means.stop_guest()
        visit.means.change_agent("b")

    def arrives(visit):
        visit.lab.plug("eth0", "b")
        visit.lab.give_address("eth0", "b")

    def leaves(visit):
        visit.lab.unplug("eth0")
        visit.lab.take_address("eth0")
        visit.lab.plug("eth0", "a")

    def is_co_located(visit):
        guests = [row["home_address"] for row in visit.means.visitors("b")]
        assert ROAMER not in guests, f"visitors {guests}"
        care_of = [row["care_of"] for row in visit.means.bound()]
        assert offered in care_of, f"bound at {care_of}"

    offered = next(link.offered for link in LINKS if link.name == "b")
    for name, prepare in (("full", full), ("closed to it", closed)):
        legs = (
            Leg("to b, by an address of its own", offered, arrives, check=is_co_located),
            Leg("to a, by its agent", "a", leaves, check=is_away),
        )
        yield Scenario(f"agent of b {name}", setting, {"eth0": "a"}, legs, prepare, at_ease)


def revocations():
    for name, end in (("home agent", "ha"), ("foreign agent", "a")):

        def revoke(visit, end=end):
            visit.means.ask(end, "revoke", ROAMER)

        leg = Leg("registered again", "a", revoke, check=is_away)
        yield Scenario(f"{name} revokes", PLAIN, {"eth0": "a"}, (leg,))


def nested():
    """The laptop stays on the LAN of a branch that moves itself."""

    def move(uplink):
        return Leg(
            f"its branch is asked for {uplink}", "c", lambda visit: visit.means.ask("c", "move", uplink)
        )

    def pull(visit):
        visit.lab.uplinks["wan"].unplug()

    def plug(visit):
        visit.lab.uplinks["wan"].plug()

    legs = (
        move("lte"),
        move("wan")._replace(most_lost=0),
        Leg("its branch's cable is pulled", "c", pull),
        Leg("its branch's cable is in again", "c", plug),
    )
    yield Scenario("nested", PLAIN, {"eth0": "c"}, legs, None, plug)


def all_scenarios():
    return [
        *(*each_tunnel(), *own_addresses(), *movement(), ROUND, UNSEEN, *both_links()),
        *(*crashes(), *denials(), *revocations(), *nested()),
    ]


# -- Running them


def tell(lab, means, content, scenario, view, patience_s=None):
    """One scenario; its rows. What goes wrong on the way is a row that did not pass."""
    visit, rows = Visit(lab, means, view, content), []
    visit.patience_s = patience_s or visit.patience_s
    view.note(scenario.name)
    try:
        visit.begin(scenario)
        rows = [visit.go(leg) for leg in scenario.legs]
    except (CommandFailed, OSError, TimeoutError, ValueError) as e:
        nothing = dict.fromkeys(("interruption_ms", "lost", "most_ms", "most_lost"))
        rows.append({"name": "it comes about", "passed": False, **nothing, "late": False, "why": str(e)})
    finally:
        visit.finish()
        if scenario.undo:
            scenario.undo(visit)
    for row in rows:
        row["name"] = f"{scenario.name}: {row['name']}"
    return rows


def parse(arguments):
    parser = argparse.ArgumentParser(prog="./dev lab scenarios", description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE", help="write the rows there")
    parser.add_argument(
        "--only", metavar="TEXT", action="append", help="scenarios with one of these in their names"
    )
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ended)
    go_first()
    try:
        rows = run(options)
    except KeyboardInterrupt:
        print("\ninterrupted; the lab is gone", file=sys.stderr)
        return 130
    show(rows)
    if options.json:
        Path(options.json).write_text(json.dumps({"rows": rows}, indent=1) + "\n")
    return 0 if rows and all(row["passed"] for row in rows) else 1


def go_first():
    """Everything in the lab goes before whatever else this machine does, which is not to be measured."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        print("lab: no real-time priority here: other work on this machine is measured, too", file=sys.stderr)


def run(options):
    rows = []
    with VisitedLab() as lab:
        try:
            content = Servers(lab).content
            means = Roaming(lab)
            means.start()
            for scenario in all_scenarios():
                if not options.only or any(text in scenario.name for text in options.only):
                    rows += tell(lab, means, content, scenario, Lines())
        finally:
            keep_logs(lab, LOGS)
    return rows


def show(rows):
    console = Console(width=None if sys.stdout.isatty() else 130)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading, justify in (
        ("scenario", "left"),
        ("interrupted", "right"),
        ("at most", "right"),
        ("lost", "right"),
    ):
        table.add_column(heading, justify=justify, no_wrap=heading != "scenario")
    table.add_column("")
    for row in rows:
        most_ms = row.get("most_ms")
        table.add_row(
            row["name"],
            f"{row['interruption_ms']} ms" if row["interruption_ms"] is not None else "",
            f"{most_ms:g} ms" if most_ms is not None else "",
            str(row["lost"]),
            row["why"] or ("late" if row["late"] else ""),
            style=None if row["passed"] else "red",
        )
    console.print(table)
    failed = sum(not row["passed"] for row in rows)
    console.print(f"\n{len(rows) - failed} passed, {failed} failed; logs: {LOGS}", highlight=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
