"""./dev lint: every checker, warnings are errors."""

from invoke import task

from .common import BIN, BUILD, ROOT, Rows


def lint_rows(rows):
    rows.step("ruff", BIN / "ruff", "check", "--no-cache", ".")
    rows.step("ruff format", BIN / "ruff", "format", "--check", ".")
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
    """ruff, mypy and cppcheck."""
    rows = Rows()
    lint_rows(rows)
    rows.finish(json)
