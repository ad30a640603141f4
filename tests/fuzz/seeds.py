"""First inputs for the fuzzers in C, made from the table of messages: one of each kind, and one life.

seeds.py FOLDER     writes FOLDER/fuzz_messages/... and FOLDER/fuzz_tunneld/...
"""

import sys
from pathlib import Path

from careof.wire import tunneld as wire

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = {
    "u8": 1,
    "u16": 1400,
    "u32": 1,
    "u64": 1,
    "ip": b"\x7f\0\0\1",
    "mac": b"\2\0\0\0\0\1",
    "device": "up0",
    "list32": (1,),
}
OP_MESSAGE, OP_TUN, OP_UDP, OP_IPIP, OP_TIME = range(5)  # of fuzz_tunneld.c
INNER = bytes.fromhex("4500001c000100004001 66ac 7f000001 0a4d0002 0000 3500 ca0f 0001".replace(" ", ""))


def sample(row):
    octets = INNER if row.name in ("SendInner", "Inner") else b"\1sample"
    values = [SAMPLES.get(kind, octets) for _, kind in row.fields]
    return wire.pack(getattr(wire, row.name)(*values), 1)


def op(kind, data):
    return bytes([kind]) + len(data).to_bytes(2, "big") + data


def main(folder):
    messages = {row.name: sample(row) for row in wire.ROWS}
    life = b"".join(op(OP_MESSAGE, m) for m in messages.values())
    vnet = bytes(10)
    inputs = {
        "fuzz_messages": messages,
        "fuzz_tunneld": {
            **{name: op(OP_MESSAGE, data) for name, data in messages.items()},
            "life": life,
            "packets": op(OP_TUN, vnet + INNER) + op(OP_UDP, b"\4\4\0\0" + INNER) + op(OP_UDP, b"\1signal"),
            "ipip": op(OP_IPIP, INNER[:9] + b"\4" + INNER[10:20] + INNER) + op(OP_TIME, bytes(200)),
        },
    }
    for fuzzer, files in inputs.items():
        (folder / fuzzer).mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / fuzzer / f"seed-{name}").write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
