"""board/*.toml: every file is whole; a wrong one is refused with its file, its field and what is expected."""

import pytest

from tasks.cross import boards, targets, toml_schema

WANTED = {
    *("glinet-gl-mt300n-v2", "tplink-archer-c7-v2", "turris-omnia", "glinet-gl-mt3000"),
    *("qemu-malta-le", "qemu-virt-arm", "x86-64"),
}
NAME = "tplink-archer-c7-v2"
TEXT = (boards.FOLDER / f"{NAME}.toml").read_text()


def fault_of(tmp_path, text, name=NAME):
    folder = tmp_path / "board"
    folder.mkdir()
    (folder / f"{name}.toml").write_text(text)
    with pytest.raises(toml_schema.Fault) as caught:
        boards.load(name, folder)
    return str(caught.value)


def changed(old, new):
    assert TEXT.count(old) >= 1, old
    return TEXT.replace(old, new, 1)


@pytest.mark.parametrize("name", boards.names())
def test_every_board_is_whole(name):
    made = boards.load(name)
    assert made["name"] == name
    assert targets.find(made["target"]["openwrt_arch"]).triple == made["target"]["triple"]


def test_the_boards_that_are_promised_are_there_and_every_target_has_one():
    assert set(boards.names()) >= WANTED
    assert {boards.load(name)["target"]["triple"] for name in boards.names()} == set(targets.TARGETS)


def test_carrier_of_switch_ports_is_not_trusted():
    for name in boards.names():
        for uplink in boards.load(name)["uplink"]:
            if "." in uplink["device"]:  # a VLAN of the port that a switch hangs on
                assert uplink["carrier"] == "untrusted", name


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("speed = 115200", 'speed = "fast"', "serial.speed: 'fast'; expected baud, 1200 to 1500000"),
        ("speed = 115200", "speed = 115", "serial.speed: 115; expected baud, 1200 to 1500000"),
        ("speed = 115200", "speed = true", "serial.speed: True; expected baud, 1200 to 1500000"),
        ("ram_kb = 131072\n", "", "memory.ram_kb: missing; expected kB, 16384 to"),
        ('kind = "router"', 'kind = "toaster"', "kind: 'toaster'; expected one of router, emulated"),
        (
            "speed = 115200",
            "speed = 115200\nparity = 8",
            "serial.parity: not a field; expected one of device,",
        ),
        ('"mips-linux-musleabi"', '"mips-linux"', "target.triple: 'mips-linux'; expected one of mips-linux-"),
        ('"mips_24kc"', '"mipsel_24kc"', "target.openwrt_arch: 'mipsel_24kc'; expected one of mips_24kc"),
        ('carrier = "untrusted"', 'carrier = "no"', "uplink[0].carrier: 'no'; expected one of trusted, "),
        ("offset = 0x20000", "offset = 0x10000", "partition 'firmware': begins at 0x10000, within 'u-boot'"),
        (
            "size = 0x10000",
            "size = 0x20000",
            "partition 'art': ends at 0x1010000; expected 0x1000000 at most",
        ),
        ('name = "tp', 'name = "TP', "name: 'TPlink-archer-c7-v2'; expected a word of a-z, 0-9 and -"),
        ('name = "tp', 'name = "p', f"name: 'plink-archer-c7-v2'; expected '{NAME}', the file's name"),
        ('of = ["memory"]', 'of = ["serial"]', "source: nothing says where memory is from"),
        ('of = ["memory"]', 'of = ["RAM"]', "source[4].of: ['RAM']; expected sections, texts"),
        ("[serial]", "[[serial]]", "serial: not a table; expected a table, [serial]"),
        ("[[uplink]]", "[uplink]", "uplink: expected tables, [[uplink]]"),
        ("[[uplink]]", "[[uplinks]]", "uplinks: not a field; expected one of name, title,"),
        ("[serial]", "[serial", "Expected ']' at the end of a table declaration (at line"),
    ],
)
def test_what_is_wrong_is_said_with_its_file_its_field_and_what_is_expected(tmp_path, old, new, said):
    assert f"board/{NAME}.toml: {said}" in fault_of(tmp_path, changed(old, new))


def test_a_router_must_say_how_it_is_flashed_and_what_openwrt_calls_it(tmp_path):
    before, _, rest = TEXT.partition("[[flash]]")
    text = before.replace('openwrt_profile = "tplink_archer-c7-v2"\n', "") + rest[rest.index("[budget]") :]
    assert fault_of(tmp_path, text).splitlines() == [
        f"board/{NAME}.toml: flash: missing; expected at least one, since this is a router",
        f"board/{NAME}.toml: target.openwrt_profile: missing; expected, since this is a router",
    ]


def test_all_faults_are_said_at_once(tmp_path):
    text = changed("speed = 115200", "speed = 1").replace("ram_kb = 131072", "ram_kb = 1")
    assert len(fault_of(tmp_path, text).splitlines()) == 2


@pytest.mark.parametrize("name", ["no-such-board", "../board/x86-64", "", "x86 64", 5])
def test_an_unknown_board_is_refused_and_the_known_ones_named(name):
    with pytest.raises(toml_schema.Fault) as caught:
        boards.load(name)
    assert "expected a word" in str(caught.value) or "turris-omnia" in str(caught.value)


def test_a_target_is_found_by_its_triple_and_by_openwrts_name():
    assert targets.find("mipsel_24kc") is targets.find("mipsel-linux-musleabi")
    with pytest.raises(targets.UnknownTarget) as caught:
        targets.find("vax")
    assert "target 'vax': expected one of mips-linux-musleabi, " in str(caught.value)
