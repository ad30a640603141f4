"""./dev flash against a real U-Boot: written, cut off, resumed, over noise, by network, two at once."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from namespaces import Namespace
from uboot_board import FIRMWARE, LOADER, Board, Relay, cannot_run

from tasks.cross import boards
from tasks.flashing import image as images
from tasks.flashing.job import PIECE_SIZE

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))
ROOT = Path(__file__).resolve().parents[2]
IDENTITY = boards.load("qemu-virt-arm")["identity"]
PIECES = 3


def an_image(folder, seed=0):
    """Two pieces and a little of a third."""
    data = (b"careof%d" % seed).ljust(16, b".") * ((PIECES - 1) * PIECE_SIZE // 16 + 200)
    path = folder / f"image{seed}.bin"
    path.write_bytes(images.with_metadata(data, {"supported_devices": [IDENTITY]}))
    return path


def command(image, *ports, more=()):
    words = [word for port in ports for word in ("--port", port)]
    words += ["--image", image, "--json", image.with_suffix(".json"), *more]
    invoke = Path(sys.executable).with_name("invoke")
    return [str(word) for word in (invoke, "flash", "--board", "qemu-virt-arm", *words)]


def flash(image, *ports, more=(), namespace=None):
    """(rows, what was printed)"""
    words = command(image, *ports, more=more)
    if namespace is not None:
        words = ["ip", "netns", "exec", namespace.name, *words]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300)
    file = image.with_suffix(".json")
    return json.loads(file.read_text())["rows"] if file.exists() else [], done.stdout + done.stderr


@pytest.fixture
def board(tmp_path):
    made = Board(tmp_path)
    yield made
    made.cut_power()


def test_an_image_is_written_once_and_seen_to_be_there_after_that(tmp_path, board):
    image = an_image(tmp_path)
    octets = image.read_bytes()
    rows, said = flash(image, board.port, more=["--dry-run"])
    assert rows[0]["passed"] and rows[0]["written"] == 0, said
    assert board.flash(16) == b"\xff" * 16
    rows, said = flash(image, board.port, more=["--stay"])
    assert rows[0] == {"name": board.port, "passed": True, "right": 0, "written": PIECES}, said
    assert board.flash(len(octets)) == octets
    rows, said = flash(image, board.port)
    assert rows[0]["right"] == PIECES and rows[0]["written"] == 0, said


def test_noise_on_the_line_changes_no_command(tmp_path, board):
    image = an_image(tmp_path)
    relay = Relay(board.port, one_in=60)
    try:
        rows, said = flash(image, relay.port, more=["--dry-run"])
        assert rows[0]["passed"], said
        assert relay.spoiled > 0
    finally:
        relay.close()


def test_a_board_that_lost_power_has_no_image_and_is_resumed(tmp_path):
    before, image = an_image(tmp_path, seed=1), an_image(tmp_path, seed=2)
    old, new = before.read_bytes(), image.read_bytes()
    board = Board(tmp_path)
    with board.disk.open("r+b") as disk:
        disk.seek(FIRMWARE)
        disk.write(old)
    board.cut_power()
    board = Board(tmp_path)
    working = subprocess.Popen(command(image, board.port), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for line in working.stdout:
        if "written 1 of" in line:
            break
    board.cut_power()
    said = working.communicate(timeout=200)[0]
    assert working.returncode == 1 and "FAILED" in said, said
    assert board.flash(16) == b"\xff" * 16, "the old image's beginning is still there"
    board = Board(tmp_path)
    try:
        rows, said = flash(image, board.port)
        assert rows[0]["passed"], said
        assert rows[0]["right"] >= 1 and rows[0]["right"] + rows[0]["written"] == PIECES, said
        assert board.flash(len(new)) == new
    finally:
        board.cut_power()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for its namespace")
def test_two_boards_at_once_by_network(tmp_path):
    network, image = Namespace("flash"), an_image(tmp_path)
    network.ip("link", "add", "lan0", "type", "bridge")
    network.ip("address", "add", "192.168.1.2/24", "dev", "lan0")
    network.ip("link", "set", "lan0", "up")
    made = []
    try:
        for number in range(2):
            tap, folder = f"tap{number}", tmp_path / f"board{number}"
            folder.mkdir()
            network.ip("tuntap", "add", tap, "mode", "tap")
            network.ip("link", "set", tap, "master", "lan0", "up")
            made.append(Board(folder, network, tap))
        more = ["--transfer", "tftp", "--host", "192.168.1.2", "--address", "192.168.1.10"]
        rows, said = flash(image, *[board.port for board in made], more=more, namespace=network)
        assert [row["passed"] for row in rows] == [True, True], said
        for board in made:
            assert board.flash(image.stat().st_size) == image.read_bytes()
    finally:
        for board in made:
            board.cut_power()
        network.remove()


def test_another_board_at_the_port_is_left_alone(tmp_path):
    loader = tmp_path / "u-boot.bin"
    loader.write_bytes(LOADER.read_bytes().replace(b"board_name=qemu-arm", b"board_name=toaster1"))
    board = Board(tmp_path, loader=loader)
    try:
        rows, said = flash(an_image(tmp_path), board.port)
        assert not rows[0]["passed"] and "toaster1" in said and "nothing was written" in said
        assert board.flash(16) == b"\xff" * 16
    finally:
        board.cut_power()


def test_a_port_that_is_not_there_or_silent_is_said(tmp_path):
    image = an_image(tmp_path)
    rows, said = flash(image, "/dev/ttyNONE9")
    assert not rows[0]["passed"] and "there is no such device" in said
    words = command(image, more=["--transfer", "ftp"])
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "--port" in done.stderr


def test_an_unplugged_cable_is_said_at_once(tmp_path, board):
    image = an_image(tmp_path)
    working = subprocess.Popen(command(image, board.port), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for line in working.stdout:
        if "compared 1 of" in line:
            break
    began = time.monotonic()
    board.cut_power()
    said = working.communicate(timeout=60)[0]
    assert "gone while in use" in said and time.monotonic() - began < 30
