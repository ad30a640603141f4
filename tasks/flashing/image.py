"""An OpenWrt image: its octets, and the metadata that `fwtool` appended, which say for which boards it is.

At the end of the file stand chunks (metadata, signatures), each before a trailer of 16 octets:

    magic "FWx0" | CRC-32 of all before it in the file | kind | 3 octets | size of chunk and trailer

in network byte order; the checksum is not inverted at its end, as zlib's is. Metadata begin with 8 octets
that mean nothing yet.
"""

import hashlib
import json
import struct
import zlib
from collections import namedtuple
from pathlib import Path

TRAILER = struct.Struct(">4sIB3xI")
MAGIC = b"FWx0"
SIGNATURE, METADATA = 0, 1
HEADER_SIZE = 8  # of metadata
CHUNKS_MAX = 8

# devices: board names; version: in words. Both are empty of an image without metadata.
Image = namedtuple("Image", "path data sha256 devices version")


class WrongImage(Exception):
    """It must not be written; str() says why."""


def read(path):
    """The Image in a file. Raises WrongImage."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as e:
        raise WrongImage(f"{path}: {e.strerror}") from None
    if not data:
        raise WrongImage(f"{path}: empty; expected an image")
    metadata = _metadata(path, data)
    devices = metadata.get("supported_devices", [])
    if not isinstance(devices, list) or not all(isinstance(device, str) for device in devices):
        raise WrongImage(f"{path}: supported_devices: expected a list of board names")
    version = metadata.get("version")
    words = ""
    if isinstance(version, dict):
        words = " ".join(str(version[key]) for key in ("dist", "version", "revision") if key in version)
    return Image(path, data, hashlib.sha256(data).hexdigest(), devices, words)


def check(image, board, sha256=None, bare=False):
    """Is it for this board (its table), and whole? bare: it may be without metadata. Raises WrongImage."""
    path = image.path
    if sha256 is not None and sha256.lower() != image.sha256:
        raise WrongImage(
            f"{path}: SHA-256 {image.sha256}; expected {sha256.lower()}: truncated, or another file"
        )
    if image.devices and board["identity"] not in image.devices:
        raise WrongImage(f"{path}: is for {', '.join(image.devices)}; expected {board['identity']}")
    if not image.devices and not bare:
        raise WrongImage(
            f"{path}: no metadata that say for which board it is, so it may be truncated; expected some for"
            f" {board['identity']} (--bare writes it all the same, with --sha256)"
        )
    if not image.devices and sha256 is None:
        raise WrongImage(f"{path}: --bare: expected --sha256 too: nothing else tells if it is whole")
    partition = firmware(board)
    if len(image.data) > partition["size"]:
        raise WrongImage(f"{path}: {len(image.data)} octets; expected {partition['size']} at most")


def firmware(board):
    """The board's partition that an image is for. Raises WrongImage."""
    for partition in board.get("partition", []):
        if partition["name"] == "firmware" and not partition.get("read_only"):
            return partition
    raise WrongImage(f"board {board['name']}: no partition 'firmware' that can be written")


def _metadata(path, data):
    """The JSON object in the file's metadata, or {}."""
    end, found = len(data), {}
    for _ in range(CHUNKS_MAX):
        if end < TRAILER.size:
            break
        magic, crc, kind, size = TRAILER.unpack_from(data, end - TRAILER.size)
        if magic != MAGIC:
            break
        if not TRAILER.size <= size <= end:
            raise WrongImage(f"{path}: a trailer says {size} octets, {end} are there")
        if zlib.crc32(data[: end - TRAILER.size]) ^ 0xFFFFFFFF != crc:
            raise WrongImage(f"{path}: checksum of its metadata is wrong: damaged or truncated")
        if kind == METADATA and not found:
            try:
                found = json.loads(data[end - size + HEADER_SIZE : end - TRAILER.size])
            except ValueError as e:
                raise WrongImage(f"{path}: metadata: {e}") from None
            if not isinstance(found, dict):
                raise WrongImage(f"{path}: metadata: expected an object")
        end -= size
    return found


def with_metadata(data, metadata):
    """The octets of an image with metadata appended, as fwtool does."""
    body = bytes(HEADER_SIZE) + json.dumps(metadata).encode()
    crc = zlib.crc32(data + body) ^ 0xFFFFFFFF
    return data + body + TRAILER.pack(MAGIC, crc, METADATA, len(body) + TRAILER.size)
