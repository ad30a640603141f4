"""Our reading and writing of a configuration beside that of the real `uci`.

What we accept it reads, and as we do; what it accepts and we do not is what nobody writes, for a reason that
we say; what we write it reads, and what it makes of the same changes means the same; what it writes we read.
"""

import random
import re
import subprocess
import tempfile
from pathlib import Path

import peers
import pytest
from careof.system import uci
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

settings.register_profile("peer", max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))

PIECES = (
    *("config ", "option ", "list ", "c ", "o\t", "l ", "package p\n", "a", "b1", "x_1", "-", "\u00e9", "0"),
    *(
        "'",
        '"',
        "\\",
        "\\\n",
        "#",
        ";",
        " ;",
        " ; ",
        "';",
        "' ;option z y",
        " ",
        "\t",
        "\v",
        "\f",
        "\n",
        "\n\t",
    ),
    *("\r\n", "\\\r\n", "'v w'", "'v\nw'", '"v\\"w"', '"v\\\nw"', "\nlist o 'q'\n", "\noption o ''\n"),
    *("config a 'n'\n", "config b 'm'\n", "config b 'n'\n", "config c\n", "option x '1'\n", "list y 'z'\n"),
    *("\n# it's\n", "config a-b.c 'p'\n"),
)
LINES = st.lists(st.sampled_from(PIECES), max_size=9).map("".join)
FILES = st.tuples(
    st.sampled_from(("", "config a 'n'\n", "config a 'n'\n\toption o ", "config a 'n'\n\tlist o '1'\n")),
    LINES,
    st.sampled_from(("\n", "\n", "")),
).map("".join)
# What uci reads and we refuse, with its place: what we say then.
REFUSED = re.compile(
    "';' must be quoted|';' at the end of a line|a \\\\ at the end of the last line|"
    "expected: (option|list) NAME|"  # without a value: it is as if empty; or with a superfluous ''
    "expected: config TYPE|expected: package NAME|"  # with a superfluous ''
    ".*expected a type without blanks"  # uci does not read again what it writes of such
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
    """[(type, name, {option: value or [values]})]: a section said twice is one, an empty option says none."""
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
    return found


@given(FILES)
@example("config a 'n'\n\toption x b#c\n")
@example("config a 'n'\n\toption x 'b'#c\n")
@example("config a 'n'\n\toption x '1'\nconfig a 'n'\n\tlist x '2'\n")
@example("config a 'n'\n\tlist x '1'\n\toption x '2'\n")
@example("config a 'n' ; option x 'y'; option z 'w'\n")
@settings(settings.get_profile("peer"))
def test_what_we_accept_uci_reads_as_we_do(theirs, text):
    exported = theirs(text)
    try:
        ours = uci.Document(text, "careof")
    except uci.UciError as e:
        event("refused by both" if exported is None else "refused by us alone")
        assert exported is None or REFUSED.match(e.why), "we refuse what uci accepts"
        return
    event("accepted")
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


# -- Files as people write them, many at a time

SEED, COUNT = 20261126, 3000


class Writer:
    """Files that are right, in every way of writing them."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def some(self, *choices):
        return self.random.choice(choices)

    def value(self):
        letters = (
            "a",
            "B",
            "7",
            "-",
            ".",
            "/",
            ":",
            " ",
            "\t",
            "#",
            ";",
            "'",
            '"',
            "\\",
            "\u00e9",
            "\u6771",
            "\n",
        )
        return "".join(self.random.choices(letters, k=self.random.randrange(1, 12)))

    def quoted(self, value):
        """One of the ways that mean the value, piece by piece."""
        pieces = []
        while value:
            size = self.random.randrange(1, len(value) + 1)
            piece, value = value[:size], value[size:]
            bare = "".join("\\" + c if c in " \t#;'\"\\" else "'\n'" if c == "\n" else c for c in piece)
            double = '"' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"'
            single = "'" + piece.replace("'", "'\\''") + "'"
            pieces.append(self.some(bare, double, single, single + self.some("", "\\\n")))
        return "".join(pieces) + "''"

    def end(self):
        return self.some("\n", "\n", " # it's\n", "\t\n", "\r\n", "\n\n", "\n# a comment ; '\n")

    def command(self, word, *words):
        said = self.some(word, word, word[0]) + "".join(self.some(" ", "\t", "  ") + one for one in words)
        return self.some("", "\t", "  ") + said + self.end()

    def file(self):
        parts = [self.some("", "# the branch\n", "package careof\n")]
        for number in range(self.random.randrange(6)):
            name = self.some((), (f"'s{number}'",), (f"s{number}",), (f'"s{self.random.randrange(2)}"',))
            parts.append(self.command("config", self.some("a", "'a'", "a"), *name))
            for _ in range(self.random.randrange(6)):
                word = self.some("option", "list")
                option = self.some("x", "'y'", '"z"', "x_1")
                parts.append(self.command(word, option, self.quoted(self.some(self.value(), "on", ""))))
        return "".join(parts)


def test_thousands_of_files_are_read_as_uci_reads_them(theirs):
    writer = Writer(SEED)
    texts = [writer.file() for _ in range(COUNT)]
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(texts):
            Path(folder, f"f{number}").write_text(text, newline="")
        command = [peers.uci(), "-c", folder, "export"]
        exported = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    said = re.split(r"^package f(\d+)\n", exported, flags=re.MULTILINE)[1:]
    assert len(said) == 2 * COUNT, f"seed {SEED}"
    options = 0
    for number, written in zip(map(int, said[::2]), said[1::2], strict=True):
        ours = uci.Document(texts[number], f"seed {SEED} file {number}")
        assert merged(ours) == merged(uci.Document(written)), f"seed {SEED} file {number}: {texts[number]!r}"
        assert ours.text() == texts[number]
        options += sum(len(section.entries) for section in ours.sections)
    assert options > COUNT


# -- Writing

NAMES = ("x", "y", "z")
VALUES = st.text(st.characters(codec="utf-8", min_codepoint=32), min_size=1, max_size=12)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.sampled_from("nmk"), st.sampled_from(NAMES), VALUES),
        st.tuples(
            st.just("list"), st.sampled_from("nmk"), st.sampled_from(NAMES), st.lists(VALUES, max_size=3)
        ),
        st.tuples(st.just("delete"), st.sampled_from("nmk"), st.sampled_from(NAMES), st.none()),
        st.tuples(st.sampled_from(("add", "drop")), st.sampled_from("nmk"), st.none(), st.none()),
    ),
    min_size=1,
    max_size=6,
)
WRITTEN = st.lists(
    st.sampled_from(
        (
            *(
                "config t 'n'\n",
                "config t 'm' # why\n",
                "config u\n",
                "\toption x '1'\n",
                "\tlist y 'a' # one\n",
            ),
            *(
                "\tlist y b\n",
                '  option z "q \\" r"\n',
                "\n",
                "# it's\n",
                "\toption x 'on\ntwo' ; list y 'c'\n",
            ),
        )
    ),
    max_size=12,
).map("".join)


class Uci:
    """The command, on a configuration of its own."""

    def __init__(self, folder, text):
        self._folder, self._path = folder, Path(folder, "careof")
        self._path.write_text(text, newline="")
        self.binary = peers.uci()

    def __call__(self, *words):
        command = [self.binary, "-c", self._folder, "-t", f"{self._folder}/delta", *words]
        return subprocess.run(command, capture_output=True, check=True).stdout.decode()

    def change(self, what, section, name, value):
        place = f"careof.{section}.{name}"
        if what == "set":
            self("set", f"{place}={value}")
        elif what == "delete":
            self("-q", "delete", place)
        elif what == "list":
            if name in self("-q", "show", f"careof.{section}"):
                self("set", f"{place}=gone")
                self("delete", place)
            for one in value:
                self("add_list", f"{place}={one}")
        elif what == "add":
            self("set", f"careof.{section}=t")
        else:
            self("delete", f"careof.{section}")


def change(document, what, section, name, value):
    """The same with ours. Is there such a section (or none, if one is to be added)?"""
    found = document.find("t", section)
    if (found is None) != (what == "add") or (what == "delete" and not found.in_force(name)):
        return False
    if what == "set":
        document.set_option(found, name, value)
    elif what == "list":
        document.set_list(found, name, value)
    elif what == "delete":
        document.delete(found, name)
    elif what == "add":
        document.add_section("t", section)
    else:
        document.delete_section(found)
    return True


def comments(text):
    return sorted(line.strip() for line in text.split("\n") if line.lstrip().startswith("#"))


@given(WRITTEN, CHANGES)
@settings(settings.get_profile("peer"), max_examples=300)
def test_a_change_of_ours_and_the_same_of_theirs_mean_the_same(theirs, text, changes):
    try:
        document = uci.Document(text, "careof")
    except uci.UciError:
        return
    names = [section.name for section in document.sections if section.name]
    if len(set(names)) < len(names):
        return  # careof says each section once
    with tempfile.TemporaryDirectory() as folder:
        their = Uci(folder, text)
        for one in changes:
            if not change(document, *one):
                continue
            their.change(*one)
            their("commit", "careof")
        ours = document.text()
        assert merged(uci.Document(theirs(ours))) == merged(uci.Document(ours)), "uci reads otherwise"
        assert by_name(uci.Document(ours)) == by_name(uci.Document(Path(folder, "careof").read_text()))
    if "drop" not in [what for what, *_ in changes]:
        assert comments(ours) == comments(text), "a comment is lost"


def by_name(document):
    """Without the order of options in a section: a list that uci is given anew goes to the end."""
    return [(kind, name, sorted(values.items())) for kind, name, values in merged(document)]
