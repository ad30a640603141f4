"""What is in an image, and for which board: all that is refused before a serial port is opened."""

import hashlib

import pytest

from tasks.cross import boards
from tasks.flashing import image as images

DATA = bytes(range(256)) * 40
BOARD = boards.load("qemu-virt-arm")
METADATA = {
    "metadata_version": "1.1",
    "supported_devices": [BOARD["identity"]],
    "version": {"dist": "OpenWrt", "version": "24.10.0", "revision": "r1"},
}


def written(tmp_path, data):
    path = tmp_path / "image.bin"
    path.write_bytes(data)
    return path


def refusal(path, **options):
    with pytest.raises(images.WrongImage) as caught:
        images.check(images.read(path), BOARD, **options)
    return str(caught.value)


def test_an_image_says_for_which_board_and_of_which_version_it_is(tmp_path):
    image = images.read(written(tmp_path, images.with_metadata(DATA, METADATA)))
    assert image.devices == [BOARD["identity"]] and image.version == "OpenWrt 24.10.0 r1"
    images.check(image, BOARD)
    images.check(image, BOARD, sha256=hashlib.sha256(image.data).hexdigest().upper())


def test_a_signature_after_the_metadata_is_no_hindrance(tmp_path):
    import zlib

    data = images.with_metadata(DATA, METADATA) + b"untrusted comment: signed\n"
    crc = zlib.crc32(data) ^ 0xFFFFFFFF
    data += images.TRAILER.pack(images.MAGIC, crc, images.SIGNATURE, 26 + images.TRAILER.size)
    assert images.read(written(tmp_path, data)).devices == [BOARD["identity"]]


def test_another_boards_image_is_refused(tmp_path):
    path = written(tmp_path, images.with_metadata(DATA, {"supported_devices": ["other,board"]}))
    assert refusal(path) == f"{path}: is for other,board; expected {BOARD['identity']}"


def test_an_image_that_lost_its_end_is_refused(tmp_path):
    whole = images.with_metadata(DATA, METADATA)
    path = written(tmp_path, whole[:-100])
    assert "no metadata" in refusal(path)
    assert "expected --sha256 too" in refusal(path, bare=True)
    assert "truncated, or another file" in refusal(path, bare=True, sha256="0" * 64)


def test_an_image_that_lost_its_beginning_or_was_changed_is_refused(tmp_path):
    whole = images.with_metadata(DATA, METADATA)
    for damaged in (whole[1:], whole[:10] + b"X" + whole[11:]):
        with pytest.raises(images.WrongImage, match="damaged or truncated"):
            images.read(written(tmp_path, damaged))


def test_an_image_for_no_board_at_all_is_written_only_when_it_is_said(tmp_path):
    path = written(tmp_path, DATA)
    assert "expected some for" in refusal(path)
    images.check(images.read(path), BOARD, sha256=hashlib.sha256(DATA).hexdigest(), bare=True)


def test_what_does_not_fit_is_refused(tmp_path):
    board = {**BOARD, "partition": [{"name": "firmware", "offset": 0, "size": 100}]}
    with pytest.raises(images.WrongImage, match="expected 100 at most"):
        images.check(images.read(written(tmp_path, images.with_metadata(DATA, METADATA))), board)


@pytest.mark.parametrize(
    "metadata", ({"supported_devices": "x"}, {"supported_devices": [1]}, ["supported_devices"])
)
def test_metadata_of_another_form_are_refused(tmp_path, metadata):
    with pytest.raises(images.WrongImage, match="expected"):
        images.read(written(tmp_path, images.with_metadata(DATA, metadata)))


def test_a_file_that_is_not_there_or_empty_is_refused(tmp_path):
    with pytest.raises(images.WrongImage, match="No such file"):
        images.read(tmp_path / "none.bin")
    with pytest.raises(images.WrongImage, match="empty"):
        images.read(written(tmp_path, b""))
