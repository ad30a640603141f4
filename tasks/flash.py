"""./dev flash: images into routers by their boot loaders, several at a time."""

import sys
import threading
from pathlib import Path

from invoke import task

from .common import BUILD, ROOT, Rows

sys.path.insert(0, str(ROOT / "host"))  # for careof_serial


@task(
    iterable=["port"],
    help={
        "board": "which board: a name of board/",
        "port": "its serial port, or a URL of pyserial; several times for several boards",
        "image": "the image",
        "transfer": "tftp or ymodem",
        "host": "this machine's address in the boards' network, for tftp",
        "address": "the address that the loader takes there, for tftp; the last octet rises with each port",
        "sha256": "what the image's SHA-256 must be",
        "bare": "the image has no metadata that say for which board it is",
        "dry-run": "say what would be written, and write nothing",
        "stay": "leave the board in its boot loader",
        "json": "write the rows there",
    },
)
def flash(
    _,
    board,
    port,
    image,
    transfer="ymodem",
    host=None,
    address=None,
    sha256=None,
    bare=False,
    dry_run=False,
    stay=False,
    json=None,
):
    """An image into the flash of the board at a serial port; what is right there already is left alone."""
    from .cross import boards, toml_schema
    from .flashing import image as images
    from .flashing.line import LineTrouble
    from .flashing.transfer import TftpServer

    if not port:
        sys.exit("flash: expected --port, once for each board")
    if transfer not in ("tftp", "ymodem"):
        sys.exit(f"flash: --transfer {transfer}: expected tftp or ymodem")
    if transfer == "tftp" and not (host and address):
        sys.exit("flash: --transfer tftp: expected --host and --address too")
    try:
        made = boards.load(board)
        if made["loader"].get("storage") is None:
            sys.exit(f"flash: {board}: {_other_ways(made)}")
        read = images.read(image)
        images.check(read, made, sha256, bare)
    except (toml_schema.Fault, images.WrongImage) as e:
        sys.exit(f"flash: {e}")
    try:
        server = TftpServer(host) if transfer == "tftp" else None
    except LineTrouble as e:
        sys.exit(f"flash: {e}")
    print(f"{read.path}: {len(read.data)} octets, {read.version or 'no version'}, SHA-256 {read.sha256}")
    rows, lock = Rows(), threading.Lock()
    options = {"server": server, "dry": dry_run, "start": not stay}
    workers = [
        threading.Thread(
            target=_one, args=(rows, lock, made, read, url, _address(address, number), options), daemon=True
        )
        for number, url in enumerate(port)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if server is not None:
        server.close()
    rows.finish(json)


def _other_ways(board):
    ways = [f"{way['way']}: {way['start']}" for way in board.get("flash", [])]
    return "no way is known to flash it by its boot loader's console; there is " + "; ".join(ways)


def _address(address, number):
    if address is None:
        return None
    head, last = address.rsplit(".", 1)
    return f"{head}.{int(last) + number}"


def _one(rows, lock, board, image, url, address, options):
    from .flashing.job import Job, WrongBoard
    from .flashing.line import Line, LineTrouble
    from .flashing.transfer import Tftp, Ymodem
    from .flashing.uboot import UBoot

    def say(text):
        with lock:
            print(f"{url}: {text}", flush=True)

    def progress(what, done, total):
        if done in (1, total) or done * 10 // total > (done - 1) * 10 // total:
            say(f"{what} {done} of {total} pieces")

    folder = BUILD / "flash"
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / ("".join(c if c.isalnum() else "-" for c in url).strip("-") + ".log")
    line = None
    more, passed = {}, False
    try:
        with Path(log).open("wb") as file:
            line = Line(url, board["serial"]["speed"], file)
            uboot = UBoot(line, board["loader"], say)
            sender = Tftp(options["server"], address) if options["server"] else Ymodem(line)
            outcome = Job(board, image, uboot, sender, say, progress).run(options["dry"], options["start"])
            more, passed = outcome._asdict(), True
    except (LineTrouble, WrongBoard) as e:
        say(f"FAILED: {e} (all that came: {log})")
        more = {"why": str(e)}
    finally:
        if line is not None:
            line.close()
    with lock:
        rows.add(url, passed, **more)
