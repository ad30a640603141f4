"""The configuration that is being edited: what is in the file, and what was changed and not yet committed.

A value is looked at when it is set, by its option's type, and refused in the words of the option table; what
only the whole shows (a name that refers to nothing, a device twice) is looked at by check(), before a commit.
"""

from ..system import options, uci
from ..system.option_table import BY_KIND
from . import redaction
from .difference import around, difference


class Refused(Exception):
    """What cannot be, and what was expected instead."""


def read_text(path):
    """The text of the file, "" if there is none. Raises Refused."""
    try:
        return uci.load(path).text()
    except uci.UciError as e:
        raise Refused(str(e))
    except OSError as e:
        if e.errno == 2:  # ENOENT
            return ""
        raise Refused("%s: cannot be read: %s" % (path, e))


class Candidate:
    def __init__(self, path):
        """Raises Refused."""
        self.path = path
        self.load()

    def load(self):
        """Begin with what is in the file; what was changed is dropped. Raises Refused."""
        self.base = read_text(self.path)
        self._document = uci.Document(self.base, self.path)

    @property
    def is_changed(self):
        return self._document.text() != self.base

    def text(self):
        return self._document.text()

    # -- What there is

    def names(self, kind):
        """Names of the sections of a kind, in their order."""
        return [section.name for section in self._document.sections if section.kind == kind]

    def section(self, kind, name):
        """The section, or None; globals have one whatever it is called."""
        for section in self._document.sections:
            if section.kind == kind and (section.name == name or kind == "globals"):
                return section
        return None

    def values(self, kind, name, option_name):
        section = self.section(kind, name)
        return [entry.value for entry in section.in_force(option_name)] if section is not None else []

    def lines(self, kind=None, name=None):
        """The text as it may be shown, or some sections of it."""
        shown = redaction.rows_of(self._document)
        if kind is not None:
            found = []
            for section in self._document.sections:
                if section.kind == kind and name in (None, section.name):
                    found += shown[section.row : section.last_row() + 1] + [""]
            shown = found[:-1]
        return "\n".join(shown).split("\n") if shown else []

    def diff(self):
        """Lines that say what a commit would change; secrets that differ are said to, and not shown."""
        old = uci.Document(self.base, self.path)
        olds, news = redaction.rows_of(old), redaction.rows_of(self._document)
        texts = {"-": olds, "+": news, " ": olds}
        lines = []
        for row in around(difference(old.rows(), self._document.rows())):
            if row is None:
                lines.append("...")
            else:
                lines += [(row[0] + text).rstrip() for text in texts[row[0]][row[1]].split("\n")]
        return lines

    # -- Changing

    def set(self, kind, name, option_name, values, more=False):
        """Give an option its value, or a list its values; more: beside those that it has. Raises Refused."""
        option = _option(kind, option_name)
        if more:
            if option.many is None:
                raise Refused("option '%s': it has one value: expected set" % option_name)
            old = self.values(kind, name, option_name)
            values = old + [value for value in values if value not in old]
        elif option.many is None and len(values) != 1:
            raise Refused(
                "option '%s': %d values: expected %s" % (option_name, len(values), option.type.text)
            )
        if option.many is not None and len(values) > option.many:
            raise Refused("list '%s': at most %d" % (option_name, option.many))
        word = "option" if option.many is None else "list"
        for index, value in enumerate(values):
            shown = "(%d characters)" % len(value) if option.secret else "'%s'" % value
            try:
                option.type.read(value)
                uci.quoted(value)
            except ValueError:
                raise Refused("%s '%s' %s: expected %s" % (word, option_name, shown, option.type.text))
            if value in values[:index]:
                raise Refused("%s '%s' %s: it is there already" % (word, option_name, shown))
        section = self._made(kind, name)
        if option.many is None:
            self._document.set_option(section, option_name, values[0])
        else:
            self._document.set_list(section, option_name, values)

    def add_section(self, kind, name):
        """Raises Refused."""
        self._made(kind, name)

    def _made(self, kind, name):
        section = self.section(kind, name)
        if section is not None:
            return section
        if not uci.is_name(name):
            raise Refused("config %s '%s': expected letters, digits and _" % (kind, name))
        for other in self._document.sections:
            if other.name == name:
                text = "config %s '%s': that is the name of a config %s: expected another"
                raise Refused(text % (kind, name, other.kind))
        self._document.add_section(kind, name)
        return self._document.sections[-1]

    def delete(self, kind, name, option_name=None, value=None):
        """Take out a section, an option, or a value of a list. Raises Refused."""
        section = self.section(kind, name)
        if section is None:
            raise Refused("config %s '%s': there is none: expected %s" % (kind, name, self._known(kind)))
        if option_name is None:
            self._document.delete_section(section)
            return
        values = self.values(kind, name, option_name)
        if not values:
            raise Refused("config %s '%s': '%s' is not set" % (kind, name, option_name))
        if value is None:
            self._document.delete(section, option_name)
        elif value not in values:
            raise Refused("'%s' '%s': expected one of %s" % (option_name, value, ", ".join(values)))
        else:
            option = _option(kind, option_name)
            values.remove(value)
            if option.many is None:
                self._document.delete(section, option_name)
            else:
                self._document.set_list(section, option_name, values)

    def _known(self, kind):
        return "one of " + ", ".join(self.names(kind)) if self.names(kind) else "another kind"

    def replace(self, text):
        """All of it; hidden secrets keep their values. Raises Refused, and then nothing changed."""
        try:
            document = uci.Document(text, "input")
            redaction.filled(document, self._document)
            document.path = self.path
            self._document = document
        except (uci.UciError, ValueError) as e:
            raise Refused(str(e))

    def check(self):
        """Is the whole fit to be used? Raises options.ConfigError with every mistake."""
        options.read(self._document)


def _option(kind, name):
    if kind not in BY_KIND:
        raise Refused("config %s: expected one of %s" % (kind, ", ".join(sorted(BY_KIND))))
    option = redaction.option_of(kind, name)
    if option is None:
        known = [row.name for row in BY_KIND[kind].options]
        meant = options.nearest(name, known)
        expected = "did you mean '%s'?" % meant if meant else "expected one of %s" % ", ".join(known)
        raise Refused("option '%s': not known: %s" % (name, expected))
    return option
