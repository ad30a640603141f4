"""careof-serial against a console at the other end of a line: good, lossy, of another speed, pulled out."""

import os
import random
import shutil
import socket
import subprocess
import threading

import pytest
from careof_office import INTERPRETERS, wait_until
from careof_serial import __main__ as tool
from careof_serial import script, session, terminal
from careof_serial.port import Port, PortError
from serial_line import Console, Line
from test_console import KEY, TEXT


@pytest.fixture(params=INTERPRETERS)
def interpreter(request):
    return request.param


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "router/careof"
    path.parent.mkdir()
    path.write_text(TEXT)
    return path


@pytest.fixture
def lines():
    made = []
    yield made
    for line in made:
        line.remove()


def line_to(lines, config, interpreter="CPython", **options):
    argv = options.pop("argv", None)
    line = Line(Console(interpreter, config, config.parent, argv=argv), **options)
    lines.append(line)
    return line


def run(line, *words):
    return tool.main([words[0], "--port", line.port, "--speed", "9600", *map(str, words[1:])])


def large(text=TEXT):
    """Some 4 KB."""
    more = "\nconfig uplink u{0}\n\toption device 'net{0}'  # {1}\n"
    return text + "".join(more.format(number, "-" * 40) for number in range(40))


# -- Files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tcp", [False, True])
def test_a_configuration_goes_there_and_comes_back(interpreter, config, lines, tmp_path, tcp, capfd):
    line = line_to(lines, config, interpreter, tcp=tcp)
    wanted = tmp_path / "wanted"
    wanted.write_text(large().replace("'1001'", "'1002'"))
    assert run(line, "push", wanted) == 0
    assert config.read_text() == wanted.read_text()
    said = capfd.readouterr().out
    assert "+\toption spi '1002'" in said and "written" in said and KEY not in said
    if tcp:
        return  # a second connection is another story
    pulled = tmp_path / "pulled"
    assert run(line, "pull", pulled) == 0
    assert pulled.read_text() == wanted.read_text().replace(KEY, "<hidden>")
    pulled.write_text(pulled.read_text().replace("'1002'", "'1003'"))
    assert run(line, "push", pulled) == 0
    assert config.read_text() == large().replace("'1001'", "'1003'")


class Bursts:
    """Once a transfer has begun, every so many octets a few are lost or become others."""

    def __init__(self, seed, gap):
        self._random, self._gap = random.Random(seed), gap
        self._begun, self._left, self.harmed = False, gap, 0
        self._passed = b""

    def __call__(self, octets):
        if not self._begun:
            self._passed += octets
            self._begun = b"YMODEM" in self._passed
            return octets
        self._left -= len(octets)
        if self._left > 0 or self.harmed >= 6 or len(octets) < 4:
            return octets
        self._left = self._gap
        self.harmed += 1
        at = self._random.randrange(len(octets))
        return octets[:at] + (bytes([octets[at] ^ 0x10]) if self.harmed % 2 else b"") + octets[at + 1 :]


def test_a_line_that_loses_and_garbles_delivers_the_file(interpreter, config, lines, tmp_path):
    seed = random.randrange(1 << 32)
    harm = Bursts(seed, 600)
    line = line_to(lines, config, interpreter, harm=harm)
    wanted = tmp_path / "wanted"
    wanted.write_text(large())
    assert run(line, "push", wanted) == 0, seed
    assert config.read_text() == wanted.read_text() and harm.harmed >= 3, seed


def test_what_the_router_refuses_is_said_and_changes_nothing(config, lines, tmp_path, capfd):
    line = line_to(lines, config)
    wanted = tmp_path / "wanted"
    wanted.write_text(TEXT.replace("'wan'", "'moon'", 1))
    assert run(line, "push", wanted) == 1
    heard = capfd.readouterr()
    assert "there is no config uplink 'moon'" in heard.out and "nothing is changed" in heard.err
    wanted.write_text("nonsense\n")
    assert run(line, "push", wanted) == 1
    assert "nothing is taken: input:1: 'nonsense'" in capfd.readouterr().err
    assert config.read_text() == TEXT
    assert run(line, "push", tmp_path / "nowhere") == 2


def test_a_dry_push_shows_and_drops(config, lines, tmp_path, capfd):
    line = line_to(lines, config)
    wanted = tmp_path / "wanted"
    wanted.write_text(TEXT.replace("eth0", "eth7"))
    assert run(line, "push", wanted, "--dry") == 0
    assert "+\toption device 'eth7'" in capfd.readouterr().out and config.read_text() == TEXT


def test_a_support_bundle_comes_without_keys(config, lines, tmp_path):
    line = line_to(lines, config)
    bundle = tmp_path / "bundle"
    assert run(line, "pull", bundle, "--support") == 0
    assert "== $ ip address" in bundle.read_text() and KEY not in bundle.read_text()


@pytest.fixture
def ser2net(tmp_path):
    """start(port) -> URL of it at a terminal server."""
    if shutil.which("ser2net") is None:
        pytest.skip("ser2net is not installed")
    processes = []

    def start(path):
        with socket.create_server(("127.0.0.1", 0)) as free:
            number = free.getsockname()[1]
        text = "connection: &one\n  accepter: telnet(rfc2217),tcp,127.0.0.1,{}\n"
        text += "  connector: serialdev,{},9600n81,local\n"
        (tmp_path / "ser2net.yaml").write_text(text.format(number, path))
        command = ["ser2net", "-n", "-d", "-c", tmp_path / "ser2net.yaml"]
        processes.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        wait_until(lambda: is_open(number), "ser2net to listen")
        return f"rfc2217://127.0.0.1:{number}?ign_set_control"  # a pty has no RTS and DTR

    yield start
    for process in processes:
        process.kill()
        process.wait()


def is_open(number):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", number)) == 0


def test_a_terminal_server_is_a_port_too(config, lines, tmp_path, ser2net):
    url = ser2net(line_to(lines, config).port)
    pulled = tmp_path / "pulled"
    assert tool.main(["pull", str(pulled), "--port", url, "--speed", "9600"]) == 0
    assert pulled.read_text() == TEXT.replace(KEY, "<hidden>")


# -- Bad lines ----------------------------------------------------------------------------------------


def test_another_speed_is_noise_and_said_to_be(config, lines, monkeypatch, capfd):
    monkeypatch.setattr(session, "ATTACH_S", 4)
    line = line_to(lines, config, harm=lambda octets: bytes(octet * 77 & 0xFF | 0x80 for octet in octets) * 3)
    assert run(line, "pull") == 3
    assert "what comes is noise. Is the router's speed another" in capfd.readouterr().err


def test_silence_is_said_to_be(config, lines, monkeypatch, capfd):
    monkeypatch.setattr(session, "ATTACH_S", 2)
    line = line_to(lines, config, harm=lambda octets: b"")
    assert run(line, "pull") == 3
    assert "nothing was heard. Is the router on" in capfd.readouterr().err


def test_a_port_that_cannot_be_opened_says_why(config, lines, capfd, tmp_path):
    for url, why in (
        ("/dev/ttyNOPE7", "there is no such device: is the adapter plugged in?"),
        ("socket://127.0.0.1:9", "nobody listens there"),
        (str(config), "it is no serial port"),
        ("gopher://x", "gopher"),
    ):
        assert tool.main(["pull", "--port", url]) == 3
        heard = capfd.readouterr().err
        assert url in heard and why in heard and heard.count("\n") == 1
    assert tool.main(["pull", "--port", "loop://", "--speed", "-5"]) == 3
    with pytest.raises(SystemExit) as left:
        tool.main(["pull", "--port", "loop://", "--board", "toaster"])
    assert left.value.code == 2 and "expected one of glinet" in capfd.readouterr().err
    assert tool.board_speed("qemu-malta-le") == 115200


def test_a_cable_that_is_pulled_while_in_use_is_said(config, lines, capfd):
    passed = bytearray()

    def pull_out(octets):
        passed.extend(octets)
        if b"YMODEM" in passed:
            line.unplug()
        return octets

    line = line_to(lines, config, harm=pull_out, tcp=True)
    assert run(line, "pull") == 3
    assert "gone while in use" in capfd.readouterr().err


def test_a_transfer_that_was_broken_off_is_not_in_the_way(config, lines, tmp_path):
    line = line_to(lines, config)
    port = Port(line.port, 9600)
    begun = session.Session(port)
    begun.attach()
    begun.begin("receive", rb"YMODEM[^\n]*\n")
    port.close()
    assert run(line, "pull", tmp_path / "pulled") == 0


# -- Sessions -----------------------------------------------------------------------------------------


def test_a_script_does_and_checks(config, lines, tmp_path, capfd):
    line = line_to(lines, config)
    path = tmp_path / "script"
    path.write_text(
        "# a change\nset uplink wan preference 20\ndiff\n? preference '20'\n! '30'\ncommit\n? written"
    )
    assert run(line, "console", "--script", path) == 0
    assert "preference '20'" in config.read_text()
    path.write_text("set uplink wan preference 0\n! expected a number\n")
    assert run(line, "console", "--script", path) == 1
    assert (
        "script:2: not expected: expected a number; it said: option 'preference' '0'"
        in capfd.readouterr().err
    )
    path.write_text("wait 1 moon\n")
    assert run(line, "console", "--script", path) == 1
    for text, why in (
        ("? (\n", "script:1: '(': no regular"),
        ("wait x y\n", "expected: wait SECONDS"),
    ):
        path.write_text(text)
        assert run(line, "console", "--script", path) == 1
        assert why in capfd.readouterr().err


LOGIN = """#!/bin/sh
# What stands before a shell: someone who wants Enter, a name and a password.
printf 'Please press Enter to activate this console.\\n'; read -r _
while :; do
	printf 'branch login: '; read -r name
	printf 'Password: '; stty -echo; read -r password; stty echo
	[ "$name $password" = "root secret" ] && break
	printf '\\nLogin incorrect\\n'
done
PATH={folder}:$PATH PS1='root@branch:~# ' exec sh -i
"""


def test_through_enter_login_and_shell_to_the_console(config, lines, tmp_path, monkeypatch, capfd):
    (tmp_path / "login").write_text(LOGIN.format(folder=tmp_path))
    words = [*INTERPRETERS["CPython"], "careof.console.main", "--config", config, "--run", config.parent]
    (tmp_path / "careof").write_text("#!/bin/sh\nexec " + " ".join(map(str, words)) + "\n")
    (tmp_path / "careof").chmod(0o755)
    line = line_to(lines, config, argv=["sh", str(tmp_path / "login")])
    assert run(line, "pull", tmp_path / "pulled") == 3
    assert "a login is wanted: expected --user" in capfd.readouterr().err
    monkeypatch.setenv("CAREOF_PASSWORD", "secret")
    assert run(line, "pull", tmp_path / "pulled", "--user", "root") == 0
    heard = capfd.readouterr().err
    assert "logging in as root" in heard and "starting careof console" in heard and "secret" not in heard
    assert (tmp_path / "pulled").read_text() == TEXT.replace(KEY, "<hidden>")


def test_a_person_at_the_console(config, lines):
    line = line_to(lines, config)
    source, typing = os.pipe()
    seen, sink = os.pipe()
    port = Port(line.port, 9600)
    person = threading.Thread(target=terminal.run, args=(port, source, sink))
    person.start()
    heard = b""
    os.write(typing, b"diff\r")
    while b"nothing is changed" not in heard:
        heard += os.read(seen, 4096)
    os.write(typing, b"\x1d")
    person.join(timeout=20)
    assert not person.is_alive()
    port.close()
    for descriptor in (source, typing, seen, sink):
        os.close(descriptor)


def test_noise_is_told_from_text():
    assert not session.is_noise("careof> show status\r\n\x1b[Knaïve\r\n".encode() * 3)
    assert session.is_noise(bytes(range(128, 192)))
    assert not session.is_noise(b"\xff" * 10)  # too little to tell
    assert session.plain(b"ab\x08c \x08\r\nd\x1b[Ke") == "ac\nde"


def test_scripts_are_read_with_their_lines():
    assert script.parse("\n# x\nset a b\n? y\nwait 5 z z\n") == [
        (3, "command", "set a b"),
        (4, "?", "y"),
        (5, "wait", (5, "z z")),
    ]


def test_errors_are_of_one_kind():
    with pytest.raises(PortError):
        Port("/dev/ttyNOPE7")
