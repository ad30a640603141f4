"""./dev fuzz: libFuzzer on the C parsers, hypothesis on the Python ones."""

import os
import subprocess
import sys
from pathlib import Path

from invoke import task

from .build import compile_kind
from .common import BIN, FUZZ, ROOT, Rows


def fuzz_rows(rows, seconds):
    """A row a fuzzer. Findings are left in build/fuzz/findings."""
    if (ROOT / "tests/fuzz/native/meson.build").exists():
        try:
            compile_kind("fuzz")
        except subprocess.CalledProcessError:
            rows.add("build fuzzers", False)
            return
        seeds = [sys.executable, ROOT / "tests/fuzz/seeds.py", FUZZ / "corpus"]
        subprocess.run(seeds, check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "firmware")})
        findings = FUZZ / "findings"
        findings.mkdir(exist_ok=True)
        for program in sorted(Path(FUZZ / "tests/fuzz/native").glob("fuzz_*")):
            if not os.access(program, os.X_OK) or program.is_dir():
                continue
            corpus = FUZZ / "corpus" / program.name
            corpus.mkdir(parents=True, exist_ok=True)
            kept = ROOT / "tests/fuzz/corpus" / program.name
            rows.step(
                f"fuzz {program.name}",
                *(
                    program,
                    f"-max_total_time={seconds}",
                    "-print_final_stats=1",
                    "-verbosity=0",
                    "-max_len=4096",
                ),
                *(f"-artifact_prefix={findings}/", corpus, *([kept] if kept.exists() else [])),
            )
    if list((ROOT / "tests/fuzz").glob("test_*.py")):
        rows.step("fuzz Python", BIN / "pytest", "-q", "-n2", "tests/fuzz")


@task(help={"seconds": "for each fuzzer in C", "json": "write the rows there"})
def fuzz(_, seconds=60, json=None):
    """Every fuzzer for a while."""
    rows = Rows()
    fuzz_rows(rows, int(seconds))
    rows.finish(json)
