"""What several tasks need: where things are, and running a command with its outcome as a row."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
ASAN = BUILD / "asan"
FUZZ = BUILD / "fuzz"
BIN = ROOT / ".venv/bin"
REPEATED_LINES = 20  # of a failed step's output, at the end


class Rows:
    """The outcome of a suite: a row for each step, and whether all passed."""

    def __init__(self):
        self.rows = []
        self._last_words = {}

    def add(self, name, passed, **more):
        self.rows.append({"name": name, "passed": bool(passed), **more})

    def step(self, name, *command, cwd=ROOT, env=None):
        """Run a command as one row; its output is shown as it comes, and its end again if it fails."""
        print(f"\n== {name}\n$ {shlex.join(map(str, command))}", flush=True)
        began = time.monotonic()
        last = deque(maxlen=REPEATED_LINES)
        with subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            for line in process.stdout:
                print(line, end="", flush=True)
                last.append(line)
        self.add(name, process.returncode == 0, seconds=round(time.monotonic() - began, 1))
        if process.returncode:
            self._last_words[name] = "".join(last)
        return process.returncode == 0

    def skip(self, name, why):
        """A suite that cannot run here: said, and no row that claims it passed."""
        print(f"\n== {name}: skipped: {why}", flush=True)
        self.rows.append({"name": name, "passed": None, "skipped": why})

    def finish(self, json_file=None):
        """Print the table, write the object, and end with the status that it deserves."""
        print()
        for row in self.rows:
            word = {True: "passed", False: "FAILED", None: "skipped"}[row["passed"]]
            print(f"{word:8} {row['name']:48} {row.get('seconds', ''):>7}")
        passed = sum(row["passed"] is True for row in self.rows)
        failed = sum(row["passed"] is False for row in self.rows)
        skipped = sum(row["passed"] is None for row in self.rows)
        # A log that was cut still says why: the failures stand at its end.
        for name, words in self._last_words.items():
            print(f"\n== FAILED {name}\n{words}", end="")
        if json_file:
            Path(json_file).write_text(json.dumps({"rows": self.rows}, indent=1) + "\n")
        print(f"\n{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), flush=True)
        if failed or not passed:
            sys.exit(1)
