"""Files of many nodes and of keys: what is taken, every mistake with its place, and reading in pieces."""

import os

import scratch
from careof.crypt.soft import SoftProvider
from careof.limits import READ_MISTAKES_MAX, READ_PIECE_SIZE
from careof.system import options, uci
from careof.system.keys_file import KeysFile
from careof.system.nodes_file import NodesFile

PATH = scratch.path("nodes")
CONFIGURATION = """config node_group 'vans'
	list network_within '10.64.0.0/10'
config node_group 'phones'
config mobile_node 'branch'
	option home_address '10.77.0.2'
	option nai 'branch@example.net'
	list mobile_network '10.77.1.0/24'
	list association 'a'
config association 'a'
	option spi '256'
	option key '000102030405060708090a0b0c0d0e0f'
"""


def written(text):
    with open(PATH, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    return PATH


def configuration():
    return options.read(uci.Document(CONFIGURATION, "careof"))


def read(text, pooled=True):
    file = NodesFile(written(text), configuration(), pooled)
    return finished(file)


def finished(file):
    steps = 0
    while not file.step():
        steps += 1
        assert steps < 100000
    file.steps = steps
    os.remove(PATH)
    return file


def number(*octets):
    return int.from_bytes(bytes(octets), "big")


def test_rows_are_what_the_lines_say():
    file = read(
        "# the fleet\n\n"
        "10.64.0.1 vans 256\n"
        "\t10.64.0.2   vans 256,4294967295 10.65.1.0/24 10.65.2.0/28  # two networks\r\n"
        "10.9.0.3 phones 300"
    )
    assert file.mistakes == [] and len(file.table) == 3
    assert file.table.row(number(10, 64, 0, 1)) == ("vans", (256,), ())
    assert file.table.row(number(10, 64, 0, 2)) == (
        "vans",
        (256, 4294967295),
        ((bytes((10, 65, 1, 0)), 24), (bytes((10, 65, 2, 0)), 28)),
    )
    assert file.table.row(number(10, 9, 0, 3)) == ("phones", (300,), ())
    assert file.table.row(number(10, 9, 0, 4)) is None


def test_every_mistake_has_its_line_and_what_was_expected():
    for line, why in (
        ("10.64.0.9 vans", "expected HOME_ADDRESS, HOME_ADDRESS,NAI or NAI, then GROUP SPI"),
        ("10.64.0 vans 256", "'10.64.0': expected an IPv4 address"),
        ("224.0.0.1 vans 256", "'224.0.0.1': expected an IPv4 address"),
        ("10.77.0.2 vans 256", "10.77.0.2: it is that of a config mobile_node"),
        ("10.64.0.1 vans 256", "10.64.0.1: it is there already"),
        ("10.64.0.9 trucks 256", "'trucks': there is no such config node_group"),
        ("10.64.0.9 vans 255", "'255': expected a number from 256"),
        ("10.64.0.9 vans 256,,300", "'': expected a number from 256"),
        ("10.64.0.9 vans 256,256", "'256,256': expected at most 16 SPIs, each once"),
        ("10.64.0.9 vans 300 10.65.1.1/24", "'10.65.1.1/24': expected an IPv4 prefix"),
        (
            "10.64.0.9 vans 300 10.10.1.0/24",
            "10.10.1.0/24: not within the network_within of node_group 'vans'",
        ),
        ("10.64.0.9 vans 300 10.65.1.0/24", "10.65.1.0/24: line 1 has it"),
        ("10.64.0.9 vans 300 10.77.1.0/24", "10.77.1.0/24: a config mobile_node has it"),
        ("10.64.0.9 vans 300 10.65.1.16/28", "10.65.1.16/28: it overlaps a network of line 1"),
        ("10.64.0.9 vans 300 10.65.0.0/16", "10.65.1.0/24: it overlaps a network of line 2"),
        ("10.64.0.9 phones 300 10.0.0.0/9", "10.77.1.0/24: it overlaps a network of line 2"),
        (b"10.64.0.9 \xff\xfe 300", "expected UTF-8"),
        ("x" * 5000, "a line of more than 4096 octets"),
        ("x" * 50000, "a line of more than 4096 octets"),
    ):
        line = line if isinstance(line, bytes) else line.encode()
        file = read(b"10.64.0.1 vans 256 10.65.1.0/24\n" + line + b"\n")
        assert len(file.mistakes) >= 1, line
        place, _, text = file.mistakes[0].partition(": ")
        assert place in (PATH + ":1", PATH + ":2") and why in text, (line, file.mistakes)


def test_who_a_line_is_about_may_be_said_by_name():
    file = read(
        "10.64.0.1,van1@example.net vans 256\na@b.example vans 256 10.65.1.0/24\n10.64.0.2,van2 vans 256\n"
    )
    table = file.table
    assert file.mistakes == [] and len(table) == 3
    assert table.named(b"van1@example.net") == number(10, 64, 0, 1) and table.named(b"van2") == number(
        10, 64, 0, 2
    )
    assert table.nai(number(10, 64, 0, 1)) == b"van1@example.net" and table.nai(number(10, 64, 0, 3)) is None
    assert table.named(b"a@b.example") == b"a@b.example" and table.named(b"nobody@example.net") is None
    assert table.row(b"a@b.example") == ("vans", (256,), ((bytes((10, 65, 1, 0)), 24),))
    assert table.row(number(10, 64, 0, 1)) == table.row(number(10, 64, 0, 2)) == ("vans", (256,), ())
    assert (
        table
        != read("10.64.0.1 vans 256\na@b.example vans 256 10.65.1.0/24\n10.64.0.2,van2 vans 256\n").table
    )


def test_mistakes_in_names_have_their_line_and_what_was_expected():
    known = "10.64.0.1,van1@example.net vans 256\nvan3@example.net vans 256\n"
    long = "n" * 40 + "@x.example"
    for line, why in (
        ("van9 vans 256", "'van9': expected an IPv4 address"),
        ("10.64.0.9, vans 256", "'': expected 1 to 255 printable characters"),
        ("10.64.0.9,v\u00e4n@x.example vans 256", "expected 1 to 255 printable characters"),
        ("10.64.0.9,branch@example.net vans 256", "'branch@example.net': it is that of a config mobile_node"),
        ("branch@example.net vans 256", "'branch@example.net': it is that of a config mobile_node"),
        ("10.64.0.9,van1@example.net vans 256", "'van1@example.net': it is there already"),
        ("van1@example.net vans 256", "'van1@example.net': it is there already"),
        ("10.64.0.9,van3@example.net vans 256", "'van3@example.net': it is there already"),
        ("10.64.0.1,van4@example.net vans 256", "10.64.0.1: it is there already"),
        (long + " vans 256", "expected at most 47 octets, as its keys are named after it"),
    ):
        file = read(known + line + "\n")
        [mistake] = file.mistakes
        assert mistake.startswith(PATH + ":3: ") and why in mistake, (line, mistake)
    [mistake] = read("van9@example.net vans 256", pooled=False).mistakes
    assert mistake == PATH + ":1: 'van9@example.net': expected a home address, as there is no address_pool"
    assert (
        read("10.64.0.9,%s vans 256" % long, pooled=False).mistakes == []
    )  # the control: keys are the address's


def test_so_many_mistakes_are_told_and_no_more():
    file = read("nonsense\n" * 5000)
    assert len(file.mistakes) == READ_MISTAKES_MAX + 1 and "not read further" in file.mistakes[-1]
    assert file.steps * READ_PIECE_SIZE < 2 * READ_MISTAKES_MAX * READ_PIECE_SIZE


def test_a_file_that_is_not_there():
    file = NodesFile("/nowhere/nodes", configuration(), True)
    assert file.step() and "cannot be read" in file.mistakes[0]


def test_a_long_file_is_read_in_pieces_wherever_they_end():
    lines = ["10.64.%d.%d vans %d" % (n >> 8, n & 255, 256 + n % 3) for n in range(1, 3000)]
    file = read("\n".join(lines) + "\n")
    assert file.mistakes == [] and len(file.table) == 2999
    assert file.steps >= sum([len(line) + 1 for line in lines]) // READ_PIECE_SIZE
    for n in (1, 255, 256, 2999):
        assert file.table.row(number(10, 64, n >> 8, n & 255)) == ("vans", (256 + n % 3,), ())


def test_tables_are_equal_when_their_files_say_the_same():
    one, same = read("10.64.0.1 vans 256\n"), read("# again\n10.64.0.1   vans 256")
    assert one.table == same.table and one.table != read("10.64.0.1 vans 257\n").table


def test_keys():
    file = finished(KeysFile(written("node-10.64.0.1-256 hmac-sha256 %s\n" % ("00" * 32)), SoftProvider()))
    assert file.mistakes == []
    assert len(file.provider.authenticate("node-10.64.0.1-256", b"data")) == 32


def test_mistakes_in_keys_never_show_one():
    secret = "c0ffee" * 12
    for line, why in (
        ("node-10.64.0.1-256 hmac-sha256", "expected NAME ALGORITHM HEXKEY"),
        ("n hmac-sha256 %sx" % secret, "key of 'n': expected 32 to 128 hexadecimal digits"),
        ("n hmac-sha3 %s" % secret, "no algorithm"),
        ("n hmac-sha256 %s\nn hmac-sha256 %s" % (secret, secret), "'n': it is there already"),
    ):
        file = finished(KeysFile(written(line), SoftProvider()))
        assert len(file.mistakes) == 1 and why in file.mistakes[0], (line, file.mistakes)
        assert "c0ffee" not in file.mistakes[0]


if __name__ == "__main__":
    from runner import main

    main(globals())
