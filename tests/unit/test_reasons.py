"""Every counter that careofd can count has a line that says what it means and what to change."""

from careof.agent import reasons
from careof.wire import mip_codes
from test_rooms import firmware, sources

# How the source names a counter: what stands before the name.
BEFORE = ('Count("', 'count("', 'dropped("', '_dropped("', '_refused("', 'discarded("', '_note(asked, "')
IN_VARIABLES = ('name = "', 'name, home = "', 'name, source = "', 'FALSE = "')  # of roles


def quoted(text, at):
    return text[at : text.find('"', at)]


def counted():
    """Every name in the source that is counted; a name that ends in a code ends in "_" here."""
    found = {}
    for path, text in sources(firmware()):
        if path == "agent/reasons.py":
            continue
        for before in BEFORE + (IN_VARIABLES if path.startswith("agent/") else ()):
            at = text.find(before)
            while at >= 0:
                name = quoted(text, at + len(before)).split("%")[0]
                found[name] = path
                at = text.find(before, at + 1)
    return found


def is_name(word):
    return word and all([c == "_" or "a" <= c <= "z" for c in word])


def test_every_counter_has_its_why():
    names = counted()
    assert len(names) > 50, len(names)
    missing = [
        (name, path)
        for name, path in names.items()
        if is_name(name) and name not in reasons.REASONS and name not in reasons.WITH_CODE
    ]
    assert not missing, missing


def test_the_rule_sees_a_name_without_a_why():
    assert quoted('x = Count("no_such_counter")', 11) == "no_such_counter"
    assert "no_such_counter" not in reasons.REASONS


def test_nothing_is_explained_that_is_not_counted():
    unknown = set(reasons.REASONS)
    for path, text in sources(firmware()):
        if path != "agent/reasons.py":
            unknown -= {name for name in unknown if '"' + name + '"' in text}
    assert not unknown, unknown


def test_a_why_is_one_line_that_ends_without_a_stop():
    for name, reason in reasons.REASONS.items():
        assert reason.means and "\n" not in reason.means + reason.change, name
        assert not reason.means.endswith(".") and not reason.change.endswith("."), name


def test_a_name_with_a_code_is_explained_by_the_code():
    told = reasons.explain("visitor_denied_77")
    assert (told["code"], told["means"]) == (77, "invalid care-of address")
    assert told["change"] == mip_codes.CODES[77][1]
    assert reasons.explain("reply_not_awaited")["code"] is None
    assert reasons.explain("request_stale", 133)["means"] == "registration Identification mismatch"


def test_for_a_log_line_it_says_what_and_what_to_do():
    assert "mobile_node" in reasons.why("request_unknown_node")
    assert reasons.why_code(136).startswith("code 136 (unknown home agent address); ")


if __name__ == "__main__":
    from runner import main

    main(globals())
