"""Our reading of a configuration beside that of the real `uci`: what we accept it reads, and as we do."""

import subprocess
import tempfile
from pathlib import Path

import peers
import pytest
from careof.system import uci
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

settings.register_profile("peer", max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))

PIECES = (
    *("config ", "option ", "list ", "a", "b1", "x_1", "-", "\u00e9", "0"),
    *("'", '"', "\\", "#", ";", " ", "\t", "\n", "\n\t", "\r\n", "'v w'", '"v\\"w"'),
    *("config a 'n'\n", "config b 'm'\n", "config b 'n'\n", "config c\n", "option x '1'\n", "list y 'z'\n"),
)
LINES = st.lists(st.sampled_from(PIECES), max_size=9).map("".join)
FILES = st.tuples(st.sampled_from(("", "config a 'n'\n", "config a 'n'\n\toption o ")), LINES).map(
    lambda parts: "".join(parts) + "\n"
)


@pytest.fixture(scope="module")
def theirs():
    """A function: what `uci export` makes of a text, or None where it refuses it."""
    try:
        binary = peers.uci()
    except peers.Missing as e:
        pytest.skip(str(e))

    with tempfile.TemporaryDirectory() as folder:

        def export(text):
            Path(folder, "careof").write_text(text, newline="")
            done = subprocess.run([binary, "-c", folder, "export", "careof"], capture_output=True)
            return None if done.returncode else done.stdout.decode()

        yield export


def merged(document):
    """[(type, name, {option: value or [values]})]: a section said twice is one, an empty value is none."""
    found, named = [], {}
    for section in document.sections:
        if section.name not in named:
            found.append((section.kind, section.name, {}))
            if section.name:
                named[section.name] = found[-1]
        values = (named[section.name] if section.name else found[-1])[2]
        for entry in section.entries:
            if entry.word == "list":
                before = values.get(entry.name, [])
                values[entry.name] = (before if isinstance(before, list) else [before]) + [entry.value]
            elif entry.value:
                values[entry.name] = entry.value
            else:
                values.pop(entry.name, None)
    return found


@given(FILES)
@example("config a 'n'\n\toption x b#c\n")
@example("config a 'n'\n\toption x 'b'#c\n")
@example("config a 'n'\n\toption x '1'\nconfig a 'n'\n\tlist x '2'\n")
@settings(settings.get_profile("peer"))
def test_what_we_accept_uci_reads_as_we_do(theirs, text):
    try:
        ours = uci.Document(text, "careof")
    except uci.UciError:
        return
    exported = theirs(text)
    assert exported is not None, "uci refuses what we accept"
    assert merged(ours) == merged(uci.Document(exported, "exported"))


@pytest.mark.parametrize(
    "text",
    [
        "config a 'n'\nconfig b 'n'\n",
        "config a 'n'\n\toption x 'y\n",
        "option x 'y'\n",
        "config a 'n'\n\toption x-y 'z'\n",
        "konfig a\n",
    ],
)
def test_what_uci_refuses_we_refuse(theirs, text):
    assert theirs(text) is None
    with pytest.raises(uci.UciError):
        uci.Document(text, "careof")


@pytest.mark.parametrize("name", ["branch", "home_agent"])
def test_uci_reads_the_examples(theirs, name):
    text = (peers.ROOT / "packaging/examples" / name).read_text()
    assert merged(uci.Document(text)) == merged(uci.Document(theirs(text)))
