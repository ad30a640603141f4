"""./dev clean: everything that a task has made, but for the virtual environment."""

import shutil

from invoke import task

from .common import BUILD, ROOT


@task(help={"everything": "the virtual environment too"})
def clean(_, everything=False):
    """Remove what was built and cached."""
    for name in (".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".cache"):
        shutil.rmtree(ROOT / name, ignore_errors=True)
    shutil.rmtree(BUILD, ignore_errors=True)
    if everything:
        shutil.rmtree(ROOT / ".venv", ignore_errors=True)
