"""./dev build: the C processes, as shipped or under sanitizers; and all of careof for routers."""

import os
import subprocess

from invoke import task

from .common import ASAN, BIN, BUILD, FUZZ, ROOT
from .cross import boards, outputs, targets

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


def cross_targets(board, target, everything):
    """[(Target, names of the boards whose budgets count)]. Raises SystemExit with what was expected."""
    if sum(map(bool, (board, target, everything))) > 1:
        raise SystemExit("build: --board, --target and --all: expected one of them")
    try:
        of_triple = {}
        for name in boards.names():
            of_triple.setdefault(boards.load(name)["target"]["triple"], []).append(name)
        if board:
            return [(targets.find(boards.load(board)["target"]["triple"]), [board])]
        wanted = [targets.find(target)] if target else targets.TARGETS.values()
    except (boards.Fault, targets.UnknownTarget) as e:
        raise SystemExit(f"build: {e}") from None
    return [(each, of_triple.get(each.triple, [])) for each in wanted]


def report(made, names):
    """Print sizes, and how they stand to the boards' budgets. Returns whether all are kept."""
    for part, size in made["parts"].items():
        print(f"  {part:28} {size['size'] / 1024:8.1f} KB {size['compressed'] / 1024:8.1f} KB compressed")
    kept = True
    for name in names:
        for outcome in outputs.compare(made, boards.load(name)["budget"]):
            word = "kept" if outcome.size_kb <= outcome.budget_kb else "EXCEEDED"
            print(f"  {name}: {outcome.name}: {outcome.size_kb} of {outcome.budget_kb} KB: {word}")
            kept = kept and word == "kept"
    return kept


def sdk_build(folder, board, target):
    """Build with an SDK, for what it is for; False if a budget is exceeded."""
    from .cross import build as cross
    from .cross import sdk as sdks
    from .cross import tools

    try:
        sdk = sdks.find(folder)
        if board or target:
            ((wanted, names),) = cross_targets(board, target, False)
            if wanted != sdk.target:
                raise SystemExit(f"build: {wanted.triple}; the SDK in {folder} is for {sdk.target.triple}")
        else:
            names = dict(cross_targets(None, sdk.target.triple, False))[sdk.target]
        made = cross.with_sdk(sdk, lambda text: print(f"  {text}", flush=True))
    except tools.Failed as e:
        raise SystemExit(f"build: {e}") from None
    print(f"  {outputs.folder(sdk.target.triple, sdk=True).relative_to(ROOT)}/ has it", flush=True)
    return report(made, names)


def cross_build(wanted, twice):
    """Build targets one after the other; False if a budget is exceeded, or a second build is not the same."""
    from .cross import build as cross  # its tools are there only where something is built for routers
    from .cross import reproduce, sources, tools

    good = True
    for target, names in wanted:
        print(f"== {target.triple}", flush=True)
        try:
            made = cross.target(target, lambda text: print(f"  {text}", flush=True))
            differing = reproduce.differences(target, made, with_micropython=True) if twice else []
        except (tools.Failed, sources.Unavailable) as e:
            raise SystemExit(f"build: {target.triple}: {e}") from None
        good = report(made, names) and good and not differing
        for name in differing:
            print(f"  {name}: not the same in another folder")
        if twice and not differing:
            print(f"  the same {len(made['files'])} files in another folder")
        print(f"  {outputs.folder(target.triple).relative_to(ROOT)}/ has it", flush=True)
    return good


@task(
    help={
        "kind": "release, sanitizers or fuzz: for this machine",
        "board": f"for a router: {', '.join(boards.names())}",
        "target": f"for a processor: {', '.join(targets.TARGETS)}, or OpenWrt's name of one",
        "all": "for all processors",
        "sdk": "folder of an OpenWrt SDK, to build with its compiler, for its release",
        "twice": "of routers' builds: again in another folder, to compare",
    }
)
def build(_, kind="release", board=None, target=None, all=False, sdk=None, twice=False):
    """Compile the C processes (build/native/...), or everything for routers (build/targets/...)."""
    if kind not in KINDS:
        raise SystemExit(f"build: kind '{kind}': expected one of {', '.join(KINDS)}")
    if sdk:
        if not sdk_build(sdk, board, target):
            raise SystemExit("build: a budget of flash is exceeded")
    elif not (board or target or all):
        compile_kind(kind)
    elif not cross_build(cross_targets(board, target, all), twice):
        raise SystemExit("build: a budget of flash is exceeded, or the second build is another")
