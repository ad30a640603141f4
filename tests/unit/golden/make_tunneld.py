"""Writes tunneld.txt beside this file: one vector for each row of wire/tunneld.ROWS.

Both codecs, Python's and C's, are tested against the file, so it is only made anew when the format is meant
to change (and VERSION with it).

    NAME OCTETS field=value ...        values: numbers in decimal, octets in hexadecimal, lists with commas
"""

from pathlib import Path

from careof.wire import tunneld

SAMPLES = {"u8": 0x12, "u16": 0x1234, "u32": 0x12345678, "u64": 0x123456789ABCDEF0, "ip": b"\xc6\x33\x64\x0a"}
SAMPLES["mac"] = b"\x02\x1b\x44\x11\x3a\xb7"
SAMPLES.update({"device": "wwan0", "list32": (1, 0x80000000, 7), "octets": bytes(range(0, 250, 17))})


def text(kind, value):
    if kind == "device":
        return value
    if kind == "list32":
        return ",".join(str(number) for number in value)
    return value.hex() if isinstance(value, bytes) else str(value)


def line(row):
    message = getattr(tunneld, row.name)(*[SAMPLES[kind] for _, kind in row.fields])
    fields = " ".join(f"{name}={text(kind, SAMPLES[kind])}" for name, kind in row.fields)
    return f"{row.name} {tunneld.pack(message, 0xFEDCBA98).hex()} {fields}".rstrip()


if __name__ == "__main__":
    lines = [line(row) for row in tunneld.ROWS]
    (Path(__file__).parent / "tunneld.txt").write_text("\n".join(lines) + "\n")
