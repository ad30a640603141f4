"""Writes TABLE.txt beside this file: one vector for each row of wire/TABLE.ROWS.

    make.py tunneld

Both codecs, Python's and C's, are tested against the file, so it is only made anew when the format is meant
to change (and VERSION with it).

    NAME OCTETS field=value ...        values: numbers in decimal, octets in hexadecimal, lists with commas
"""

import importlib
import sys
from pathlib import Path

SAMPLES = {"u8": 0x12, "u16": 0x1234, "u32": 0x12345678, "u64": 0x123456789ABCDEF0, "ip": b"\xc6\x33\x64\x0a"}
SAMPLES["mac"] = b"\x02\x1b\x44\x11\x3a\xb7"
SAMPLES.update({"device": "wwan0", "list32": (1, 0x80000000, 7), "octets": bytes(range(0, 250, 17))})
SAMPLES.update({"name": "node-10.77.0.2-256", "short": bytes(range(3, 250, 16))})


def text(value):
    if isinstance(value, tuple):
        return ",".join(str(number) for number in value)
    return value.hex() if isinstance(value, bytes) else str(value)


def line(table, row):
    message = getattr(table, row.name)(*[SAMPLES[kind] for _, kind in row.fields])
    fields = " ".join(f"{name}={text(SAMPLES[kind])}" for name, kind in row.fields)
    return f"{row.name} {table.pack(message, 0xFEDCBA98).hex()} {fields}".rstrip()


if __name__ == "__main__":
    name = sys.argv[1]
    table = importlib.import_module(f"careof.wire.{name}")
    lines = [line(table, row) for row in table.ROWS]
    (Path(__file__).parent / f"{name}.txt").write_text("\n".join(lines) + "\n")
