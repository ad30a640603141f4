"""Registrations a second that one home agent answers, and what a binding costs: `./dev bench agent`.

Each interpreter and number of bindings runs in a process of its own, several times in turn; a figure is
the median.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from tunnel import machine

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CASES = (1000, 10000)
# 64 bytes of heap a word of the garbage collector's table: room for 10,000 bindings and their configuration.
INTERPRETERS = {
    "CPython": [sys.executable],
    "MicroPython": ["micropython", "-X", "heapsize=256M"],
}


def run(interpreter, nodes, seconds):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "firmware")}
    environment["MICROPYPATH"] = f"{ROOT / 'firmware'}:.frozen"
    command = [*INTERPRETERS[interpreter], HERE / "agent_subject.py", str(nodes), str(seconds)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{interpreter}, {nodes} bindings: {done.stderr or done.stdout}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    found = {}
    for _ in range(options.rounds):
        for nodes in CASES:
            for interpreter in INTERPRETERS:
                figures = run(interpreter, nodes, options.seconds)
                found.setdefault((interpreter, nodes), []).append(figures)
    rows = []
    for (interpreter, nodes), figures in found.items():
        subject = f"careof home agent on {interpreter}"
        rate = statistics.median(f["rate"] for f in figures)
        size = statistics.median(f["octets_a_binding"] for f in figures)
        rows.append(
            {"case": f"registrations{nodes}", "subject": subject, "value": round(rate), "unit": "1/s"}
        )
        rows.append({"case": f"binding{nodes}", "subject": subject, "value": round(size), "unit": "octets"})
        print(
            f"{nodes:6} bindings  {interpreter:12} {rate:8.0f} registrations/s {size:6.0f} octets a binding"
        )
    if options.json:
        Path(options.json).write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
