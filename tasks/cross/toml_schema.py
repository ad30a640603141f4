"""Checks of a TOML file against a table: each fault says where it is, what is there and what was expected."""

import tomllib
from collections import namedtuple


class Fault(Exception):
    """A file that is not as it should be; str() has a line for each thing that is wrong with it."""


# A field: its type, what is expected in words, whether it must be there, and a test of the value or None
Field = namedtuple("Field", "type expected required test", defaults=(True, None))

WORD = "a word of a-z, 0-9 and -"


def word(value):
    return bool(value) and all(letter in "abcdefghijklmnopqrstuvwxyz0123456789-" for letter in value)


def name(required=True):
    return Field(str, WORD, required, word)


def text(expected="a text", required=True):
    return Field(str, expected, required, str.strip)


def one_of(*choices, required=True):
    return Field(str, f"one of {', '.join(choices)}", required, lambda value: value in choices)


def number(expected, least=1, most=1 << 40, required=True):
    return Field(int, f"{expected}, {least} to {most}", required, lambda value: least <= value <= most)


def flag(required=True):
    return Field(bool, "true or false", required)


def texts(expected="a list of texts", required=True, test=lambda _: True):
    def all_texts(value):
        return all(isinstance(item, str) and item.strip() and test(item) for item in value)

    return Field(list, expected, required, all_texts)


def read(path):
    """The file's tables. Raises Fault."""
    try:
        return tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise Fault(f"{path}: {e}") from None


def faults_of(table, schema, where=""):
    """What is wrong with a table, a list of texts. `schema`: {field: Field, a dict for a table, [dict] for
    many}."""
    faults = []
    for key in sorted(set(table) - set(schema)):
        faults.append(f"{where}{key}: not a field; expected one of {', '.join(schema)}")
    for key, kind in schema.items():
        at = f"{where}{key}"
        if isinstance(kind, Field):
            faults += _field(table, key, kind, at)
        elif isinstance(kind, list):
            rows = table.get(key, [])
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                faults.append(f"{at}: expected tables, [[{at}]]")
                continue
            for index, row in enumerate(rows):
                faults += faults_of(row, kind[0], f"{at}[{index}].")
        elif not isinstance(table.get(key), dict):
            faults.append(
                f"{at}: {'missing' if key not in table else 'not a table'}; expected a table, [{at}]"
            )
        else:
            faults += faults_of(table[key], kind, f"{at}.")
    return faults


def _field(table, key, field, at):
    if key not in table:
        return [f"{at}: missing; expected {field.expected}"] if field.required else []
    value = table[key]
    if type(value) is not field.type or (field.test and not field.test(value)):
        return [f"{at}: {value!r}; expected {field.expected}"]
    return []
