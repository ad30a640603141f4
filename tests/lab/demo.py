"""The demo: one lab, one story, a table, a report page. Ends with 0 only when all sessions survived."""

import argparse
import json
import shutil
import signal
import sys
import time
from pathlib import Path

from . import report, view
from .failover import PlainNat
from .process import CommandFailed
from .product import Careof
from .story import Story
from .topology import ROOT, Lab

FOLDER = ROOT / "build/demo"


def parse(arguments):
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__)
    parser.add_argument("--without", action="store_true", help="plain NAT failover in place of careof")
    parser.add_argument("--json", metavar="FILE", help="write what was measured there")
    parser.add_argument("--report", metavar="FILE", help="the report page, default build/demo/report.html")
    parser.add_argument("--keep", action="store_true", help="leave the lab standing until Ctrl-C")
    return parser.parse_args(arguments)


def ended(number, frame):
    raise KeyboardInterrupt


def main(arguments):
    options = parse(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ended)
    try:
        return run(options)
    except KeyboardInterrupt:
        print("\ninterrupted; the lab is gone", file=sys.stderr)
        return 130
    except (CommandFailed, TimeoutError) as e:
        print(f"demo: {e}; logs: {FOLDER / 'logs'}", file=sys.stderr)
        return 1


def run(options):
    logs = FOLDER / "logs"
    with Lab() as lab:
        with view.best() as (seen, console):
            seen.note(f"lab {lab.id}: laptop, branch, three access networks, internet, home agent, intranet")
            story = Story(lab, PlainNat(lab) if options.without else Careof(lab), seen)
            try:
                story.prepare()
                seen.follow(story)
                story.tell()
                story.finish()
            finally:
                keep_logs(lab, logs)
        view.show_result(console, story)
        page = Path(options.report) if options.report else FOLDER / "report.html"
        report.write(story, page)
        print(f"report: {page}; logs: {logs}")
        if options.json:
            Path(options.json).write_text(json.dumps(story.result(), indent=1) + "\n")
        if options.keep:
            wait_for_ctrl_c(lab)
    return 0 if story.passed() else 1


def keep_logs(lab, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for log in lab.folder.glob("*.log"):
        shutil.copy(log, folder)


def wait_for_ctrl_c(lab):
    print(f"lab {lab.id} stands: ./dev lab shell NODE; Ctrl-C removes it")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
