"""What agents answer, and what it costs: `./dev bench agent`.

    in one process    a home agent's renewals, a foreign agent's relayed registrations, octets of each
    as it runs        a home agent's processes under load, and its restart (agent_process.py)

Each figure of the first kind is the median of several runs in turn, each in a process of its own. The second
kind needs a quiet machine and root; processor time is told beside the rates, since a busy machine changes
that less.
"""

import argparse
import json
import os
import statistics
import subprocess
from pathlib import Path

import agent_process
from interpreters import CPYTHON, MICROPYTHON, VERSIONS
from tunnel import machine
from tunneld_process import cannot_run

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# (case, script, how many nodes or visitors)
CASES = (
    ("home agent", "agent_subject.py", 1000),
    ("home agent", "agent_subject.py", 10000),
    ("foreign agent", "foreign_subject.py", 1000),
)
# (nodes, interpreter, key provider): what each is made for
RUNNING = ((1000, "MicroPython", "soft"), (100000, "CPython", "keyd"))
# 64 bytes of heap a word of the garbage collector's table: room for 10,000 bindings and their configuration.
INTERPRETERS = {
    "CPython": [CPYTHON],
    "MicroPython": [MICROPYTHON, "-X", "heapsize=256M"],
}


def run(interpreter, script, count, seconds):
    folders = [str(ROOT / part) for part in ("firmware", "tests/unit", "tests/sim")]
    environment = {**os.environ, "PYTHONPATH": ":".join(folders)}
    environment["MICROPYPATH"] = ":".join([*folders, str(HERE), ".frozen"])
    command = [*INTERPRETERS[interpreter], HERE / script, str(count), str(seconds)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{interpreter}, {script} {count}: {done.stderr or done.stdout}")
    return json.loads(done.stdout)


def in_one_process(rounds, seconds):
    """Rows; each is printed as it is known."""
    found = {}
    for _ in range(rounds):
        for case, script, count in CASES:
            for interpreter in INTERPRETERS:
                figures = run(interpreter, script, count, seconds)
                found.setdefault((case, count, interpreter), []).append(figures)
    rows = []
    for (case, count, interpreter), figures in found.items():
        rate = statistics.median(f["rate"] for f in figures)
        size = statistics.median(f["octets_a_binding"] for f in figures)
        subject = f"careof {case} on {interpreter}"
        rows.append(row(f"registrations{count}", subject, round(rate), "1/s"))
        rows.append(row(f"binding{count}", subject, round(size), "octets"))
        print(f"{case}, {count:6} {interpreter:12} {rate:8.0f} registrations/s {size:6.0f} octets each")
    return rows


def as_it_runs(seconds):
    rows = []
    for nodes, interpreter, provider in RUNNING:
        figures = agent_process.measure(nodes, interpreter, provider, seconds)
        print(f"home agent as it runs, {nodes} nodes, {interpreter}, {provider}: {json.dumps(figures)}")
        subject = f"careof home agent on {interpreter} with {provider}, processes"
        rows += [
            row(f"registrations{nodes}", subject, round(figures["renewals_1/s"]), "1/s"),
            row(f"first_registrations{nodes}", subject, round(figures["first_registrations_1/s"]), "1/s"),
            row(f"pause{nodes}", subject, figures["longest_pause_ms"], "ms"),
            row(f"restart{nodes}", subject, round(figures["restart_s"], 2), "s"),
            row(f"restored{nodes}", subject, figures["restored"], "bindings"),
        ]
        for name, cost_us in figures["renewal_cpu_us"].items():
            rows.append(row(f"renewal_cpu_{name}{nodes}", subject, cost_us, "us"))
        for name, size_kb in figures["memory_kb"].items():
            rows.append(row(f"memory_{name}{nodes}", subject, size_kb, "KB"))
    return rows


def row(case, subject, value, unit):
    return {"case": case, "subject": subject, "value": value, "unit": unit}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    print(VERSIONS["CPython"])
    rows = in_one_process(options.rounds, options.seconds)
    reason = cannot_run()
    if reason is None:
        rows += as_it_runs(2 * options.seconds)
    else:
        print(f"a home agent as it runs: left out, {reason}")
    if options.json:
        Path(options.json).write_text(
            json.dumps({"machine": {**machine(), **VERSIONS}, "rows": rows}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
