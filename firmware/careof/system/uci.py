"""UCI files (OpenWrt's configuration grammar): read with the place of everything, changed in place.

    config mobile_router 'branch'        section: a type and, mostly, a name
        option lifetime_s '600'
        list uplink 'wan'                as often as the list is long

A value is bare, 'quoted' or "quoted with \\ escapes", or pieces of these side by side. It may go on in the
next line: within quotes, where the line break belongs to it, or behind a \\ that ends the line, where it does
not. # outside of quotes begins a comment; a `;` with a blank before it, the line's next command. Commands may
be one letter long. Sections of different types cannot share a name.

So libuci reads it. What it reads by accident is refused with its place rather than guessed at: a command
without its value, one that is cut short by a `;` (of `option x y;` libuci loses the rest of the line), a
superfluous ''.

A Document keeps the file's own lines. A change rewrites one value where it stands, adds a line or takes one
out; comments, order and white space of a human stay. (Where several commands share a line, each first gets
its own.)
"""

FILE_SIZE_MAX = 1 << 20  # an agent with 10,000 nodes has some 500 KB
LINE_SIZE_MAX = 4096  # of all lines that belong to one value, together
PIECE_SIZE = 4096
_BLANK = " \t\r\n\v\f"  # C's isspace()
_COMMANDS = {"c": "config", "o": "option", "l": "list", "p": "package"}  # libuci takes one letter for each
_COMMANDS.update({word: word for word in list(_COMMANDS.values())})


class UciError(Exception):
    """What is wrong at one line: str() says `file:line: why`."""

    def __init__(self, path, line, why):
        super().__init__("%s:%d: %s" % (path, line, why))
        self.path, self.line, self.why = path, line, why


class Entry:
    """One `option` or `list`: its word, name, value, line number from 1, the row it stands in, and where the
    value stands there."""

    def __init__(self, word, name, value, line, row, span):
        self.word, self.name, self.value, self.line, self.row, self.span = word, name, value, line, row, span


class Section:
    """One `config` and what follows it. name: "" if it has none."""

    def __init__(self, kind, name, line, row):
        self.kind, self.name, self.line, self.row = kind, name, line, row
        self.entries = []

    def last_row(self):
        return self.entries[-1].row if self.entries else self.row

    def all(self, name):
        return [entry for entry in self.entries if entry.name == name]

    def in_force(self, name):
        """Those that count for libuci: an option replaces what was before, an empty one says nothing."""
        found = []
        for entry in self.all(name):
            if entry.word == "list":
                found.append(entry)
            elif entry.value:
                found = [entry]
        return found

    def becomes(self, other):
        """What it is after the file was changed and read again."""
        self.kind, self.name, self.line, self.row = other.kind, other.name, other.line, other.row
        self.entries = other.entries


# -- Words


class _Row:
    """A line of the file, with those that a value goes on in: they join it as they are reached."""

    def __init__(self, text, following):
        self.text = text
        self._following = following  # a function: the next line of the file, or None

    def join(self):
        """Is there a next line? It is part of this one now."""
        text = self._following()
        if text is None:
            return False
        self.text += "\n" + text
        if len(self.text) > LINE_SIZE_MAX:
            raise ValueError("a value of more than %d characters" % LINE_SIZE_MAX)
        return True


def _skip_blanks(text, at, blanks=_BLANK):
    while at < len(text) and text[at] in blanks:
        at += 1
    return at


def _word(row, begin):
    """(value, end) of the word that begins there. Raises ValueError."""
    value, at = "", begin
    while at < len(row.text) and row.text[at] not in _BLANK:
        character = row.text[at]
        if character == "'":
            piece, at = _single_quoted(row, at + 1)
            value += piece
        elif character == '"':
            piece, at = _double_quoted(row, at + 1)
            value += piece
        elif character == "\\":
            piece, at = _escaped(row, at + 1)
            value += piece
        elif character == ";":
            if at == begin + len(value):
                raise ValueError("';' must be quoted")
            break
        elif character == "#":
            break
        else:
            value += character
            at += 1
    return value, at


def _single_quoted(row, at):
    end = row.text.find("'", at)
    while end < 0:
        size = len(row.text)
        if not row.join():
            raise ValueError("a ' without its other one")
        end = row.text.find("'", size)
    return row.text[at:end], end + 1


def _double_quoted(row, at):
    value = ""
    while True:
        if at == len(row.text) and not row.join():
            raise ValueError('a " without its other one')
        character = row.text[at]
        if character == '"':
            return value, at + 1
        if character == "\\":
            piece, at = _escaped(row, at + 1)
            value += piece
        else:
            value += character
            at += 1


def _escaped(row, at):
    """What follows a backslash: a character that means itself, or the end of the line, which is left out."""
    if row.text[at:] in ("", "\r") and not row.join():
        raise ValueError("a \\ at the end of the last line")
    for end in ("\n", "\r\n"):
        if row.text[at : at + len(end)] == end:
            return "", at + len(end)
    return row.text[at], at + 1


def _command(row, at):
    """(keyword, [(word, begin, end)], where the next command begins or None) of one. Raises ValueError."""
    begin = at
    while at < len(row.text) and row.text[at] not in " \t":
        at += 1
    keyword, found = row.text[begin:at], []
    while True:
        at = _skip_blanks(row.text, at)
        if at == len(row.text) or row.text[at] == "#":
            return keyword, found, None
        if row.text[at] == ";":
            at = _skip_blanks(row.text, at + 1, " \t")
            if at == len(row.text):
                raise ValueError("';' at the end of a line")
            return keyword, found, at
        word, end = _word(row, at)
        found.append((word, at, end))
        at = end


def _lines_of(text):
    return text.count("\n") + 1


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


def is_type(text):
    """May a section be of that type? (libuci: what is printable; but it writes types without quotes, and does
    not read such as need them again)"""
    for character in text:
        if not "!" <= character <= "~" or character in "'\"\\#;":
            return False
    return bool(text)


class Document:
    """One file. Raises UciError when its text is not UCI."""

    def __init__(self, text, path="config"):
        self.path = path
        self.sections = []
        self._ends_bare = bool(text) and not text.endswith("\n")
        self._rows = text.split("\n")  # lines; after _parse, with those that they go on in
        if not self._ends_bare:
            self._rows.pop()
        self._shared = []  # [(row, [where a command begins and the one before it ends])]
        self._parse()

    def text(self):
        """The file as it should be written."""
        return "\n".join(self._rows) + ("" if self._ends_bare or not self._rows else "\n")

    def rows(self):
        """Its lines, each with those that a value goes on in; entries and sections name theirs by number."""
        return self._rows

    # -- Reading

    def _fail(self, line, why):
        raise UciError(self.path, line, why)

    def _parse(self):
        """Read the rows, and make the sections what they are now: those before keep their places."""
        before, self.sections = self.sections, []
        self._named = {}
        self._shared = []
        given, at, line, rows = self._rows, [0], 1, []

        def following():
            if at[0] == len(given):
                return None
            at[0] += 1
            return self._checked(at[0], given[at[0] - 1])

        while at[0] < len(given):
            row = _Row(following(), following)
            try:
                self._take_row(line, len(rows), row)
            except ValueError as e:
                self._fail(line, str(e))
            line += _lines_of(row.text)
            rows.append(row.text)
        self._rows = rows
        for index, section in enumerate(before[: len(self.sections)]):
            section.becomes(self.sections[index])
            self.sections[index] = section

    def _read_row(self, line, row):
        """One that is whole: it goes on nowhere."""
        try:
            self._take_row(line, row, _Row(self._checked(line, self._rows[row]), lambda: None))
        except ValueError as e:
            self._fail(line, str(e))

    def _checked(self, line, text):
        if len(text) > LINE_SIZE_MAX:
            self._fail(line, "%d characters, at most %d" % (len(text), LINE_SIZE_MAX))
        if "\0" in text:
            self._fail(line, "a NUL character")
        return text

    def _take_row(self, line, row, reading):
        """All commands of a row; each but the first is behind a `;`."""
        at, ends = _skip_blanks(reading.text, 0), []
        while at is not None and at < len(reading.text) and reading.text[at] != "#":
            before = reading.text.count("\n", 0, at)
            keyword, words, following = _command(reading, at)
            self._take_command(line + before, row, keyword, words)
            if following is not None:
                ends.append((words[-1][2], following))
            at = following
        if ends:
            self._shared.append((row, ends))

    def _take_command(self, line, row, said, rest):
        keyword = _COMMANDS.get(said)
        if keyword == "package":
            if len(rest) != 1 or not is_name(rest[0][0].replace("-", "_")):
                self._fail(line, "expected: package NAME")
        elif keyword == "config":
            if not 1 <= len(rest) <= 2:
                self._fail(line, "expected: config TYPE ['NAME']")
            kind, name = rest[0][0], rest[1][0] if len(rest) == 2 else ""
            if not is_type(kind):
                self._fail(line, "'%s': expected a type without blanks, quotes, \\, # and ;" % kind)
            if not (name == "" or is_name(name)):
                self._fail(line, "config %s '%s': names are letters, digits and _" % (kind, name))
            self._add_section(Section(kind, name, line, row))
        elif keyword in ("option", "list"):
            if len(rest) != 2:
                self._fail(line, "expected: %s NAME 'VALUE'" % keyword)
            if not self.sections:
                self._fail(line, "%s before any config line" % keyword)
            (name, _, _), (value, begin, end) = rest
            if not is_name(name):
                self._fail(line, "%s %s: names are letters, digits and _" % (keyword, name))
            self.sections[-1].entries.append(Entry(keyword, name, value, line, row, (begin, end)))
        else:
            self._fail(line, "'%s': expected config, option or list" % said)

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

    # -- Changing: each leaves the rest of the text as it is, and reads the result again. A section that was
    #    given out before stays good.

    def set_option(self, section, name, value):
        """Give an option a value; what was a list before is one no more."""
        said = quoted(value)
        self._unshare()
        entries = section.all(name)
        if len(entries) == 1 and entries[0].word == "option":
            begin, end = entries[0].span
            old = self._rows[entries[0].row]
            self._rows[entries[0].row] = old[:begin] + said + old[end:]
            self._read_again(section, 0, 0)
            return
        self._set_rows(section, entries, ["\toption %s %s" % (name, said)])

    def set_list(self, section, name, values):
        """Give a list its values, in order; none: it goes."""
        rows = ["\tlist %s %s" % (name, quoted(v)) for v in values]
        self._unshare()
        self._set_rows(section, section.all(name), rows)

    def delete(self, section, name):
        """Take an option or a list out."""
        self._unshare()
        self._set_rows(section, section.all(name), [])

    def add_section(self, kind, name):
        """A new section at the end; it is what find() gives from now on. name: "" for one without."""
        if self._rows and self._rows[-1].strip():
            self._rows.append("")
        self._rows.append("config %s %s" % (kind, quoted(name)) if name else "config " + kind)
        self._ends_bare = False
        self._read_row(sum([_lines_of(text) for text in self._rows]), len(self._rows) - 1)

    def delete_section(self, section):
        """Take a section out, up to its last option: what follows may be the next one's comment."""
        self._unshare()
        del self._rows[section.row : section.last_row() + 1]
        self.sections.remove(section)
        self._parse()

    def _set_rows(self, section, entries, rows):
        at = entries[0].row if entries else section.last_row() + 1
        lines = len(rows) - sum([_lines_of(self._rows[entry.row]) for entry in entries])
        for entry in reversed(entries):
            del self._rows[entry.row]
        self._rows[at:at] = rows
        if rows and at == len(self._rows) - len(rows):
            self._ends_bare = False
        self._read_again(section, len(rows) - len(entries), lines)

    def _read_again(self, section, rows, lines):
        """Read the rows of a section; what is behind it moved by so many rows and lines. For a file that is
        pasted line by line, reading all of it each time would take a router minutes."""
        index = self.sections.index(section)
        later = self.sections[index + 1 :]
        for other in later:
            other.line, other.row = other.line + lines, other.row + rows
            for entry in other.entries:
                entry.line, entry.row = entry.line + lines, entry.row + rows
        del self.sections[index + 1 :]
        section.entries = []
        line = section.line + _lines_of(self._rows[section.row])
        for row in range(section.row + 1, later[0].row if later else len(self._rows)):
            self._read_row(line, row)
            line += _lines_of(self._rows[row])
        self.sections += later

    def _unshare(self):
        """Each command of a row gets one of its own."""
        if not self._shared:
            return
        for row, ends in reversed(self._shared):
            text, rows, begin = self._rows[row], [], 0
            for end, following in ends:
                rows.append(text[begin:end])
                begin = following
            self._rows[row : row + 1] = rows + [text[begin:]]
        self._parse()


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
