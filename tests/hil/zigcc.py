#!/usr/bin/env python3
"""zig cc as a cross compiler for the board, with what it does not do mended: it refuses linker maps, and of
several sources to preprocess it would take the headers of the host."""

import os
import subprocess
import sys
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / "build/smoke/zig"
TARGET = ("-target", "mipsel-linux-musleabi", "-mcpu=mips32r2")


def main(arguments):
    os.environ.setdefault("ZIG_GLOBAL_CACHE_DIR", str(CACHE))
    compiler = [sys.executable, "-m", "ziglang", "cc", *TARGET]
    arguments = [a for a in arguments if not a.startswith("-Wl,-Map")]
    sources = [a for a in arguments if a.endswith(".c")]
    if "-E" in arguments and len(sources) > 1:
        rest = [a for a in arguments if a not in sources]
        return max(subprocess.run([*compiler, *rest, source]).returncode for source in sources)
    return subprocess.run([*compiler, *arguments]).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
