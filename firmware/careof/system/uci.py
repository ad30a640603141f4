"""UCI files (OpenWrt's configuration grammar): read with the place of everything, changed in place.

    config mobile_router 'branch'        section: a type and, mostly, a name
        option lifetime_s '600'
        list uplink 'wan'                as often as the list is long

A value is bare, 'quoted' or "quoted with \\ escapes", or pieces of these side by side; # outside of quotes
begins a comment. Sections of different types cannot share a name. What libuci allows beyond that and nobody
writes (values over several lines, `;` between commands) is refused with its place rather than guessed at.

A Document keeps the file's own lines. A change rewrites one value where it stands, adds a line or takes one
out; comments, order and white space of a human stay.
"""

FILE_SIZE_MAX = 1 << 20  # an agent with 10,000 nodes has some 500 KB
LINE_SIZE_MAX = 4096
PIECE_SIZE = 4096
_BLANK = " \t"


class UciError(Exception):
    """What is wrong at one line: str() says `file:line: why`."""

    def __init__(self, path, line, why):
        super().__init__("%s:%d: %s" % (path, line, why))
        self.path, self.line, self.why = path, line, why


class Entry:
    """One `option` or `list` line: its word, name, value, line number from 1, and where the value stands."""

    def __init__(self, word, name, value, line, span):
        self.word, self.name, self.value, self.line, self.span = word, name, value, line, span


class Section:
    """One `config` line and what follows it. name: "" if it has none."""

    def __init__(self, kind, name, line):
        self.kind, self.name, self.line = kind, name, line
        self.entries = []

    def last_line(self):
        return self.entries[-1].line if self.entries else self.line

    def all(self, name):
        return [entry for entry in self.entries if entry.name == name]


def _word(text, at):
    """(value, end) of the word that begins at `at`. Raises ValueError."""
    value = ""
    size = len(text)
    while at < size and text[at] not in _BLANK:
        character = text[at]
        if character == "'":
            end = text.find("'", at + 1)
            if end < 0:
                raise ValueError("a ' without its other one")
            value += text[at + 1 : end]
            at = end + 1
        elif character == '"':
            piece, at = _double_quoted(text, at + 1)
            value += piece
        elif character == "\\":
            if at + 1 == size:
                raise ValueError("a line that goes on in the next one is not supported")
            value += text[at + 1]
            at += 2
        elif character == ";":
            raise ValueError("';' must be quoted")
        elif character == "#":
            break
        else:
            value += character
            at += 1
    return value, at


def _double_quoted(text, at):
    value = ""
    while at < len(text) and text[at] != '"':
        if text[at] == "\\" and at + 1 < len(text):
            at += 1
        value += text[at]
        at += 1
    if at == len(text):
        raise ValueError('a " without its other one')
    return value, at + 1


def words(text):
    """[(word, begin, end)] of a line, up to a comment. Raises ValueError."""
    found = []
    at = 0
    while True:
        while at < len(text) and text[at] in _BLANK:
            at += 1
        if at == len(text) or text[at] == "#":
            return found
        begin = at
        value, at = _word(text, begin)
        found.append((value, begin, at))


def quoted(value):
    """The value as a file should say it. Raises ValueError for what a line cannot hold."""
    for character in value:
        if character in "\r\n\0":
            raise ValueError("a value must not have line breaks")
    return "'" + value.replace("'", "'\\''") + "'"


def is_name(text):
    """May a section or an option be called that? (libuci: letters, digits, _)"""
    for character in text:
        if not (
            "a" <= character <= "z" or "A" <= character <= "Z" or "0" <= character <= "9" or character == "_"
        ):
            return False
    return bool(text)


class Document:
    """One file. Raises UciError when its text is not UCI."""

    def __init__(self, text, path="config"):
        self.path = path
        self._ends_bare = bool(text) and not text.endswith("\n")
        self._lines = text.split("\n")
        if not self._ends_bare:
            self._lines.pop()
        self._parse()

    def text(self):
        """The file as it should be written."""
        return "\n".join(self._lines) + ("" if self._ends_bare or not self._lines else "\n")

    # -- Reading

    def _fail(self, line, why):
        raise UciError(self.path, line, why)

    def _parse(self):
        self.sections = []
        self._named = {}
        for index, text in enumerate(self._lines):
            line = index + 1
            if len(text) > LINE_SIZE_MAX:
                self._fail(line, "%d characters, at most %d" % (len(text), LINE_SIZE_MAX))
            if "\0" in text:
                self._fail(line, "a NUL character")
            try:
                found = words(text[:-1] if text.endswith("\r") else text)
            except ValueError as e:
                self._fail(line, str(e))
            if found:
                self._take_line(line, text[found[0][1] : found[0][2]], found[1:])

    def _take_line(self, line, keyword, rest):
        if keyword == "package":
            if len(rest) != 1:
                self._fail(line, "expected: package NAME")
        elif keyword == "config":
            if not 1 <= len(rest) <= 2:
                self._fail(line, "expected: config TYPE ['NAME']")
            kind, name = rest[0][0], rest[1][0] if len(rest) == 2 else ""
            if not is_name(kind.replace("-", "_")) or not (name == "" or is_name(name)):
                self._fail(line, "config %s '%s': names are letters, digits and _" % (kind, name))
            self._add_section(Section(kind, name, line))
        elif keyword in ("option", "list"):
            if len(rest) != 2:
                self._fail(line, "expected: %s NAME 'VALUE'" % keyword)
            if not self.sections:
                self._fail(line, "%s before any config line" % keyword)
            (name, _, _), (value, begin, end) = rest
            if not is_name(name):
                self._fail(line, "%s %s: names are letters, digits and _" % (keyword, name))
            self.sections[-1].entries.append(Entry(keyword, name, value, line, (begin, end)))
        else:
            self._fail(line, "'%s': expected config, option or list" % keyword)

    def _add_section(self, section):
        other = self._named.setdefault(section.name, section) if section.name else section
        if other.kind != section.kind:
            text = "config %s '%s': that is the name of config %s at line %d: expected another"
            self._fail(section.line, text % (section.kind, section.name, other.kind, other.line))
        self.sections.append(section)

    def find(self, kind, name):
        """The section of that type and name, or None."""
        for section in self.sections:
            if section.kind == kind and section.name == name:
                return section
        return None

    # -- Changing: each leaves the rest of the text as it is, and reads the result again

    def set_option(self, section, name, value):
        """Give an option a value; what was a list before is one no more."""
        entries = section.all(name)
        if len(entries) == 1 and entries[0].word == "option":
            begin, end = entries[0].span
            old = self._lines[entries[0].line - 1]
            self._replace(entries[0].line, [old[:begin] + quoted(value) + old[end:]], section)
            return
        self._set_lines(section, entries, ["\toption %s %s" % (name, quoted(value))])

    def set_list(self, section, name, values):
        """Give a list its values, in order; none: it goes."""
        self._set_lines(section, section.all(name), ["\tlist %s %s" % (name, quoted(v)) for v in values])

    def delete(self, section, name):
        """Take an option or a list out."""
        self._set_lines(section, section.all(name), [])

    def add_section(self, kind, name):
        """A new section at the end; it is what find() gives from now on."""
        if self._lines and self._lines[-1].strip():
            self._lines.append("")
        self._lines.append("config %s %s" % (kind, quoted(name)))
        self._ends_bare = False
        self._parse()

    def delete_section(self, section):
        """Take a section out, up to its last option: what follows may be the next one's comment."""
        del self._lines[section.line - 1 : section.last_line()]
        self._parse()

    def _set_lines(self, section, entries, lines):
        at = entries[0].line if entries else section.last_line() + 1
        for entry in reversed(entries):
            del self._lines[entry.line - 1]
        self._lines[at - 1 : at - 1] = lines
        self._read_again(section)

    def _replace(self, line, lines, section):
        self._lines[line - 1 : line] = lines
        self._read_again(section)

    def _read_again(self, section):
        """Parse, and let `section` go on meaning the same one, which begins where it began."""
        self._parse()
        for again in self.sections:
            if again.line == section.line:
                section.entries = again.entries


def load(path):
    """The Document in a file. Raises UciError, OSError."""
    pieces, size = [], 0
    with open(path, "rb") as file:
        while True:
            piece = file.read(PIECE_SIZE)  # MicroPython sets aside what read() is told, at once
            if not piece:
                break
            pieces.append(piece)
            size += len(piece)
            if size > FILE_SIZE_MAX:
                raise UciError(path, 1, "more than %d octets" % FILE_SIZE_MAX)
    try:
        return Document(b"".join(pieces).decode(), path)
    except UnicodeError:
        raise UciError(path, 1, "not UTF-8")
