"""The report page: one self-contained HTML file with a timeline plot, and the plot as a PNG beside it."""

import base64
import html
import io
import itertools
import platform
import time

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from .measure import per_slot
from .view import where

SLOT_S = 0.2
RATE_FULL_MBIT, LATENCY_FULL_MS = 14, 5000  # of the axes
NAMED_FROM_S = 0.8  # what carries for less is not named in the plot
COLOURS = {"wan": "#2a9d8f", "wwan": "#e9a23b", "lte": "#7b6dc9", None: "#c0392b"}
KIND_COLOURS = {
    "planned": "#2a9d8f",
    "cable": "#e76f51",
    "silent": "#c0392b",
    "rebinding": "#b5838d",
    "flapping": "#e9a23b",
    "crash": "#333333",
}

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
 body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto;
   padding: 0 1rem; color: #222 }}
 h1 {{ font-size: 1.5rem }} img {{ width: 100% }} table {{ border-collapse: collapse; margin: 1rem 0 }}
 th, td {{ padding: .3rem .8rem; border-bottom: 1px solid #ddd; text-align: left }}
 td.n, th.n {{ text-align: right; font-variant-numeric: tabular-nums }}
 .good {{ color: #1b7f5c }} .bad {{ color: #c0392b }} footer {{ color: #777; font-size: .85rem }}
</style>
<h1>{title}</h1>
<p class="{verdict_class}"><strong>{verdict}</strong></p>
<img alt="Throughput and round trip over time, moves marked" src="data:image/png;base64,{image}">
<table><tr><th>at</th><th>move</th><th>kind</th><th>uplinks</th><th class="n">interrupted</th>
<th class="n">lost</th><th class="n">duplicated</th></tr>
{moves}
</table>
<table><tr><th>session</th><th class="n">started</th><th class="n">survived</th><th>what ended it</th></tr>
{sessions}
</table>
<p>Interrupted: the longest time from one answered ping to the next during the move, less the 10 ms at which
they are sent and less what the way has become longer. Lost and duplicated: of those pings. The download was
compared octet by octet: {verified} octets.</p>
<footer>{footer}</footer>
</html>
"""


def write(story, page):
    """The page, and timeline.png beside it."""
    image = draw(story)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.with_name("timeline.png").write_bytes(image)
    page.write_text(compose(story, image))


def compose(story, image):
    moves = "\n".join(
        row(
            [f"{move.begin - story.began:.1f} s", move.name, move.kind, where(move)],
            [f"{m.interruption_ms} ms" if move.arrived else "not recovered", m.lost, m.duplicated],
        )
        for move, m in ((move, story.measured(move)) for move in story.moves)
    )
    sessions = "\n".join(
        row([s.name], [s.started, s.survived], ["; ".join(f"{why}" for _, why in s.deaths)])
        for s in story.sessions
    )
    started, survived = story.started(), story.survived()
    return PAGE.format(
        title=html.escape(f"A branch office changes uplinks: {story.means.name}"),
        verdict_class="good" if story.passed() else "bad",
        verdict=f"{survived} of {started} sessions survived {len(story.moves)} moves"
        f" in {story.ended - story.began:.0f} s",
        image=base64.b64encode(image).decode(),
        moves=moves,
        sessions=sessions,
        verified=f"{story.download.bytes_verified:,}",
        footer=html.escape(
            f"{time.strftime('%Y-%m-%d %H:%M', time.localtime(story.began))}, Linux {platform.release()}, "
            f"{story.means.interpreter or 'no careof'}"
        ),
    )


def row(texts, numbers, more=()):
    cells = [f"<td>{html.escape(str(text))}</td>" for text in texts]
    cells += [f'<td class="n">{html.escape(str(number))}</td>' for number in numbers]
    cells += [f"<td>{html.escape(str(text))}</td>" for text in more]
    return f"<tr>{''.join(cells)}</tr>"


def draw(story):
    """The timeline as a PNG: the uplink that carries, throughput, and every answered ping."""
    begin, end = story.began, story.ended
    figure, (strip, rates, trips) = plt.subplots(
        3,
        1,
        figsize=(13, 6.6),
        sharex=True,
        gridspec_kw={"hspace": 0.07, "top": 0.72, "height_ratios": (0.5, 4, 4)},
        dpi=120,
    )
    draw_uplinks(strip, (rates, trips), story)
    draw_rates(rates, story)
    draw_round_trips(trips, story)
    trips.set_xlabel("seconds")
    trips.set_xlim(0, end - begin)
    for move in story.moves:
        mark((strip, rates, trips), story, move)
    figure.suptitle(
        f"{story.means.name}: {story.survived()} of {story.started()} sessions survived",
        x=0.125,
        y=1.0,
        ha="left",
        fontsize=15,
        weight="bold",
    )
    picture = io.BytesIO()
    figure.savefig(picture, format="png", bbox_inches="tight")
    plt.close(figure)
    return picture.getvalue()


def draw_rates(axes, story):
    series = [
        [value * 8 / 1e6 / SLOT_S for _, value in per_slot(session.samples, story.began, story.ended, SLOT_S)]
        for session in (story.download, story.iperf)
    ]
    times = [i * SLOT_S for i in range(len(series[0]))]
    labels = ("download", "iperf3")
    axes.stackplot(times, *series, labels=labels, colors=("#8ecae6", "#219ebc"), step="post", zorder=2)
    axes.set_ylabel("throughput, Mb/s")
    axes.set_ylim(0, RATE_FULL_MBIT)
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def draw_round_trips(axes, story):
    answers = [answer for answer in story.ping.answers.all if story.began <= answer.at <= story.ended]
    times = [answer.at - story.began for answer in answers]
    axes.plot(times, [max(answer.round_trip_ms, 1) for answer in answers], ".", ms=1.5, color="#023047")
    axes.set_yscale("log")
    axes.set_ylim(2, LATENCY_FULL_MS)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylabel("ping, ms")
    axes.grid(alpha=0.3)


def draw_uplinks(strip, others, story):
    """Which uplink carries: named in the strip, and a tint behind the rest."""
    before = [uplink for at, uplink in story.carried if at <= story.began][-1:]
    changes = [(story.began, *before)] if before else []
    changes += [change for change in story.carried if story.began < change[0] < story.ended]
    for (at, uplink), (until, _) in itertools.pairwise([*changes, (story.ended, None)]):
        span, colour = (at - story.began, until - story.began), COLOURS.get(uplink)
        strip.axvspan(*span, color=colour, lw=0)
        for axes in others:
            axes.axvspan(*span, color=colour, alpha=0.1, lw=0, zorder=0)
        if uplink and until - at > NAMED_FROM_S:
            place = {"ha": "center", "va": "center", "color": "white", "weight": "bold", "fontsize": 9}
            strip.text(sum(span) / 2, 0.5, uplink, **place)
    strip.set_ylim(0, 1)
    strip.set_yticks([])
    strip.set_ylabel("uplink", rotation=0, ha="right", va="center")


def mark(all_axes, story, move):
    at, colour = move.begin - story.began, KIND_COLOURS[move.kind]
    for axes in all_axes:
        axes.axvline(at, color=colour, lw=1.2)
    measured = story.measured(move)
    cost = f"{measured.interruption_ms} ms, {measured.lost} lost" if move.arrived else "not recovered"
    all_axes[0].annotate(
        f"{move.name}\n{cost}",
        xy=(at, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(2, 4),
        textcoords="offset points",
        rotation=32,
        fontsize=8.5,
        color=colour,
    )
