#!/usr/bin/env python3
"""zigcc.py TRIPLE CPU WORDS...: zig's C compiler for a target, with what it does not do mended.

It refuses linker maps; of several sources to preprocess, or of standard input, it takes the headers of the
host. So maps are left out, each source is preprocessed by itself, and standard input as a file.
"""

import os
import subprocess
import sys
import tempfile


def compiler(triple, cpu):
    import ziglang

    zig = os.path.join(os.path.dirname(ziglang.__file__), "zig")
    return [zig, "cc", "-target", triple, f"-mcpu={cpu}"]


def main(triple, cpu, *arguments):
    command = compiler(triple, cpu)
    words = [word for word in arguments if not word.startswith("-Wl,-Map")]
    if "-E" in words:
        sources = [word for word in words if word.endswith(".c")]
        if len(sources) > 1:
            rest = [word for word in words if word not in sources]
            return max(subprocess.run([*command, *rest, source]).returncode for source in sources)
        if "-" in words:
            with tempfile.NamedTemporaryFile(suffix=".c") as file:
                file.write(sys.stdin.buffer.read())
                file.flush()
                words = [file.name if word == "-" else word for word in words]
                return subprocess.run([*command, *words]).returncode
    return os.execv(command[0], [*command, *words])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
