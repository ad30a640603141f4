"""./dev lint: every checker, warnings are errors."""

from invoke import task

from .common import BIN, BUILD, ROOT, Rows


def shell_scripts():
    """Every script for a shell: those that say so in their first line or to shellcheck."""
    found = []
    for folder in ("packaging", "bin", "tests/host/standin"):
        for path in sorted((ROOT / folder).rglob("*")):
            first = path.read_bytes().split(b"\n")[0] if path.is_file() else b""
            if first.startswith((b"#!/bin/sh", b"# shellcheck")):
                found.append(path)
    return found


def lint_rows(rows):
    rows.step("ruff", BIN / "ruff", "check", "--no-cache", ".")
    rows.step("ruff format", BIN / "ruff", "format", "--check", ".")
    rows.step("shellcheck", "shellcheck", "--shell=dash", *shell_scripts())
    if (ROOT / "firmware/careof").exists():
        rows.step("mypy", BIN / "mypy", "--no-incremental")
    if (ROOT / "native/meson.build").exists():
        rows.step(
            "cppcheck",
            *("cppcheck", "--quiet", "--error-exitcode=1", "--std=c11", "--inline-suppr"),
            *("--enable=warning,portability,performance", "--suppress=missingIncludeSystem"),
            *("--max-configs=40", "-I", ROOT / "native/common", "-I", BUILD / "native/tunneld"),
            *("-I", ROOT / "native/tunneld/packet", "-I", ROOT / "tests/native", ROOT / "native"),
            *(ROOT / "tests" / folder for folder in ("native", "lab", "fuzz/native", "bench/native")),
        )


@task(help={"json": "write the rows there"})
def lint(_, json=None):
    """ruff, shellcheck, mypy and cppcheck."""
    rows = Rows()
    lint_rows(rows)
    rows.finish(json)
