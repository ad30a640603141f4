"""The messages between careofd and tunneld: golden vectors, which tests/native/test_messages.c reads too."""

from careof.wire import tunneld
from careof.wire.reader import Malformed

NUMBER = 0xFEDCBA98


def vectors():
    """[(name, octets, {field: text})]"""
    folder = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
    found = []
    with open(folder + "/golden/tunneld.txt") as file:
        for line in file:
            name, octets, *fields = line.split()
            texts = {}
            for field in fields:
                key, _, value = field.partition("=")
                texts[key] = value
            found.append((name, bytes.fromhex(octets), texts))
    return found


def text(value):
    if isinstance(value, tuple):
        return ",".join([str(number) for number in value])
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    return str(value)


def refused(octets):
    try:
        tunneld.unpack(octets)
    except Malformed:
        return True
    return False


def test_every_row_has_a_vector():
    assert [name for name, _, _ in vectors()] == [row.name for row in tunneld.ROWS]


def test_vectors_are_read_and_written():
    rows = {row.name: row for row in tunneld.ROWS}
    for name, octets, texts in vectors():
        message, number = tunneld.unpack(octets)
        assert type(message) is getattr(tunneld, name) and number == NUMBER
        for (field, _), value in zip(rows[name].fields, message):
            assert text(value) == texts[field], (name, field)
        assert tunneld.pack(message, NUMBER) == octets, name


def test_what_is_cut_off_or_too_long_is_refused():
    for name, octets, _ in vectors():
        for size in range(len(octets)):
            assert refused(octets[:size]), (name, size)
        assert refused(octets + b"\0"), name


def test_lengths_are_made_good_but_fields_still_count():
    """With a length that agrees, a message without its last octet is still refused, unless octets end it."""
    rows = {row.name: row for row in tunneld.ROWS}
    for name, octets, _ in vectors():
        fields = rows[name].fields
        if not fields or fields[-1][1] == "octets":
            continue
        shorter = octets[:2] + (len(octets) - 1).to_bytes(2, "big") + octets[4:-1]
        assert refused(shorter), name


def test_unknown_kinds_and_bad_devices_are_refused():
    _, octets, _ = vectors()[0]
    assert refused(b"\x7f\xff" + octets[2:])
    row = {name: octets for name, octets, _ in vectors()}["SetUplink"]
    at = row.index(b"wwan0")
    assert refused(row[:at] + b"\0wan0" + row[at + 5 :])
    assert refused(row[:at] + b"a" * 16 + row[at + 16 :])


def test_what_does_not_fit_is_not_sent():
    for message in (
        tunneld.SetUplink(1, "sixteen-letters-", bytes(4), 1),
        tunneld.SetUplink(1, "wan", bytes(3), 1),
        tunneld.SetUplink(1, "wan", bytes(4), 65536),
        tunneld.SendInner(1, bytes(65535)),
    ):
        try:
            tunneld.pack(message, 1)
            assert False, message
        except (ValueError, OverflowError):
            pass


def test_every_set_has_a_drop_but_the_tuns():
    for row in tunneld.ROWS:
        if row.name.startswith("Set") and row.name != "SetTun":
            message, _ = tunneld.unpack({name: octets for name, octets, _ in vectors()}[row.name])
            drop = tunneld.drop_of(message)
            wanted = {"SetLinkTunnel": "DropTunnel"}.get(row.name, "Drop" + row.name[3:])
            assert type(drop).__name__ == wanted
            assert message[: len(drop)] == drop[:], row.name
    assert tunneld.drop_of(tunneld.SetTun(bytes(4), 1400)) is None


def test_counters_are_named_in_their_order():
    values = b"".join([index.to_bytes(8, "big") for index in range(len(tunneld.COUNTERS))])
    named = tunneld.counters(values)
    assert named["out_packets"] == 0 and named[tunneld.COUNTERS[-1]] == len(tunneld.COUNTERS) - 1
    for wrong in (values[:-1], values + b"\0"):
        try:
            tunneld.counters(wrong)
            assert False
        except Malformed:
            pass


if __name__ == "__main__":
    from runner import main

    main(globals())
