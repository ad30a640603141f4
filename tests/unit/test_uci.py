"""UCI: what is read, what is refused and where, and what a change leaves alone."""

import random

from careof.system import uci

TEXT = """# the branch
config mobile_router 'branch'   # this one
\toption lifetime_s '600'     # ten minutes
\toption packet_size 1400
\tlist uplink 'wan'

\t# the modem, since March
\tlist uplink "lte"

config uplink wan
  option device 'eth0.2'
"""


def document(text=TEXT):
    return uci.Document(text, "careof")


def values(section, name):
    return [entry.value for entry in section.all(name)]


def mistake_of(text):
    try:
        document(text)
    except uci.UciError as e:
        return str(e)
    return None


def test_sections_options_and_lists_are_read_with_their_lines():
    branch, wan = document().sections
    assert (branch.kind, branch.name, branch.line) == ("mobile_router", "branch", 2)
    assert [(e.word, e.name, e.value, e.line) for e in branch.entries] == [
        ("option", "lifetime_s", "600", 3),
        ("option", "packet_size", "1400", 4),
        ("list", "uplink", "wan", 5),
        ("list", "uplink", "lte", 8),
    ]
    assert values(wan, "device") == ["eth0.2"]


def test_quotes_and_escapes():
    text = "config a b\noption x 'it'\\''s'\noption y \"a \\\" \\\\ #\"\noption z a'b c'\"d\"\noption e ''\n"
    section = document(text).sections[0]
    assert [entry.value for entry in section.entries] == ["it's", 'a " \\ #', "ab cd", ""]


def test_a_comment_begins_anywhere_outside_quotes():
    section = document("config a b#c\noption x 'y'#z\noption v w#\n").sections[0]
    assert section.name == "b" and [entry.value for entry in section.entries] == ["y", "w"]


def test_sections_of_different_types_cannot_share_a_name():
    assert mistake_of("config a n\nconfig a n\nconfig b 'n'\n") == (
        "careof:3: config b 'n': that is the name of config a at line 1: expected another"
    )
    assert mistake_of("config a\nconfig b\n") is None


def test_what_is_not_uci_is_refused_with_its_place():
    assert mistake_of("option a 'b'\n") == "careof:1: option before any config line"
    assert mistake_of("config a b\n\noption x 'y\n") == "careof:3: a ' without its other one"
    assert mistake_of('config a b\noption x "y\\"\n') == 'careof:2: a " without its other one'
    assert mistake_of("config a b\noption x\n") == "careof:2: expected: option NAME 'VALUE'"
    assert mistake_of("config a b\noption x y z\n") == "careof:2: expected: option NAME 'VALUE'"
    assert mistake_of("config\n") == "careof:1: expected: config TYPE ['NAME']"
    assert mistake_of("konfig a\n") == "careof:1: 'konfig': expected config, option or list"
    assert mistake_of("config a 'b c'\n") == "careof:1: config a 'b c': names are letters, digits and _"
    assert mistake_of("config a b\noption x y; reboot\n") == "careof:2: ';' must be quoted"
    assert "a NUL" in mistake_of("config a b\0\n")
    assert "at most 4096" in mistake_of("config a b\noption x '" + "y" * 5000 + "'\n")
    assert mistake_of("config a b\noption x y\\\n") == "careof:2: a \\ at the end of the last line"
    assert mistake_of("config a 'b';\n") == "careof:1: ';' at the end of a line"
    assert mistake_of("config a b\n\noption x 'y\n\n'\noption z\n") == (
        "careof:6: expected: option NAME 'VALUE'"
    )
    assert "more than 4096" in mistake_of("config a b\noption x '" + ("y" * 99 + "\n") * 50 + "'\n")


def test_a_value_may_go_on_in_the_next_line():
    text = "config a b\noption x 'y\n# z' # c\n  option v \"1\\\n2\n3\"\noption w 4\\\n5\n"
    found = document(text)
    section = found.sections[0]
    assert [entry.value for entry in section.entries] == ["y\n# z", "12\n3", "45"]
    assert [entry.line for entry in section.entries] == [2, 4, 7]
    found.set_option(section, "v", "6")
    assert found.text() == text.replace('"1\\\n2\n3"', "'6'")
    found.delete(section, "x")
    assert found.text() == "config a b\n  option v '6'\noption w 4\\\n5\n"


def test_commands_that_share_a_line_get_their_own_when_one_changes():
    text = "c a 'b' ; o x 'y';l z v ;# all\nconfig a 'c'\n"
    found = document(text)
    assert [(e.word, e.name, e.value) for e in found.sections[0].entries] == [
        ("option", "x", "y"),
        ("list", "z", "v"),
    ]
    assert found.text() == text
    found.set_option(found.sections[0], "x", "w")
    assert found.text() == "c a 'b'\no x 'w'\nl z v\n# all\nconfig a 'c'\n"


def test_an_option_replaces_and_a_list_goes_on():
    section = document(
        "config a b\noption x 1\nlist x 2\noption x ''\nlist x ''\nlist y 1\noption y 2\noption z ''\n"
    ).sections[0]
    assert [entry.value for entry in section.in_force("x")] == ["1", "2", ""]
    assert [entry.value for entry in section.in_force("y")] == ["2"]
    assert section.in_force("z") == []


def test_a_section_that_was_given_out_stays_good():
    found = document()
    branch, wan = found.sections
    found.add_section("uplink", "lte")
    lte = found.find("uplink", "lte")
    found.set_list(branch, "uplink", [])
    found.set_option(lte, "device", "wwan0")
    found.delete_section(branch)
    found.set_option(wan, "device", "wan")
    found.set_option(lte, "preference", "7")
    assert found.sections == [wan, lte] and found.find("uplink", "lte") is lte
    assert found.text() == (
        "# the branch\n\n\t# the modem, since March\n\nconfig uplink wan\n  option device 'wan'\n\n"
        "config uplink 'lte'\n\toption device 'wwan0'\n\toption preference '7'\n"
    )


def test_unchanged_text_is_given_back():
    for text in (TEXT, TEXT[:-1], "", "\n", "# only a comment", TEXT.replace("\n", "\r\n")):
        assert document(text).text() == text


def test_a_value_is_changed_where_it_stands():
    found = document()
    found.set_option(found.find("mobile_router", "branch"), "lifetime_s", "it's 1200")
    assert found.text() == TEXT.replace("'600'", "'it'\\''s 1200'")
    assert values(found.find("mobile_router", "branch"), "lifetime_s") == ["it's 1200"]


def test_options_are_added_and_taken_out():
    found = document()
    branch = found.find("mobile_router", "branch")
    found.set_option(branch, "simultaneous", "0")
    assert found.text() == TEXT.replace('"lte"\n', "\"lte\"\n\toption simultaneous '0'\n")
    found.delete(branch, "simultaneous")
    assert found.text() == TEXT
    found.set_option(found.find("uplink", "wan"), "preference", "5")
    assert found.text() == TEXT + "\toption preference '5'\n"


def test_a_list_is_replaced_as_a_whole():
    found = document()
    branch = found.find("mobile_router", "branch")
    found.set_list(branch, "uplink", ["lte", "wan", "wwan"])
    assert values(branch, "uplink") == ["lte", "wan", "wwan"]
    assert "# the modem, since March" in found.text()
    found.set_list(branch, "uplink", [])
    assert values(branch, "uplink") == []
    assert values(found.find("uplink", "wan"), "device") == ["eth0.2"]


def test_sections_are_added_and_taken_out():
    found = document()
    found.add_section("uplink", "lte")
    found.set_option(found.find("uplink", "lte"), "device", "wwan0")
    assert found.text() == TEXT + "\nconfig uplink 'lte'\n\toption device 'wwan0'\n"
    found.delete_section(found.find("mobile_router", "branch"))
    assert [section.name for section in found.sections] == ["wan", "lte"]
    assert found.text().startswith("# the branch\n\nconfig uplink wan\n")


def test_a_value_with_a_line_break_is_not_written():
    found = document()
    try:
        found.set_option(found.sections[0], "x", "a\nconfig evil 'x'")
        assert False, "written"
    except ValueError:
        pass
    assert found.text() == TEXT


def places(made):
    """Everything that a document knows of its sections, with their places."""
    return [
        (s.kind, s.name, s.line, s.row, [(e.word, e.name, e.value, e.line, e.row, e.span) for e in s.entries])
        for s in made.sections
    ]


def test_after_any_changes_a_document_is_as_if_it_were_read_anew():
    seed = random.getrandbits(32)
    random.seed(seed)
    made = document(TEXT + "\nconfig uplink 'lte'\n\toption device 'a\nb' ; option x y\n# the end")
    for number in range(120):
        section = made.sections[random.getrandbits(16) % len(made.sections)]
        name = "abcd"[random.getrandbits(2)]
        change = random.getrandbits(3)
        if change == 0 and len(made.sections) < 12:
            made.add_section("uplink", "u%d" % number)
        elif change == 1 and len(made.sections) > 3:
            made.delete_section(section)
        elif change == 2:
            made.delete(section, name)
        elif change == 3:
            made.set_list(section, name, ["v%d" % n for n in range(random.getrandbits(2))])
        else:
            made.set_option(section, name, "value %d" % number)
        assert places(made) == places(document(made.text())), seed


if __name__ == "__main__":
    from runner import main

    main(globals())
