"""What careofd answers about its roles: each by itself, in pages, plain values, and never a key."""

import json

from careof.agent import events
from careof.answers import Answers
from careof.status import mib, mib_view
from office import Office
from test_foreign_agent import SECTIONS, Foreign

TABLES = {name for table in mib.TABLES for name in table.rows} | {"registrations", "agents", "no such"}


def world():
    """(Answers about a router, its home agent and a foreign agent, now, the roles)"""
    office, foreign = Office().open("wan0", "wwan0"), Foreign()
    foreign.ask(foreign.request())
    roles = [office.router.role, office.agent.role, foreign.role]
    counters = {
        roles[0].name: office.router.counters,
        roles[1].name: office.agent.counters,
        roles[2].name: foreign.counts,
    }
    return Answers([(role, None) for role in roles], counters), office.world.now_ms, roles


def refused(answers, *arguments):
    try:
        answers.rows(list(arguments), 0)
    except ValueError as e:
        return str(e)
    raise AssertionError("nothing was refused")


def test_each_role_has_its_own_counters_and_facts():
    answers, now_ms, _ = world()
    told = answers.roles(now_ms)
    assert [role["kind"] for role in told] == ["mobile_router", "home_agent", "foreign_agent"]
    assert json.loads(json.dumps(told)) == told
    router, home, foreign = told
    assert router["counters"]["request_sent"] >= 1 and "request_sent" not in home["counters"]
    assert home["facts"]["bindings"] == 1 and foreign["facts"]["pending"] == 1
    assert foreign["counters"]["visitor_request"] == 1


def test_wrong_questions_are_told_what_was_expected():
    answers, _, roles = world()
    assert "a role, a table and" in refused(answers)
    assert "a role, a table and" in refused(answers, "a", "b")
    assert roles[1].name in refused(answers, "nobody", "bindings", "-1")
    for after in ("", "x", "1.5", "10.0.0.1"):
        assert "number" in refused(answers, roles[1].name, "bindings", after)


def test_every_table_of_every_role_is_plain_values_and_ends():
    answers, now_ms, roles = world()
    for role in roles:
        for table in TABLES:
            for after in ("-1", "0", "4294967295", "-999999999999999999999999", "9" * 60):
                page = answers.rows([role.name, table, after], now_ms)
                assert json.loads(json.dumps(page)) == page
                assert page["after"] is None or page["after"] > int(after)


def test_the_mib_of_every_role_can_be_made_of_it():
    answers, now_ms, _ = world()
    for role in answers.roles(now_ms):
        shown = mib_view.instance(
            role, lambda table, name=role["name"]: answers.rows([name, table, "-1"], now_ms)["rows"]
        )
        assert len(shown) > 20 and len(shown["mipSecAssocTable"]) >= (role["kind"] != "foreign_agent")
        assert json.loads(json.dumps(shown)) == shown


def test_no_key_is_told_anywhere():
    answers, now_ms, roles = world()
    said = json.dumps(answers.roles(now_ms))
    for role in roles:
        for table in TABLES:
            said += json.dumps(answers.rows([role.name, table, "-1"], now_ms))
    keys = [section.key for section in SECTIONS.values()]
    for role in roles:
        for section in getattr(getattr(role, "options", None), "associations", {}).values():
            keys.append(section.key)
    assert len(keys) > 3
    for key in keys:
        assert key.hex() not in said and str(key) not in said


def test_a_change_is_told_with_its_rows():
    answers, now_ms, roles = world()
    home = answers.rows([roles[1].name, "bindings", "-1"], now_ms)["rows"]
    address = bytes([int(part) for part in home[0]["home_address"].split(".")])
    change = answers.change(roles[1], events.Changed("bindings", address), now_ms)
    assert change == {"role": roles[1].name, "table": "bindings", "rows": home}
    legal = (
        (0, "registrations", None),
        (0, "registrations", "wan"),
        (0, "agents", "wan"),
        (1, "bindings", None),
        (1, "registrations", None),
        (1, "agents", "home0"),
        (2, "visitors", address),
        (2, "registrations", None),
        (2, "registrations", address),
        (2, "agents", "lan0"),
    )
    for number, table, key in legal:
        told = answers.change(roles[number], events.Changed(table, key), now_ms)
        assert json.loads(json.dumps(told)) == told
    assert answers.change(roles[2], events.Changed("visitors", address), now_ms)["rows"][0]["gone"]


if __name__ == "__main__":
    from runner import main

    main(globals())
