"""./dev build: the C processes, as shipped or under sanitizers."""

import os
import subprocess

from invoke import task

from .common import ASAN, BIN, BUILD, FUZZ, ROOT

# build folder -> meson's options; the shipped binary is build/native/tunneld/careof-tunneld
KINDS = {
    "release": (BUILD, ()),
    "sanitizers": (
        ASAN,
        ("-Db_sanitize=address,undefined", "-Dbuildtype=debugoptimized", "-Db_lundef=false"),
    ),
    "fuzz": (
        FUZZ,
        (
            *("-Dfuzz=true", "-Dtests=false", "-Dbuildtype=debugoptimized"),
            *("-Db_sanitize=address,undefined", "-Db_lundef=false"),
        ),
    ),
}


def compile_kind(kind):
    """Configure (once, or when the options changed) and compile one kind. Raises CalledProcessError."""
    folder, options = KINDS[kind]
    environment = dict(os.environ)
    if kind == "fuzz":
        environment["CC"] = "clang"
    stamp = folder / "configured-with"
    if not stamp.exists() or stamp.read_text() != "\n".join(options):
        wipe = ["--wipe"] if (folder / "build.ninja").exists() else []
        subprocess.run([BIN / "meson", "setup", *wipe, *options, folder, ROOT], check=True, env=environment)
        stamp.write_text("\n".join(options))
    subprocess.run([BIN / "meson", "compile", "-C", folder], check=True, env=environment)


@task(help={"kind": "release, sanitizers or fuzz"})
def build(_, kind="release"):
    """Compile the C processes (build/native/...)."""
    if kind not in KINDS:
        raise SystemExit(f"build: kind '{kind}': expected one of {', '.join(KINDS)}")
    compile_kind(kind)
