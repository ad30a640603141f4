"""What the story shows while it happens: lines when piped, a live picture on a terminal; a table at last."""

import contextlib
import sys
import time

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .measure import per_slot

BARS = " ▁▂▃▄▅▆▇█"
SPARK_SLOTS, SLOT_S = 60, 0.25
RATE_FULL_MBIT, LATENCY_FULL_MS = 10, 100


class Lines:
    """A line for everything that happens."""

    def __init__(self, out=sys.stdout):
        self._out, self._began = out, time.time()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def follow(self, story):
        """From here on its sessions can be shown."""

    def note(self, text):
        print(f"{time.time() - self._began:6.1f} s  {text}", file=self._out, flush=True)

    def begins(self, step):
        self.note(f"{step.kind}: {step.name}")

    def moved(self, move, measured):
        self.note(
            f"    {where(move)}: interrupted {measured.interruption_ms} ms, "
            f"{measured.lost} lost, {measured.duplicated} duplicated"
            + ("" if move.arrived else "; NOT RECOVERED")
        )


class Picture(Lines):
    """The same on a terminal: what happened so far, latency, throughput and sessions, as they are now."""

    def __init__(self, console):
        super().__init__()
        self._console, self._story, self._rows, self._now = console, None, [], ""
        self._live = Live(console=console, get_renderable=self._draw, refresh_per_second=8, transient=True)

    def __enter__(self):
        self._live.__enter__()
        return self

    def __exit__(self, *error):
        self._live.__exit__(*error)

    def follow(self, story):
        self._story = story

    def note(self, text):
        self._now = text

    def moved(self, move, measured):
        self._rows.append((move, measured))
        self._now = "connected"

    def _draw(self):
        parts = [moves_table(self._rows)] if self._rows else []
        if self._story and self._story.sessions:
            parts += [self._sparks(), self._sessions()]
        title = f"careof demo, {time.time() - self._began:.0f} s"
        return Panel(Group(*parts, Text(f"» {self._now}", style="bold yellow")), title=title)

    def _sparks(self):
        story, now = self._story, time.time()
        begin = now - SPARK_SLOTS * SLOT_S
        octets = [*story.download.samples, *story.iperf.samples]
        rates = [value * 8 / 1e6 / SLOT_S for _, value in per_slot(octets, begin, now, SLOT_S)]
        answers = [a for a in list(story.ping.answers.all)[-3000:] if a.at >= begin]
        worst = [0.0] * SPARK_SLOTS
        for answer in answers:
            slot = min(SPARK_SLOTS - 1, int((answer.at - begin) / SLOT_S))
            worst[slot] = max(worst[slot], answer.round_trip_ms)
        table = Table.grid(padding=(0, 1))
        table.add_row("throughput", Text(spark(rates, RATE_FULL_MBIT), "green"), f"{rates[-2]:.1f} Mb/s")
        table.add_row("round trip", Text(spark(worst, LATENCY_FULL_MS), "cyan"), f"{worst[-1]:.0f} ms")
        return table

    def _sessions(self):
        line = Text("sessions    ")
        for session in self._story.sessions:
            good = session.alive and session.idle_s() < 1
            line.append(f"{session.name} ", "green" if good else "red")
            line.append(f"({session.survived} of {session.started})  ")
        return line


def spark(values, full):
    return "".join(BARS[min(8, max(0 if value <= 0 else 1, round(value / full * 8)))] for value in values)


def where(move):
    from_, to = move.from_ or "nowhere", move.to or "nowhere"
    return f"on {to}" if from_ == to else f"{from_} -> {to}"


def moves_table(rows):
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading, justify in (
        *(("move", "left"), ("kind", "left"), ("uplinks", "left")),
        *(("interrupted", "right"), ("lost", "right"), ("twice", "right")),
    ):
        table.add_column(heading, justify=justify, no_wrap=heading != "move")
    for move, measured in rows:
        table.add_row(
            *(move.name, move.kind, where(move)),
            f"{measured.interruption_ms} ms" if move.arrived else "not recovered",
            *(str(measured.lost), str(measured.duplicated)),
            style=None if move.arrived else "red",
        )
    return table


def show_result(console, story):
    """The table at the end, and the sentence that counts."""
    console.print(moves_table([(move, story.measured(move)) for move in story.moves]))
    console.print()
    for session in story.sessions:
        deaths = "; ".join(f"{at - story.began:.1f} s: {why}" for at, why in session.deaths)
        console.print(
            f"{session.name:9} {session.survived} of {session.started} survived  {deaths}", highlight=False
        )
    started, survived = story.started(), story.survived()
    verdict = (
        "all sessions survived" if story.passed() else f"{started - survived} of {started} sessions died"
    )
    if not all(move.arrived for move in story.moves):
        verdict += ", and not every move ended where it should"
    console.print(
        f"\n{story.means.name}: {verdict}; {story.download.bytes_verified} octets of the download verified; "
        f"{story.ended - story.began:.0f} s",
        style="bold green" if story.passed() else "bold red",
        highlight=False,
    )


@contextlib.contextmanager
def best():
    """The view that suits standard output, and the console for what follows it."""
    console = Console(width=None if sys.stdout.isatty() else 110)
    with Picture(console) if console.is_terminal else Lines() as view:
        yield view, console
