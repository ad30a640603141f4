"""Boards: a file each in board/, checked here, so that no tool that reads one has to.

A board says what a build, a flasher, a serial console and a test bench want to know of it. `source` says of
every section where it is from, since nobody can look at the hardware while reading the file, and `tried` says
how far anyone did. Sizes are in kB of 1024 octets, offsets and sizes of partitions in octets.
"""

from pathlib import Path

from . import targets
from .toml_schema import WORD, Fault, Field, faults_of, flag, name, number, one_of, read, text, texts, word

FOLDER = Path(__file__).resolve().parents[2] / "board"


def storage(value):
    kind, _, number = value.partition(" ")
    return kind in ("mmc", "virtio") and number.isdigit()


PARTITION = {
    "name": text("the partition's label"),
    "offset": number("octets from the start", least=0),
    "size": number("octets"),
    "read_only": flag(required=False),
}
UPLINK = {
    "name": name(),
    "device": text("the device's name in Linux"),
    "port": text("what is written on the box, or where it is", required=False),
    # Untrusted: the device has carrier whether or not a cable is in. Then only probes tell a dead uplink.
    "carrier": one_of("trusted", "untrusted"),
    "why": text("why its carrier events can be trusted, or not"),
}
LED = {"name": text("its name below /sys/class/leds"), "use": text("what it is for")}
BUTTON = {"name": text("what it is called"), "code": text("its code in input.h")}
# How an image gets in: by what, and what must be known for it.
WAY = {
    "way": one_of(
        "sysupgrade", "u-boot", "u-boot-tftp", "u-boot-web", "recovery-tftp", "usb-rescue", "emulator"
    ),
    "image": text("which of OpenWrt's images"),
    "address": text("the board's own address in its loader", required=False),
    "server": text("the address that its loader asks", required=False),
    "file": text("the file that its loader asks for", required=False),
    "start": text("what to do to get there"),
}
SCHEMA = {
    "name": name(),
    "title": text("what people call it"),
    "kind": one_of("router", "emulated"),
    "identity": text("what the board says it is: board_name() of OpenWrt, or the emulator's machine"),
    "target": {
        "triple": one_of(*targets.TARGETS),
        "cpu": text("the processor"),
        "features": texts("what it can or lacks, texts"),
        "openwrt_arch": text("DISTRIB_ARCH"),
        "openwrt_target": text("target/subtarget", required=False),
        "openwrt_profile": text("the image builder's PROFILE", required=False),
    },
    "memory": {
        "ram_kb": number("kB", least=16 << 10),
        "flash_kb": number("kB", least=4 << 10),
        "flash_kind": one_of("spi-nor", "spi-nand", "emmc", "disk"),
    },
    "partition": [PARTITION],
    "serial": {
        "device": text("the console's name in Linux"),
        "speed": number("baud", least=1200, most=1500000),
        "header": text("how to reach it"),
    },
    "loader": {
        "kind": one_of("u-boot", "none"),
        "interrupt": Field(str, "what stops its countdown, sent as it is", False, len),
        "waits_for": text("a regular expression: what it says then", required=False),
        "prompt": text("a regular expression: its prompt", required=False),
        "note": text("what else one must know", required=False),
        # To write by its console (./dev flash); without `storage` there is no way by it.
        "storage": Field(str, "mmc or virtio, and a number: what its flash is to it", False, storage),
        "ram": number("where it takes what it loads; as much room again lies behind it", required=False),
        "asks": text("a command that says which board it is", required=False),
        "answers": text("what that says, among more", required=False),
    },
    "uplink": [UPLINK],
    "lan": texts("the LAN's devices, texts"),
    "led": [LED],
    "button": [BUTTON],
    "flash": [WAY],
    "budget": {
        "careof_shared_kb": number("kB compressed, without MicroPython, Mbed TLS shared"),
        "careof_static_kb": number("kB compressed, without MicroPython, all static"),
        "micropython_kb": number("kB compressed"),
        "careofd_rss_kb": number("kB resident"),
        "tunneld_rss_kb": number("kB resident"),
        "keyd_rss_kb": number("kB resident"),
    },
    "tried": {
        "how": one_of("never", "built", "emulated", "hardware"),
        "what": text("what was done with it, by which command"),
    },
    "source": [
        {"of": texts("sections, texts", test=lambda item: item in SOURCED), "from": text("where from")}
    ],
}
# Sections that describe what others made: each must say where it is from.
SOURCED = (
    "identity",
    "target",
    "memory",
    "partition",
    "serial",
    "loader",
    "uplink",
    "led",
    "button",
    "flash",
)


def names():
    """The names of all boards."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(board, folder=FOLDER):
    """A board by its name, checked. Raises Fault."""
    if not isinstance(board, str) or not word(board):
        raise Fault(f"board '{board}': expected {WORD}")
    path = folder / f"{board}.toml"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.toml"))) or "none"
        raise Fault(f"board '{board}': no {path.name} in {folder.name}/; there are: {known}")
    made = read(path)
    faults = faults_of(made, SCHEMA) or _together(made, path.stem)
    if faults:
        raise Fault("\n".join(f"{folder.name}/{path.name}: {fault}" for fault in faults))
    return made


def _together(made, stem):
    """What is wrong with fields that are each well formed."""
    faults = []
    if made["name"] != stem:
        faults.append(f"name: {made['name']!r}; expected {stem!r}, the file's name")
    target = made["target"]
    known = targets.TARGETS[target["triple"]].openwrt
    if target["openwrt_arch"] not in known:
        faults.append(
            f"target.openwrt_arch: {target['openwrt_arch']!r}; expected one of {', '.join(known)}, "
            f"which {target['triple']} is built for"
        )
    faults += _partitions(made.get("partition", []), made["memory"]["flash_kb"] << 10)
    if made["kind"] == "router":
        for section in ("uplink", "flash", "button"):
            if not made.get(section):
                faults.append(f"{section}: missing; expected at least one, since this is a router")
        for field in ("openwrt_target", "openwrt_profile"):
            if field not in target:
                faults.append(f"target.{field}: missing; expected, since this is a router")
    loader = made["loader"]
    for field in ("prompt", "ram", "asks", "answers") if "storage" in loader else ():
        if field not in loader:
            faults.append(f"loader.{field}: missing; expected, since there is storage")
    sourced = {section for source in made.get("source", []) for section in source["of"]}
    for section in SOURCED:
        if made.get(section) and section not in sourced:
            faults.append(f"source: nothing says where {section} is from")
    return faults


def _partitions(partitions, flash_size):
    faults, end, before = [], 0, None
    for index, partition in enumerate(sorted(partitions, key=lambda row: row["offset"])):
        at = f"partition {partition['name']!r}"
        if index and partition["offset"] < end:
            faults.append(
                f"{at}: begins at {partition['offset']:#x}, within {before!r}; expected {end:#x} or more"
            )
        end, before = partition["offset"] + partition["size"], partition["name"]
        if end > flash_size:
            faults.append(f"{at}: ends at {end:#x}; expected {flash_size:#x} at most, the size of the flash")
    return faults
