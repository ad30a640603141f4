"""Scripts for the console, a line at a time, as `expect` has them:

# what a branch needs              a comment
set uplink lte device wwan0        a command; its answer is kept
? mobile_router-branch             the answer of the last command must have this (a regular expression)
! refused                          and must not have that
wait 30 connected                  `show status` until it has this, for so many seconds
"""

import re
import time

WAIT_GAP_S = 1


class ScriptError(Exception):
    """The line of a script that went otherwise."""


def parse(text, path="script"):
    """[(line, kind, words)] Raises ScriptError."""
    steps = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        kind, rest = "command", line
        if line[0] in "?!":
            kind, rest = line[0], line[1:].strip()
        elif line.startswith("wait "):
            found = re.fullmatch(r"wait (\d+) (.+)", line)
            if not found:
                raise ScriptError(f"{path}:{number}: expected: wait SECONDS PATTERN")
            kind, rest = "wait", (int(found[1]), found[2])
        pattern = "" if kind == "command" else rest[1] if kind == "wait" else rest
        try:
            re.compile(pattern)
        except re.error as error:
            raise ScriptError(f"{path}:{number}: '{pattern}': no regular expression: {error}") from None
        steps.append((number, kind, rest))
    return steps


def run(session, steps, say, path="script"):
    """Raises ScriptError at the first step that went otherwise, PortError."""
    answer = ""
    for number, kind, rest in steps:
        if kind == "command":
            say(f"> {rest}")
            answer = "\n".join(session.command(rest))
            if answer:
                say(answer)
        elif kind == "wait":
            answer = _wait(session, *rest, f"{path}:{number}")
        elif bool(re.search(rest, answer)) != (kind == "?"):
            wanted = "expected" if kind == "?" else "not expected"
            raise ScriptError(f"{path}:{number}: {wanted}: {rest}; it said: {answer or 'nothing'}")


def _wait(session, seconds, pattern, place):
    deadline = time.monotonic() + seconds
    while True:
        answer = "\n".join(session.command("show status"))
        if re.search(pattern, answer):
            return answer
        if time.monotonic() > deadline:
            raise ScriptError(f"{place}: {pattern} did not come in {seconds} s; status: {answer}")
        time.sleep(WAIT_GAP_S)
