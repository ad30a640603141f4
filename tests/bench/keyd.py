"""What careof-keyd takes and answers, with either library: `./dev bench keyd`.

Questions go through careofd's own client. Beside the rate, which is that of both processes on this machine,
stands the processor time of each for one question: a busy machine spoils that less.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from agent import INTERPRETERS
from tunnel import machine

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests/host"), str(ROOT / "firmware")]

from careof.wire import keyd as wire  # noqa: E402
from keyd_process import BINARY, Keyd, cannot_run  # noqa: E402

KEYS = (0, 1000, 100000)
SAVES_AT_A_TIME, VALUE_SIZE = 50, 250  # octets: a binding


def resident_kb(pid):
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    of = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return of["Rss"], of["Private_Clean"] + of["Private_Dirty"]


def processor_s(pid):
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def ask(keyd, interpreter, seconds):
    """(questions a second, processor time of one in careofd and in keyd, us)"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "firmware")}
    environment["MICROPYPATH"] = f"{ROOT / 'firmware'}:.frozen"
    began = processor_s(keyd.process.pid)
    command = [*INTERPRETERS[interpreter], HERE / "keyd_subject.py", keyd.path, str(seconds)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{interpreter}: {done.stderr or done.stdout}")
    told = json.loads(done.stdout)
    of_keyd = (processor_s(keyd.process.pid) - began) * 1e6 / (told["rate"] * seconds)
    return told["rate"], told["cpu_us"], of_keyd


def save(client, seconds):
    """Values a second that are on the disk."""
    began, saved = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        for which in range(SAVES_AT_A_TIME):
            saved += 1
            number = client.send(wire.Save(f"ha.{which}", 0, b"%d " % saved + bytes(VALUE_SIZE)))
        client.wait_for_saved(number)
    return saved / (time.monotonic() - began)


def rows_of(name, binary, seconds):
    for count in KEYS:
        keyd = Keyd(binary=binary)
        names = (
            f"node-10.{i >> 16}.{i >> 8 & 255}.{i & 255}-256 hmac-sha256 {i:032x}\n" for i in range(count)
        )
        keyd.write_keys("".join(names))
        client = keyd.start().client()
        resident, private = resident_kb(keyd.process.pid)
        yield f"resident{count}", name, resident, "kB"
        yield f"private{count}", name, private, "kB"
        if count == KEYS[-1]:
            began = time.monotonic()
            client.ask(wire.LoadKeys(), wire.Done)
            yield f"reload{count}", name, round((time.monotonic() - began) * 1000), "ms"
        if count == 0:
            yield "saves", name, round(save(client, seconds)), "1/s"
            client.close()
            for interpreter in INTERPRETERS:
                rate, of_careofd, of_keyd = ask(keyd, interpreter, seconds)
                yield f"questions, {interpreter}", name, round(rate), "1/s"
                if of_careofd is not None:
                    yield f"a question in careofd, {interpreter}", name, round(of_careofd, 1), "us"
                yield f"a question in keyd, {interpreter}", name, round(of_keyd, 1), "us"
        keyd.remove()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json")
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    if cannot_run():
        raise SystemExit(f"bench: {cannot_run()}")
    rows = []
    for binary in sorted(path for path in BINARY.parent.glob("careof-keyd*") if path.is_file()):
        for case, subject, value, unit in rows_of(binary.name, binary, options.seconds):
            rows.append({"case": case, "subject": subject, "value": value, "unit": unit})
            print(f"{subject:20} {case:40} {value:>10} {unit}", flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
