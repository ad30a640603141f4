"""What may be typed: words, what may follow them, and what they mean; help and completion are made of it.

    expected(words) -> [Choice]: what may come after these words
    resolved(text)  -> the words of a line, abbreviations written out, or Refused with what was expected

A word of the language may be shortened as long as it is unambiguous; names and values never are. Sections,
options, their values and help come from the option table.
"""

from collections import namedtuple

from ..system.option_table import BY_KIND, LATER, REQUIRED, SECTIONS
from ..system.option_types import DEVICE, WORDS
from ..system.options import nearest
from . import redaction
from .candidate import Refused
from .words import words as words_of

# word: None for what is free to choose; then `shown` says what it is. help: a text, or an option of
# the table. whole: it may not be shortened.
Choice = namedtuple("Choice", "word shown help whole")
BLANK = " "
HELP_COLUMN_MAX = 24


def word(text, help_=""):
    return Choice(text, text, help_, False)


def name(text):
    """Of a section: one that is shortened, or lost a letter on the way, may be another."""
    return Choice(text, text, "", True)


def free(shown, help_=""):
    return Choice(None, "<%s>" % shown, help_, True)


def option_help(option):
    """One line: what it is, what may be its value, and what it is without."""
    text = "%s (%s%s" % (option.help, option.type.text, ", " + option.unit if option.unit else "")
    if option.default is REQUIRED:
        text += "; required"
    elif option.default not in (None, LATER, ()):
        shown = "01"[option.default] if isinstance(option.default, bool) else option.default
        text += "; default %s" % shown
    return text + ")"


class Grammar:
    """commands: {name: Command} with help and expected(grammar, words). candidate: for names that are there.
    devices(): names of network devices, or []."""

    def __init__(self, commands, candidate, devices, width):
        self.commands = commands
        self.candidate = candidate
        self.devices = devices
        self.width = width

    def expected(self, words):
        if not words:
            return [word(name, self.commands[name].help) for name in sorted(self.commands)]
        return self.commands[words[0]].expected(self, words[1:])

    def resolved(self, text):
        try:
            typed = [found[0] for found in words_of(text)]
        except ValueError as e:
            raise Refused(str(e))
        words = []
        for one in typed:
            words.append(self._resolve(words, one))
        return words

    def _resolve(self, words, typed):
        choices = []
        for choice in self.expected(words):  # one after the other: what is free comes first
            if choice.word in (None, typed):
                return typed
            choices.append(choice)
        known = [choice.word for choice in choices]
        fit = [choice.word for choice in choices if not choice.whole and choice.word.startswith(typed)]
        if len(fit) == 1:
            return fit[0]
        if not choices:
            raise Refused("'%s': expected nothing after %s" % (redaction.line(typed), " ".join(words)))
        meant = nearest(typed, known)
        if fit:
            kind = "it may be %s" % ", ".join(fit)
        else:
            kind = "did you mean '%s'?" % meant if meant else "expected one of %s" % ", ".join(known)
        raise Refused("'%s': %s" % (redaction.line(typed), kind))

    # -- What the editor asks

    def in_quotes(self, text):
        try:
            words_of(text)
        except ValueError:
            return True
        return False

    def _begun(self, text):
        """(words before, the word that is being typed). Raises Refused."""
        begun = "" if not text or text[-1] == BLANK else text.split(BLANK)[-1]
        return self.resolved(text[: len(text) - len(begun)]), begun

    def complete(self, text):
        """(what to put in, lines that say what may come)"""
        if self.in_quotes(text):
            return "", []
        try:
            words, begun = self._begun(text)
        except Refused as e:
            return "", [str(e)]
        choices = list(self.expected(words))
        fit = [choice.word for choice in choices if choice.word and choice.word.startswith(begun)]
        if len(fit) == 1:
            return fit[0][len(begun) :] + BLANK, []
        common = _common(fit)
        if len(common) > len(begun):
            return common[len(begun) :], []
        return "", self._listed(choices, begun)

    def help(self, text):
        """Lines that say what may come here."""
        try:
            words, begun = self._begun(text)
        except Refused as e:
            return [str(e)]
        return self._listed(self.expected(words), begun) or ["Enter"]

    def _listed(self, choices, begun):
        fit = [choice for choice in choices if choice.word is None or choice.word.startswith(begun)]
        column = min(max([len(choice.shown) for choice in fit] + [0]), HELP_COLUMN_MAX)
        lines = []
        for choice in fit:
            help_ = choice.help if isinstance(choice.help, str) else option_help(choice.help)
            lines += wrapped(choice.shown, help_, column, self.width)
        return lines

    def secret_from(self, text):
        """Where a secret begins in a line that is typed, or None."""
        run = redaction.secret_run(text)
        begin = run[0] if run else None
        if text[:1] in ("s", "a") and text.count(BLANK) >= 4:
            try:
                found = words_of(text.replace("'", BLANK).replace('"', BLANK))
                words = [self._resolve([], found[0][0])]
                for one, _, _ in found[1:4]:
                    words.append(self._resolve(words, one))
            except (ValueError, Refused, IndexError):
                return begin
            if words[0] in ("set", "add") and redaction.is_secret(words[1], words[3]):
                after = found[3][2] + 1
                return after if begin is None else min(begin, after)
        return begin

    # -- Words of several commands

    def kinds(self):
        return [word(row.kind, row.help) for row in SECTIONS]

    def kinds_there(self):
        return [word(row.kind, row.help) for row in SECTIONS if self.candidate.names(row.kind)]

    def names(self, kind):
        """Of sections that are there."""
        if kind == "globals":
            return [word("globals")]
        return [name(one) for one in self.candidate.names(kind) if one]

    def options(self, kind):
        return [word(option.name, option) for option in BY_KIND[kind].options]

    def options_there(self, kind, section_name):
        section = self.candidate.section(kind, section_name)
        names = [entry.name for entry in section.entries] if section is not None else []
        return [word(one) for index, one in enumerate(names) if one not in names[:index]]

    def value(self, kind, option_name):
        option = redaction.option_of(kind, option_name)
        yield free("value", option)
        for one in WORDS.get(option.type.text, ()):
            yield word(one)
        if option.refers is not None:
            for choice in self.names(option.refers):
                yield choice
        elif option.type is DEVICE:
            for device in self.devices():
                yield name(device)

    def assignment(self, words, names_are_there=False):
        """What comes after `set`: KIND NAME OPTION VALUE, or for a list several values."""
        if not words:
            return self.kinds()
        if len(words) == 1:
            return self.names(words[0]) if names_are_there else self._new_names(words[0])
        if len(words) == 2:
            return self.options(words[0])
        option = redaction.option_of(words[0], words[2])
        if option is None or len(words) - 3 >= (option.many or 1):
            return []
        return self.value(words[0], words[2])

    def _new_names(self, kind):
        if kind != "globals":
            yield free("name", "a new one")
        for choice in self.names(kind):
            yield choice


def _common(texts):
    """The longest beginning of all."""
    if not texts:
        return ""
    common = texts[0]
    for text in texts[1:]:
        while not text.startswith(common):
            common = common[:-1]
    return common


def wrapped(head, text, column, width):
    """Lines with `head` at the left and `text` beside it, broken at blanks."""
    room = max(width - column - 5, 20)
    lines, rest = [], text
    while True:
        if len(rest) <= room:
            piece, rest = rest, ""
        else:
            cut = rest.rfind(BLANK, 0, room + 1)
            cut = cut if cut > 0 else room
            piece, rest = rest[:cut], rest[cut:].lstrip()
        if not lines and len(head) > column:
            lines.append("  " + head)
            head = ""
        shown = head if not lines else ""
        lines.append(("  " + shown + BLANK * (column - len(shown)) + "  " + piece).rstrip())
        if not rest:
            return lines
