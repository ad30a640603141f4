"""One board is flashed: what differs is written, piece by piece, and the image's beginning last.

    catch the loader --> is it this board? --> compare piece by piece --> nothing differs: done
        --> overwrite the beginning --> for each other piece that differs: load, check, write, read, check
        --> the beginning likewise --> check all of it --> start

The flash is one that the loader writes by blocks of 512 octets (eMMC, a disk): there is no erasing. A piece
is right when the loader has read it and its own CRC-32 of it says so. So a flashing
that was cut off is resumed by beginning it again: what is right by then is not written twice. And since an
image begins with what makes it one, a board that lost power in between never starts half an image: its
loader finds none.
"""

import zlib
from collections import namedtuple

from . import image as images
from .line import LineTrouble

BLOCK_SIZE = 512
PIECE_SIZE = 64 << 10  # six seconds of YMODEM at 115,200 baud: so much is lost when it is cut off
TRIES = 3
CATCH_S, WRITE_S, READ_S, CRC_S = 120, 60, 60, 60

# What was done: pieces that were right before, and that were written.
Outcome = namedtuple("Outcome", "right written")


class WrongBoard(Exception):
    """Another board than the one that was said; str() says which."""


class Job:
    """board: its table of board/; uboot, transfer: the ends; say(text), progress(done, total)."""

    def __init__(self, board, image, uboot, transfer, say, progress):
        self._board, self._image, self._uboot, self._transfer = board, image, uboot, transfer
        self._say, self._progress = say, progress
        loader = board["loader"]
        self._ram, self._again = loader["ram"], loader["ram"] + PIECE_SIZE  # what is loaded, and what is read
        self._device, self._number = loader["storage"].split()
        self._at = images.firmware(board)["offset"] // BLOCK_SIZE
        data = image.data + bytes(-len(image.data) % BLOCK_SIZE)
        self._pieces = [data[at : at + PIECE_SIZE] for at in range(0, len(data), PIECE_SIZE)]

    def run(self, dry=False, start=True):
        """The Outcome. dry: compare, and write nothing. Raises WrongBoard, LineTrouble."""
        self._uboot.catch(CATCH_S)
        self._identify()
        self._uboot.run(f"{self._device} dev {self._number}")
        wrong = self._compare()
        right = len(self._pieces) - len(wrong)
        if not wrong or dry:
            self._say(
                f"{right} of {len(self._pieces)} pieces are right" + (", nothing was written" if dry else "")
            )
        else:
            self._write(wrong)
        if start and not dry:
            self._uboot.begin("reset")
        return Outcome(right, 0 if dry else len(wrong))

    def _identify(self):
        loader = self._board["loader"]
        said = self._uboot.run(loader["asks"])
        if loader["answers"] not in said:
            raise WrongBoard(
                f"'{loader['asks']}' says {said[-200:]!r}; expected {loader['answers']!r}, as a"
                f" {self._board['title']} does: nothing was written"
            )

    def _compare(self):
        """Numbers of the pieces that are not what they should be."""
        wrong = []
        for number, piece in enumerate(self._pieces):
            self._progress("compared", number + 1, len(self._pieces))
            if not self._is_right(number, piece):
                wrong.append(number)
        return wrong

    def _blocks(self, number):
        """Where a piece lies, and how long it is, as the loader's commands say it."""
        first = self._at + number * (PIECE_SIZE // BLOCK_SIZE)
        return f"{first:#x} {len(self._pieces[number]) // BLOCK_SIZE:#x}"

    def _block_command(self, verb, address, blocks, timeout_s):
        command = f"{self._device} {verb} {address:#x} {blocks}"
        text = self._uboot.run(command, timeout_s)
        if "OK" not in text:
            raise LineTrouble(f"'{command}': the loader says {text[-200:]!r}")

    def _is_right(self, number, piece):
        self._block_command("read", self._again, self._blocks(number), READ_S)
        return self._uboot.crc32(self._again, len(piece), CRC_S) == zlib.crc32(piece)

    def _write(self, wrong):
        self._spoil()  # from here on there is no image, until there is a whole one
        self._transfer.open(self._uboot)
        order = [number for number in wrong if number] + [0]
        for done, number in enumerate(order):
            self._write_piece(number, self._pieces[number])
            self._progress("written", done + 1, len(order))
        wrong = self._compare()
        if wrong:
            self._spoil()
            raise LineTrouble(
                f"pieces {wrong} were right when they were written, and are not: is the flash worn?"
            )

    def _spoil(self):
        self._uboot.run(f"mw.b {self._ram:#x} 0xff {BLOCK_SIZE:#x}")
        self._block_command("write", self._ram, f"{self._at:#x} 1", WRITE_S)

    def _write_piece(self, number, piece):
        fault = None
        for _ in range(TRIES):
            try:
                self._transfer.load(self._uboot, self._ram, piece, f"piece{number}")
                if self._uboot.crc32(self._ram, len(piece), CRC_S) != zlib.crc32(piece):
                    raise LineTrouble(f"piece {number} came damaged by {self._transfer.name}")
                self._block_command("write", self._ram, self._blocks(number), WRITE_S)
                if self._is_right(number, piece):
                    return
                raise LineTrouble(
                    f"piece {number}: what was written at {self._blocks(number)} reads otherwise"
                )
            except LineTrouble as e:
                self._say(f"again: {e}")
                fault = e
        raise fault
