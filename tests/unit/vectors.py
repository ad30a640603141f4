"""What the tests of both message tables share: golden vectors, which test_messages.c reads too."""

from careof.wire.reader import Malformed

NUMBER = 0xFEDCBA98


def vectors(name):
    """[(name, octets, {field: text})] of golden/NAME.txt"""
    folder = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
    found = []
    with open(folder + "/golden/" + name + ".txt") as file:
        for line in file:
            row, octets, *fields = line.split()
            texts = {}
            for field in fields:
                key, _, value = field.partition("=")
                texts[key] = value
            found.append((row, bytes.fromhex(octets), texts))
    return found


def text(value):
    if isinstance(value, tuple):
        return ",".join([str(number) for number in value])
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    return str(value)


def refused(table, octets):
    try:
        table.unpack(octets)
    except Malformed:
        return True
    return False


def unfit(table, message):
    """Is it refused for sending?"""
    try:
        table.pack(message, 1)
    except (ValueError, OverflowError):
        return True
    return False


def check_vectors(table, name):
    """Each row has a vector, in the table's order, which is read and written."""
    found = vectors(name)
    assert [row for row, _, _ in found] == [row.name for row in table.ROWS]
    rows = {row.name: row for row in table.ROWS}
    for row, octets, texts in found:
        message, number = table.unpack(octets)
        assert type(message) is getattr(table, row) and number == NUMBER
        for (field, _), value in zip(rows[row].fields, message):
            assert text(value) == texts[field], (row, field)
        assert table.pack(message, NUMBER) == octets, row


def check_cuts(table, name):
    """What is cut off or too long is refused; so it is with a length that agrees, unless octets end it."""
    rows = {row.name: row for row in table.ROWS}
    for row, octets, _ in vectors(name):
        for size in range(len(octets)):
            assert refused(table, octets[:size]), (row, size)
        assert refused(table, octets + b"\0"), row
        fields = rows[row].fields
        if fields and fields[-1][1] != "octets":
            shorter = octets[:2] + (len(octets) - 1).to_bytes(2, "big") + octets[4:-1]
            assert refused(table, shorter), row


def check_counters(table):
    """Counters are named in their order, and must all be there."""
    values = b"".join([index.to_bytes(8, "big") for index in range(len(table.COUNTERS))])
    named = table.counters(values)
    for index, name in enumerate(table.COUNTERS):
        assert named[name] == index
    for wrong in (values[:-1], values + b"\0"):
        try:
            table.counters(wrong)
            assert False
        except Malformed:
            pass
