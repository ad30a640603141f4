#!/usr/bin/env python3
"""zig cc as a cross compiler for the board, with what it does not do mended: it refuses linker maps, and of
several sources to preprocess it would take the headers of the host."""

import subprocess
import sys

TARGET = ("-target", "mipsel-linux-musleabi", "-mcpu=mips32r2")


def main(arguments):
    compiler = [sys.executable, "-m", "ziglang", "cc", *TARGET]
    arguments = [a for a in arguments if not a.startswith("-Wl,-Map")]
    sources = [a for a in arguments if a.endswith(".c")]
    if "-E" in arguments and len(sources) > 1:
        rest = [a for a in arguments if a not in sources]
        return max(subprocess.run([*compiler, *rest, source]).returncode for source in sources)
    return subprocess.run([*compiler, *arguments]).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
