"""What the console lets other programs do: it builds a shell's command line of checked words and waits.

MicroPython has no subprocess, and careofd waits for nobody; the console may. system() leaves ^C to the tool,
as the tty does while it is the console's foreground. What is missing is said with where it is to be had.
"""

import os

from ..system.safe_file import exists, shell_word

TOOLS = {
    "ping": "busybox, or iputils-ping",
    "traceroute": "busybox, or traceroute",
    "tcpdump": "tcpdump-mini or tcpdump",
    "logread": "logd",
}
WORD_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789.:/-_%@[]()!=<>&|+*"
INIT_SCRIPT, SYSTEMD = "/etc/init.d/careof", "/run/systemd/system"
CAPTURE_S = 600


class Missing(Exception):
    """A tool that is not installed, and what has it."""


def has(tool):
    return os.system("command -v %s >/dev/null 2>&1" % tool) == 0


def demand(tool):
    if not has(tool):
        raise Missing("%s is not installed: expected the package %s" % (tool, TOOLS[tool]))


def is_word(text):
    """May it be an argument of a tool? No option, nothing odd; a shell sees it quoted besides."""
    if not 1 <= len(text) <= 255 or text[0] == "-":
        return False
    return all([character in WORD_CHARACTERS for character in text.lower()])


def command_line(*words):
    return " ".join([shell_word(str(one)) for one in words])


def ping(host, count, source=None):
    demand("ping")
    return command_line("ping", "-c", count, *((["-I", source] if source else []) + [host]))


def trace(host):
    demand("traceroute")
    return command_line("traceroute", "-n", host)


def capture(device, count, expression):
    demand("tcpdump")
    words = ["timeout", CAPTURE_S] if has("timeout") else []
    words += ["tcpdump", "-n", "-l", "-i", device, "-c", count]
    return command_line(*(words + expression))


def log():
    """Following careof's lines in the machine's log."""
    if exists(SYSTEMD) and has("journalctl"):
        return "journalctl -n 20 -f -t careofd -t careof-tunneld -t careof-keyd"
    demand("logread")
    return "logread -f -e careof"


def _has_systemd():
    return exists(SYSTEMD) and has("systemctl")


def restart():
    """The command that starts careofd again, or None where nobody here knows one."""
    if exists(INIT_SCRIPT):
        return INIT_SCRIPT + " restart"
    return "systemctl restart careofd" if _has_systemd() else None


def stop_and_start():
    """The commands for all of careof, or (None, None)."""
    if exists(INIT_SCRIPT):
        return INIT_SCRIPT + " stop", INIT_SCRIPT + " start"
    if _has_systemd():
        keyd = "! systemctl -q is-enabled careof-keyd || systemctl start careof-keyd"
        return "systemctl stop careofd careof-keyd", keyd + "; systemctl start careofd"
    return None, None


def devices():
    try:
        return sorted(os.listdir("/sys/class/net"))
    except OSError:
        return []
