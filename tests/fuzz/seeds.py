"""First inputs for the fuzzers in C, made from the table of messages: one of each kind, and one life.

seeds.py FOLDER     writes FOLDER/fuzz_messages/..., FOLDER/fuzz_tunneld/..., FOLDER/fuzz_keyd/... and so on
"""

import sys
from pathlib import Path

from careof.wire import ipv4, keyd
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
    "name": "key",
    "short": bytes(32),
    "octets": bytes(range(32)),
}
OP_MESSAGE, OP_TUN, OP_UDP, OP_IPIP, OP_GRE, OP_MINIMAL, OP_ICMP, OP_TIME = range(8)  # of fuzz_tunneld.c
OP_DATAGRAM, OP_DONE, OP_REFUSED, OP_POWER_CUT, OP_HANG_UP, OP_KEYS = range(6)  # of fuzz_keyd.c
INNER = bytes.fromhex("4500001c000100004001 66ac 7f000001 0a4d0002 0000 3500 ca0f 0001".replace(" ", ""))


def sample(table, row):
    octets = {"SendInner": INNER, "Inner": INNER}.get(row.name, SAMPLES["octets"])
    values = [octets if kind == "octets" else SAMPLES[kind] for _, kind in row.fields]
    return table.pack(getattr(table, row.name)(*values), 1)


def of_keyd():
    """{fuzzer: {name: octets}}"""
    messages = {row.name: sample(keyd, row) for row in keyd.ROWS}
    key = keyd.pack(keyd.AddKey("key", keyd.ALGORITHM_HMAC_MD5, bytes(16)), 1)
    save = keyd.pack(keyd.Save("name", 0, b"value"), 1)
    record = bytes([1, 3, 5]) + b"namevalue"
    return {
        "fuzz_messages_keyd": messages,
        "fuzz_keyd": {
            **{name: op(OP_DATAGRAM, data) for name, data in messages.items()},
            "questions": op(OP_DATAGRAM, key + messages["Authenticate"] + messages["Verify"]),
            "life": op(OP_DATAGRAM, b"".join(messages.values())) + op(OP_DONE, b"") * 3,
            "cut": op(OP_DATAGRAM, save)
            + op(OP_DONE, b"")
            + op(OP_DATAGRAM, save * 2)
            + op(OP_POWER_CUT, b"x"),
            "refused": op(OP_DATAGRAM, save) + op(OP_REFUSED, b"\1") + op(OP_DONE, b"x" * 300),
            "loading": op(OP_DATAGRAM, messages["LoadKeys"]) + op(OP_KEYS, b"x") + op(OP_DONE, b""),
            "parts": op(OP_DATAGRAM, keyd.pack(keyd.Save("name", 1, bytes(900)), 1) + save),
        },
        "fuzz_journal": {
            "anything": b"\0careof-state 1\n\0" + bytes(60),
            "cut": b"\1\0\7x" + record * 3,
            "spoilt": b"\2\0\7x" + record * 3,
        },
        "fuzz_keys_file": {
            "right": b"# keys\nkey hmac-sha256 "
            + b"0f" * 16
            + b" # comment\n\tother\thmac-md5 "
            + b"AB" * 64,
            "wrong": b"key hmac-sha256 " + b"0f" * 15 + b"\nkey hmac-md4 " + b"00" * 16 + b"\n",
        },
    }


def op(kind, data):
    return bytes([kind]) + len(data).to_bytes(2, "big") + data


def unreachable(protocol, payload):
    """From our only address about what went from there to there."""
    ours = SAMPLES["ip"]
    quoted = ipv4.pack(ipv4.Packet(ours, ours, protocol, 64, 0, 0, True, payload))
    total = ipv4.checksum(b"\3\1\0\0\0\0\0\0" + quoted).to_bytes(2, "big")
    error = b"\3\1" + total + b"\0\0\0\0" + quoted
    return ipv4.pack(ipv4.Packet(ours, ours, ipv4.ICMP, 64, 0, 0, False, error))


def main(folder):
    messages = {row.name: sample(wire, row) for row in wire.ROWS}
    life = b"".join(op(OP_MESSAGE, m) for m in messages.values())
    vnet = bytes(10)
    inputs = {
        **of_keyd(),
        "fuzz_messages": messages,
        "fuzz_tunneld": {
            **{name: op(OP_MESSAGE, data) for name, data in messages.items()},
            "life": life,
            "packets": op(OP_TUN, vnet + INNER) + op(OP_UDP, b"\4\4\0\0" + INNER) + op(OP_UDP, b"\1signal"),
            "unreachable": op(OP_ICMP, unreachable(ipv4.UDP, b"\1\xb2\1\xb2\0\x20\0\0" + b"\1request"))
            + op(OP_ICMP, unreachable(ipv4.IPIP, INNER)),
            "ipip": op(OP_IPIP, INNER[:9] + b"\4" + INNER[10:20] + INNER) + op(OP_TIME, bytes(200)),
        },
    }
    for fuzzer, files in inputs.items():
        (folder / fuzzer).mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / fuzzer / f"seed-{name}").write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
