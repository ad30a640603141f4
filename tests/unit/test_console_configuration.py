"""What is edited at the console: values that are refused, what a diff says, what is never shown."""

import scratch
from careof.console import redaction
from careof.console.candidate import Candidate, Refused
from careof.console.commands import COMMANDS
from careof.console.difference import around, difference
from careof.console.grammar import Grammar
from careof.system import uci
from careof.system.options import ConfigError

KEY, OTHER = "00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"
TEXT = """# the branch, as Anna left it
config mobile_router 'branch'
	option home_address '10.77.0.2'   # do not touch
	option home_agent '198.51.100.10'
	list uplink 'wan'
	option association 'office'

# was: option key '%s'
config association 'office'
	option spi '1001'
	option key '%s'

config uplink 'wan'
	option device 'eth0'
""" % (OTHER, KEY)


def candidate(text=TEXT):
    path = scratch.path("careof")
    with open(path, "w") as file:
        file.write(text)
    return Candidate(path)


def grammar(edited=None):
    return Grammar(COMMANDS, edited or candidate(), lambda: ["eth0", "wwan0"], 80)


def refusal(call, *arguments):
    try:
        call(*arguments)
    except Refused as e:
        return str(e)
    return None


# -- Changing -----------------------------------------------------------------------------------------


def test_a_value_is_set_where_it_stands_and_the_rest_is_left_alone():
    edited = candidate()
    edited.set("mobile_router", "branch", "home_address", ["10.77.0.3"])
    edited.set("uplink", "wan", "preference", ["20"])
    assert edited.is_changed
    wanted = TEXT.replace("'10.77.0.2'   #", "'10.77.0.3'   #") + "\toption preference '20'\n"
    assert edited.text() == wanted


def test_a_value_that_cannot_be_is_refused_in_the_words_of_the_table():
    edited = candidate()
    for arguments, why in (
        (("uplink", "wan", "preference", ["0"]), "option 'preference' '0': expected a number from 1 to 255"),
        (("uplink", "wan", "preferenz", ["1"]), "option 'preferenz': not known: did you mean 'preference'?"),
        (("uplink", "w-n", "preference", ["1"]), "config uplink 'w-n': expected letters, digits and _"),
        (("uplink", "office", "preference", ["1"]),
         "config uplink 'office': that is the name of a config association: expected another"),
        (("uplink", "wan", "device", ["a", "b"]),
         "option 'device': 2 values: expected a network device, such as wan (1 to 15 characters)"),
        (("association", "office", "key", [KEY[:-1]]),
         "option 'key' (31 characters): expected 32 to 128 hexadecimal digits, an even number"),
        (("mobile_router", "branch", "uplink", ["wan", "wan"]), "list 'uplink' 'wan': it is there already"),
    ):  # fmt: skip
        assert refusal(edited.set, *arguments) == why
    assert edited.text() == TEXT


def test_lists_are_set_and_added_to_and_shortened():
    edited = candidate()
    edited.set("mobile_router", "branch", "uplink", ["wan", "lte"], True)
    assert edited.values("mobile_router", "branch", "uplink") == ["wan", "lte"]
    edited.delete("mobile_router", "branch", "uplink", "wan")
    assert edited.values("mobile_router", "branch", "uplink") == ["lte"]
    assert "at most 16" in refusal(
        edited.set, "mobile_router", "branch", "uplink", ["u%d" % n for n in range(17)]
    )
    assert "expected one of lte" in refusal(edited.delete, "mobile_router", "branch", "uplink", "moon")
    edited.delete("mobile_router", "branch", "uplink", "lte")
    assert edited.values("mobile_router", "branch", "uplink") == []
    assert "expected set" in refusal(edited.set, "uplink", "wan", "preference", ["1"], True)


def test_sections_come_and_go():
    edited = candidate()
    edited.add_section("uplink", "lte")
    edited.set("uplink", "lte", "device", ["wwan0"])
    edited.set("globals", "globals", "log_level", ["debug"])
    assert edited.names("uplink") == ["wan", "lte"]
    edited.delete("uplink", "wan")
    assert "# was: " in edited.text() and "eth0" not in edited.text()
    assert "there is none: expected one of lte" in refusal(edited.delete, "uplink", "wan")


def test_globals_are_one_whatever_they_are_called():
    edited = candidate("config globals\n\toption log_level 'info'\n")
    edited.set("globals", "globals", "log_level", ["debug"])
    assert edited.text() == "config globals\n\toption log_level 'debug'\n"


def test_what_only_the_whole_shows_is_found_before_a_commit():
    edited = candidate()
    edited.check()
    edited.set("mobile_router", "branch", "uplink", ["lte"])
    try:
        edited.check()
    except ConfigError as e:
        assert "there is no config uplink 'lte'" in e.messages[0] and ":5: " in e.messages[0]
    else:
        raise AssertionError("an uplink that there is not")


def test_a_missing_file_is_an_empty_configuration():
    edited = Candidate(scratch.path("careof"))
    assert edited.lines() == [] and not edited.is_changed
    edited.set("uplink", "wan", "device", ["eth0"])
    assert edited.text() == "config uplink 'wan'\n\toption device 'eth0'\n"


def test_a_file_that_is_not_uci_is_refused_with_its_line():
    assert refusal(candidate, "config a b\noption\n").endswith(":2: expected: option NAME 'VALUE'")


# -- Showing ------------------------------------------------------------------------------------------


def test_no_key_is_shown_not_even_in_a_comment():
    edited = candidate(TEXT + "\toption kye '%s'\n\toption 'passwort' 'kurz'\n" % KEY)
    shown = "\n".join(edited.lines())
    assert KEY not in shown and OTHER not in shown and "kurz" not in shown
    assert shown.count(redaction.HIDDEN) == 4 and "10.77.0.2" in shown and "# do not touch" in shown


def test_a_diff_says_that_a_key_changed_and_not_to_what():
    edited = candidate()
    assert edited.diff() == []
    edited.set("association", "office", "key", [OTHER])
    edited.delete("uplink", "wan", "device")
    lines = edited.diff()
    assert lines[:5] == [
        " config association 'office'",
        " \toption spi '1001'",
        "-\toption key '<hidden>'",
        "+\toption key '<hidden>'",
        "",
    ]
    assert lines[-1] == "-\toption device 'eth0'"
    assert KEY not in "".join(lines) and OTHER not in "".join(lines)


def test_what_was_shown_may_come_back_and_keys_stay():
    edited = candidate()
    text = "\n".join(edited.lines()).replace("1001", "1002") + "\n"
    edited.replace(text)
    assert edited.values("association", "office", "key") == [KEY]
    assert edited.values("association", "office", "spi") == ["1002"]
    before = edited.text()
    why = refusal(edited.replace, text.replace("'office'", "'shop'"))
    assert (
        why
        == "config association 'shop': option 'key' <hidden>: there is none now: expected the value itself"
    )
    assert refusal(edited.replace, "nonsense\n").startswith("input:1: ")
    assert edited.text() == before


def test_runs_of_hexadecimal_digits_are_hidden_anywhere():
    assert redaction.line("key=%s, %s." % (KEY, KEY[:31])) == "key=<hidden>, %s." % KEY[:31]
    assert redaction.line(KEY + KEY) == "<hidden>"
    assert redaction.line("00:11:22:33:44:55 10.0.0.1") == "00:11:22:33:44:55 10.0.0.1"


def applied(rows):
    """(old lines, new lines) that a difference is of."""
    return [row[2] for row in rows if row[0] != "+"], [row[2] for row in rows if row[0] != "-"]


def test_differences_are_right_and_short():
    old = ["a", "b", "c", "d", "e"]
    new = ["a", "c", "d", "x", "e", "f"]
    rows = difference(old, new)
    assert applied(rows) == (old, new)
    assert [row[0] + row[2] for row in rows] == [" a", "-b", " c", " d", "+x", " e", "+f"]
    long_old, long_new = ["o%d" % n for n in range(600)], ["n%d" % n for n in range(600)]
    assert applied(difference(long_old, long_new)) == (long_old, long_new)
    assert applied(difference([], new)) == ([], new)
    assert around(difference(old, old)) == []
    rows = around(difference([str(n) for n in range(50)], [str(n) for n in range(50) if n not in (9, 40)]), 1)
    assert [row and row[0] + row[2] for row in rows] == [" 8", "-9", " 10", None, " 39", "-40", " 41"]


# -- The grammar --------------------------------------------------------------------------------------


def test_words_may_be_shortened_and_names_may_not():
    known = grammar()
    assert known.resolved("sh conf upl wan") == ["show", "configuration", "uplink", "wan"]
    assert known.resolved("set upl wan pref 10 # mine") == ["set", "uplink", "wan", "preference", "10"]
    assert known.resolved("set uplink new dev 'eth1'") == ["set", "uplink", "new", "device", "eth1"]
    assert "did you mean 'wan'?" in refusal(known.resolved, "delete uplink wa")
    assert "it may be send, set, show, start-shell, support" in refusal(known.resolved, "s")
    assert "expected one of add, capture" in refusal(known.resolved, "dance")
    assert "expected nothing after diff" in refusal(known.resolved, "diff x")
    assert "a ' without its other one" in refusal(known.resolved, "set uplink 'wan")
    assert known.resolved("  # a comment") == []


def test_help_comes_from_the_option_table():
    known = grammar()
    lines = known.help("set uplink wan pref")
    assert " ".join(" ".join(lines).split()) == (
        "preference the lowest that works carries (a number from 1 to 255; default 100)"
    )
    assert known.help("set uplink wan attachment ")[-3:] == ["  own", "  agent", "  auto"]
    assert known.help("set mobile_router branch own ")[-2:] == ["  1", "  0"]
    assert "  wan" in known.help("set mobile_router branch uplink ")
    assert "  wwan0" in known.help("set uplink wan device ")
    assert known.help("diff ") == ["Enter"]
    assert "expected one of" in known.help("dance now ")[0]
    assert all([len(line) < 80 for line in known.help("set mobile_router branch ")])


def test_completion():
    known = grammar()
    assert known.complete("sho") == ("w ", [])
    put_in, lines = known.complete("show c")
    assert put_in == "" and [line.split()[0] for line in lines] == ["configuration", "changes", "counters"]
    assert known.complete("set mob") == ("ile_", [])
    assert known.complete("set mobile_router b") == ("ranch ", [])
    assert known.complete("set uplink wan device ww") == ("an0 ", [])
    assert known.complete("set uplink 'w") == ("", [])
    assert known.complete("dance x") == ("", [refusal(known.resolved, "dance")])


def test_where_a_secret_begins():
    known = grammar()
    assert known.secret_from("set association office key ab") == 27
    assert known.secret_from("set asso 'office' k 'ab") == 20
    assert known.secret_from("set association office spi 1001") is None
    assert known.secret_from("show " + KEY) == 5
    assert known.secret_from("ping 10.0.0.1") is None


def test_every_option_can_be_set_by_its_words():
    """Whatever the table has can be typed, and its help fits."""
    from careof.system.option_table import SECTIONS

    known = grammar()
    for row in SECTIONS:
        for option in row.options:
            line = "set %s %s %s" % (row.kind, "globals" if row.kind == "globals" else "x", option.name)
            assert known.resolved(line)[-1] == option.name
            assert known.help(line + " ")[-1].strip()


def test_a_document_is_what_was_typed():
    edited = candidate("")
    known = grammar(edited)
    for line in (
        "set uplink wan device eth0",
        "set association office spi 1001",
        "set association office key " + KEY,
        "set mobile_router branch home_address 10.77.0.2",
        "set mobile_router branch home_agent 198.51.100.10",
        "set mobile_router branch uplink wan",
        "set mobile_router branch association office",
    ):
        words = known.resolved(line)
        edited.set(words[1], words[2], words[3], words[4:])
    edited.check()
    kinds = [section.kind for section in uci.Document(edited.text()).sections]
    assert kinds == ["uplink", "association", "mobile_router"]


if __name__ == "__main__":
    from runner import main

    main(globals())
