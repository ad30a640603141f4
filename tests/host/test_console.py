"""`careof console` as a process on a terminal, at the end of a slow line, on both interpreters."""

import os
import random
import re
import shutil
import subprocess
import termios

import pytest
from careof_office import INTERPRETERS, environment
from namespaces import Namespace
from serial_line import Console, Harm, Line
from tunneld_process import ROOT

KEY = "00112233445566778899aabbccddeeff"
TEXT = f"""# the branch
config mobile_router 'branch'
	option home_address '10.77.0.2'
	option home_agent '198.51.100.10'
	list uplink 'wan'
	option association 'office'

config association 'office'
	option spi '1001'
	option key '{KEY}'  # made in March

config uplink 'wan'
	option device 'eth0'
"""


@pytest.fixture(params=INTERPRETERS)
def interpreter(request):
    return request.param


class Router:
    def __init__(self, interpreter, folder, harm=None, text=TEXT, **line):
        self.config = folder / "careof"
        if text is not None:
            self.config.write_text(text)
        self.line = Line(Console(interpreter, self.config, folder), harm, **line)


@pytest.fixture
def router(interpreter, tmp_path):
    router = Router(interpreter, tmp_path)
    router.line.expect("careof> ")
    yield router
    router.line.remove()


# -- By hand ------------------------------------------------------------------------------------------


def test_from_a_value_to_a_commit(router):
    line = router.line
    shown = line.command("show configuration")
    assert "option device 'eth0'" in shown and KEY not in shown and "<hidden>" in shown
    said = line.command("set uplink wan preference 0")
    assert said == "option 'preference' '0': expected a number from 1 to 255"
    assert line.command("set uplink wan preference 20") == ""
    assert "+\toption preference '20'" in line.command("diff")
    assert "careofd does not answer" in line.command("commit")
    assert router.config.read_text() == TEXT + "\toption preference '20'\n"
    line.type("exit\r")
    assert line.console.process.wait(timeout=10) == 0
    assert termios.tcgetattr(line.console.slave) == line.console.before


def test_completion_help_and_history_on_the_screen(router):
    line = router.line
    line.type("sho")
    line.expect("sho")
    line.type("\t")
    line.expect("w ")
    line.type("?")
    line.expect("registrations +requests that are pending.*careof> show ")
    line.type("conf\t")
    line.expect("configuration ")
    line.type("\r")
    line.expect("careof> ")
    line.type("\x1b[A")
    line.expect("show configuration")


def test_a_key_is_asked_for_and_not_shown(router):
    line = router.line
    line.type("set association office key\r")
    line.expect("key: ")
    line.type(KEY[::-1] + "\r")
    echoed = line.expect(r".*?careof\*> ")
    assert "*" * 32 in echoed and KEY[::-1] not in echoed
    line.type("set association office key 0102\r")
    echoed = line.expect(r".*?expected 32 to 128.*careof\*> ")
    assert "0102" not in echoed
    line.command("commit")
    assert KEY[::-1] in router.config.read_text()


def test_leaving_with_changes_wants_a_second_word(router):
    line = router.line
    line.command("set uplink wan preference 20")
    assert "not committed" in line.command("exit")
    assert line.command("rollback") == "what was not committed is dropped"
    line.type("\x04")
    assert line.console.process.wait(timeout=10) == 0
    assert router.config.read_text() == TEXT


@pytest.fixture
def alone(interpreter, tmp_path):
    """A console in a namespace of its own, where tools may send."""
    if os.geteuid() != 0:
        pytest.skip("needs root for its namespace")
    namespace = Namespace("console")
    config = tmp_path / "careof"
    config.write_text(TEXT)
    words = ["ip", "netns", "exec", namespace.name, *INTERPRETERS[interpreter], "careof.console.main"]
    words += ["--config", str(config), "--run", str(tmp_path)]
    line = Line(Console(interpreter, config, tmp_path, argv=words))
    line.expect("careof> ")
    yield line
    line.remove()
    namespace.remove()


def test_packets_are_captured_and_tools_that_are_missing_are_named(alone):
    line = alone
    subprocess.run(["tcpdump", "--version"], check=True, capture_output=True)
    line.type("capture lo count 2 icmp\r")
    line.expect("listening on lo")
    namespace = line.console.process.args[3]
    ping = ["ip", "netns", "exec", namespace, "ping", "-c", "20", "-i", "0.2", "127.0.0.1"]
    with subprocess.Popen(ping, stdout=subprocess.DEVNULL) as process:
        line.expect("ICMP echo request.*ICMP echo reply.*careof> ")
        process.kill()
    assert "expected letters" in line.command("capture lo count 1 '; reboot'")
    assert "expected letters" in line.command("capture -w/etc/passwd")
    if shutil.which("traceroute") is None:
        said = line.command("trace 127.0.0.1")
        assert said == "traceroute is not installed: expected the package busybox, or traceroute"


def test_a_tool_has_the_terminal_and_can_be_interrupted(alone):
    line = alone
    line.type("ping 127.0.0.1 count 1000\r")
    line.expect("(from|bytes).*seq=1")
    line.type("\x03")
    line.expect("careof> ")
    assert "expected letters" in line.command("ping -f")
    said = line.command("ping '$(reboot)'")
    assert "expected letters" in said
    line.type("start-shell\r")
    line.expect("[#$] ")
    line.type("stty -a | grep -o '[-]*icanon'; exit\r")
    line.expect("[\r\n]icanon\r\n")
    line.expect("careof> ")


def test_previous_and_two_at_a_time(router, interpreter, tmp_path):
    line = router.line
    line.command("set uplink wan preference 20")
    line.command("commit")
    other = Line(Console(interpreter, router.config, tmp_path))
    try:
        other.expect("careof> ")
        other.command("set uplink wan preference 30")
        other.command("commit")
        line.command("set uplink wan preference 40")
        assert "changed by somebody else" in line.command("commit")
        line.command("rollback")
        line.command("rollback previous")
        assert "-\toption preference '30'\n+\toption preference '20'" in line.command("diff")
    finally:
        other.remove()


def test_factory_reset_asks_and_does(router, tmp_path):
    line = router.line
    line.type("factory-reset\r")
    line.expect("yes")
    line.type("no\r")
    line.expect("nothing is changed.*careof> ")
    assert router.config.read_text() == TEXT
    line.type("factory-reset\r")
    line.expect("yes")
    line.type("yes\r")
    line.expect("done.*careof> ")
    assert "globals" in router.config.read_text() and KEY not in router.config.read_text()
    assert not [name for name in os.listdir(tmp_path) if KEY in (tmp_path / name).read_text()]


def test_a_support_bundle_has_much_and_no_key(router):
    path = re.search(r"/tmp/careof-support-\w+\.txt", router.line.command("support"))[0]
    try:
        assert os.stat(path).st_mode & 0o777 == 0o600
        with open(path) as file:
            text = file.read()
    finally:
        os.remove(path)
    assert KEY not in text and "option device 'eth0'" in text and "== $ ip address" in text


GETTY = ROOT / "packaging/openwrt/careof/files/careof/usr/libexec/careof/getty"


def test_a_getty_asks_for_enter_and_gives_the_console_its_terminal(interpreter, tmp_path, monkeypatch):
    config = tmp_path / "careof"
    config.write_text(TEXT)
    words = [*INTERPRETERS[interpreter], "careof.console.main", "--config", config, "--run", tmp_path]
    monkeypatch.setenv("CAREOF_CONSOLE", " ".join(map(str, words)))
    console = Console(interpreter, config, tmp_path, argv=["sleep", "60"])  # who has the terminal until then
    name = os.ttyname(console.slave).removeprefix("/dev/")
    console.process.kill()
    console.process.wait()
    console.process = subprocess.Popen([GETTY, name, "9600", "ask"], env=environment())
    line = Line(console)
    try:
        line.expect("Press Enter")
        assert termios.tcgetattr(console.slave)[4:6] == [termios.B9600] * 2
        line.type("\r")
        line.expect("careof> ")
        line.type("start-shell\r")
        line.expect("[#$] ")
        line.type("set -m && echo job control; exit\r")
        line.expect("\njob control\r\n|\rjob control\r\n")
        line.expect("careof> ")
        assert line.command("diff") == "nothing is changed"
        line.type("exit\r")
        assert console.process.wait(timeout=10) == 0
    finally:
        line.remove()


def test_a_getty_with_a_policy_that_there_is_not_says_so():
    done = subprocess.run(["sh", GETTY, "null", "9600", "nobody"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "'nobody': expected ask, login or off" in done.stderr


# -- Pastes and bad lines -----------------------------------------------------------------------------


def pasted():
    """500 lines, and the values that they set."""
    lines, devices = [], []
    for number in range(250):
        devices.append(f"net{number}")
        lines.append(f"set uplink u{number} device net{number}")
        lines.append(f"set uplink u{number} preference {number % 255 + 1}")
    return lines, devices


@pytest.mark.parametrize("brackets", [False, True])
def test_500_pasted_lines_are_all_taken(router, brackets):
    line = router.line
    lines, devices = pasted()
    before = list(line.relay.carried)
    text = "\r".join(lines) + "\r"
    line.type(f"\x1b[200~{text}\x1b[201~" if brackets else text)
    line.command("show version")  # the last prompt is after them all
    carried = [now - then for now, then in zip(line.relay.carried, before, strict=True)]
    assert carried[1] < carried[0]  # so the echo never holds the paste up
    line.command("commit")
    text = router.config.read_text()
    assert re.findall(r"option device '(\w+)'", text) == ["eth0", *devices]
    assert len(re.findall("option preference", text)) == 250


def test_a_pasted_file_arrives_octet_for_octet(router):
    lines = ["# pasted", *TEXT.splitlines()]
    for number in range(250):
        lines += [f"config uplink u{number}\t# who is there?", f"\toption device 'eth{number}'"]
    text = "\n".join(lines).replace("'eth0'", "'wan'", 1) + "\n"
    line = router.line
    line.type("load\r")
    line.expect("ends it")
    line.type(text.replace("\n", "\r") + ".\r")
    line.expect(rf"{len(text.splitlines())} lines taken.*careof\*> ")
    line.command("commit")
    assert router.config.read_text() == text


def test_a_wrong_line_of_a_paste_is_said_with_itself(router):
    line = router.line
    line.type(
        f"set uplink wan preference 20\rset uplink wan preferense 30\rset association office key {KEY}0\r\r"
    )
    line.type("\r" * 20)
    heard = line.expect(r".*?preferense 30\r\n.*did you mean 'preference'\?.*expected 32 to 128.*careof\*> ")
    assert KEY not in heard


def test_a_line_that_loses_and_garbles_harms_nothing(interpreter, tmp_path):
    seed = random.randrange(1 << 32)
    harm = Harm(seed, 40)
    router = Router(interpreter, tmp_path)
    line = router.line
    try:
        line.expect("careof> ")
        line.relay.harm = harm
        for text in pasted()[0][:200]:
            line.type(text + "\r")
        noise = bytes(random.Random(seed).randrange(256) for _ in range(4000))
        line.type(noise.replace(b"\x04", b"\x05"))  # ^D alone would leave, as it should
        line.relay.harm = lambda octets: octets
        line.type("\x11\x03\r\x03")  # a garbled octet may have been XOFF
        line.type("rollback\r\x03diff\r")
        line.expect("nothing is changed")
        assert harm.harmed > 50 and line.console.process.poll() is None, seed
        assert router.config.read_text() == TEXT
    finally:
        line.remove()


def test_a_hangup_ends_it(router):
    line = router.line
    line.relay.stop()
    os.close(line.console.slave)
    os.close(line.console.master)
    line.console.process.wait(timeout=10)


# -- Scripts ------------------------------------------------------------------------------------------


def test_a_script_ends_with_the_first_refusal(interpreter, tmp_path):
    config = tmp_path / "careof"
    config.write_text(TEXT)
    command = [
        *INTERPRETERS[interpreter],
        "careof.console.main",
        "--config",
        str(config),
        "--run",
        str(tmp_path),
    ]

    def run(text, *arguments):
        done = subprocess.run(
            [*command, *arguments], input=text, env=environment(), capture_output=True, text=True, timeout=30
        )
        return done.returncode, done.stdout + done.stderr

    status, out = run("set uplink wan preference 20\ncommit\n")
    assert status == 0 and "written" in out and "preference '20'" in config.read_text()
    status, out = run("set uplink wan preference 30\nset uplink wan preference x\ncommit\n")
    assert status == 1 and "expected a number" in out and "preference '20'" in config.read_text()
    status, out = run("set uplink wan preference 30\n")
    assert status == 1 and "dropped" in out
    status, out = run("", "show", "configuration", "uplink", "wan")
    assert status == 0 and "eth0" in out
    assert run("", "--port")[0] == 2
    config.write_text("nonsense\n")
    status, out = run("", "diff")
    assert status == 3 and "careof:1: 'nonsense'" in out
