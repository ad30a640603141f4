"""RFC 2006's objects: the table of them, their values, and the helper of snmpd that serves them."""

from careof.status import cli, mib, mib_view, snmp
from careof.status.connection import Refused

ROLE = {
    "name": "home_agent-ha",
    "kind": "home_agent",
    "counters": {"reply_0": 5, "reply_1": 1, "reply_131": 2, "request_stale": 4, "reply_deregister": 1},
    "facts": {"encapsulations": ["ipip", "udp"], "violations": 6},
}
SECOND = {"name": "home_agent-two", "kind": "home_agent", "counters": {"reply_0": 10}, "facts": ROLE["facts"]}
FOREIGN = {
    "name": "foreign_agent-lan",
    "kind": "foreign_agent",
    "counters": {"visitor_denied_81": 1, "visitor_denied_88": 2, "visitor_denied_78": 7},
    "facts": {"encapsulations": ["gre"], "violations": 1, "busy": False, "registration_required": True},
}
_SYSTEM = mib.ROOT + (1, 1)
BINDINGS = mib.ROOT + (1, 6, 3, 1, 1)


def binding(home, care_of, left_s=50, identification=0xFFFFFFFE00000007):
    return {
        "home_address": home,
        "care_of": care_of,
        "source": care_of,
        "flags": 0xA2,
        "identification": identification,
        "lifetime_s": 60,
        "lifetime_left_s": left_s,
    }


def number(text):
    total = 0
    for part in text.split("."):
        total = total << 8 | int(part)
    return total


class Fake:
    """A careofd: answers `roles` and pages of two rows; counts what it was asked."""

    def __init__(self, roles, tables):
        self.roles, self.tables, self.asked, self.closed = roles, tables, [], False

    def __call__(self, run_path, patience_s=None):
        return self

    def ask(self, command, *arguments):
        self.asked.append((command,) + arguments)
        if command == "roles":
            return self.roles
        role, table, after = arguments
        if role not in [r["name"] for r in self.roles]:
            raise Refused("no role")
        rows = self.tables.get((role, table), [])
        if not rows or "home_address" not in rows[0]:
            return {"rows": rows, "after": None}
        behind = sorted(
            [row for row in rows if number(row["home_address"]) > int(after)],
            key=lambda row: number(row["home_address"]),
        )
        page = behind[:2]
        return {"rows": page, "after": number(page[-1]["home_address"]) if len(behind) > 2 else None}

    def pages(self, role, table):
        after = -1
        while after is not None:
            page = self.ask("rows", role, table, str(after))
            after = page["after"]
            yield page["rows"]

    def rows(self, role, table):
        return [row for rows in self.pages(role, table) for row in rows]

    def close(self):
        self.closed = True


class Clock:
    def ago(self, age_ms):
        return 0 if age_ms < 0 else 100000 - age_ms // 10


MANY = ["10.0.0.%d" % n for n in (1, 2, 9, 10, 100, 200)] + ["9.255.0.1"]


def agent(roles=None, tables=None, only=None):
    fake = Fake(roles or [ROLE], tables if tables is not None else {})
    made = snmp.Agent(snmp.Source("/nowhere", only, fake), Clock())
    return made, fake


def with_bindings():
    rows = [binding(home, "192.0.2.%d" % (n + 1)) for n, home in enumerate(MANY)]
    return {("home_agent-ha", "bindings"): rows}


def walk(served, start=mib.ROOT):
    found, oid = [], start
    while True:
        told = served.getnext(oid)
        if told is None:
            return found
        assert snmp.oid_of(told[0]) > oid, told
        oid = snmp.oid_of(told[0])
        found.append((oid,) + told[1:])


# -- The table


def test_names_and_oids_are_said_once_and_lie_below_the_root():
    oids = [row.oid for row in mib.SCALARS]
    oids += [table.oid + (column.number,) for table in mib.TABLES for column in table.columns]
    names = [row.name for row in mib.SCALARS] + [c.name for table in mib.TABLES for c in table.columns]
    assert len(oids) == len(set(oids)) == len(set(names)) == 131
    assert all([oid[: len(mib.ROOT)] == mib.ROOT for oid in oids])


# -- Values


def table_named(name):
    for table in mib.TABLES:
        if table.name == name:
            return table
    raise KeyError(name)


def test_counters_are_summed_by_name_and_by_code():
    values = {row.name: value for row, value in mib_view.scalars(ROLE)}
    assert values["haRegistrationAccepted"] == 5 and values["haMultiBindingUnsupported"] == 1
    assert values["haMNAuthenticationFailure"] == 2 and values["haTooManyBindings"] == 0
    assert values["haRegRequestsReceived"] == 5 + 1 + 4  # what was answered with 131 was counted as false
    assert values["haRegRepliesSent"] == 8
    assert values["mipEntities"] == ["homeAgent"] and values["mipEncapsulationSupported"] == [
        "ipInIp",
        "other",
    ]
    assert "faIsBusy" not in values and "mnState" not in values


def test_a_foreign_agents_codes_80_to_95_are_one_object():
    values = {row.name: value for row, value in mib_view.scalars(FOREIGN)}
    assert values["faHAUnreachable"] == 3 and values["faRegistrationRequired"] is True


def test_an_identification_is_two_signed_halves_and_flags_are_names():
    table = table_named("haMobilityBindingTable")
    [(index, row)] = mib_view.complete(table, [binding("10.0.0.1", "192.0.2.1")])
    values = {column.name: value for column, value in mib_view.values(table, row)}
    assert index == (10, 0, 0, 1, 192, 0, 2, 1)
    assert (values["haMobilityBindingRegIDHigh"], values["haMobilityBindingRegIDLow"]) == (-2, 7)
    assert values["haMobilityBindingRegFlags"] == ["decapsulationbyMN", "simultaneousBindings"]


def test_a_binding_for_ever_has_its_lifetime_left():
    table = table_named("haMobilityBindingTable")
    [(_, row)] = mib_view.complete(table, [binding("10.0.0.1", "192.0.2.1", None)])
    assert row["lifetime_left_s"] == 60


def test_of_two_rows_with_the_same_index_the_first_is_shown():
    table = table_named("haMobilityBindingTable")
    rows = [binding("10.0.0.1", "192.0.2.1", 5), binding("10.0.0.1", "192.0.2.1", 6)]
    [(_, row)] = mib_view.complete(table, rows)
    assert row["lifetime_left_s"] == 5


def test_a_denial_that_the_mib_has_no_name_for_is_unspecified():
    table = table_named("haCounterTable")
    for code, name in ((131, "mnAuthenticationFailure"), (147, "reasonUnspecified"), (None, None)):
        row = {"home_address": "10.0.0.1", "accepted": 1, "denied": 0, "service_s": 3, "denied_code": code}
        [(_, made)] = mib_view.complete(table, [row])
        names = {column.name: value for column, value in mib_view.values(table, made)}
        assert names.get("haRecentServiceDeniedCode") == name


# -- SNMP


def test_a_walk_meets_every_instance_once_in_order_over_all_pages():
    served, _ = agent(tables=with_bindings())
    walked = walk(served)
    oids = [oid for oid, _, _ in walked]
    assert oids == sorted(oids)
    homes = [text for oid, _, text in walked if oid[: len(BINDINGS) + 1] == BINDINGS + (1,)]
    assert homes == ["9.255.0.1"] + MANY[:-1]
    assert len([oid for oid in oids if oid[: len(BINDINGS)] == BINDINGS]) == 8 * len(MANY)


def test_whatever_is_walked_can_be_got():
    served, _ = agent(tables=with_bindings())
    for oid, kind, text in walk(served):
        assert served.get(oid) == ("." + ".".join([str(n) for n in oid]), kind, text)


def test_what_is_not_there_is_none():
    served, _ = agent(tables=with_bindings())
    for oid in (
        (1, 3, 6, 1),
        _SYSTEM + (1,),
        _SYSTEM + (1, 1),
        _SYSTEM + (9, 0),
        BINDINGS + (1, 10, 0, 0, 3, 192, 0, 2, 1),
        BINDINGS + (1, 10, 0, 0, 1),
        BINDINGS + (1, 10, 0, 0, 1, 192, 0, 2, 1, 0),
        BINDINGS + (99, 10, 0, 0, 1, 192, 0, 2, 1),
        mib.ROOT + (1, 5, 2, 1, 0),  # a foreign agent's, and there is none
    ):
        assert served.get(oid) is None, oid
    assert served.getnext(mib.ROOT + (2,)) is None


def test_getnext_from_between_instances():
    served, _ = agent(tables=with_bindings())
    first = BINDINGS + (1,)
    for start, home in (
        (first, (9, 255, 0, 1)),
        (first + (9, 255, 0, 1, 192), (9, 255, 0, 1)),
        (first + (9, 255, 0, 1, 192, 0, 2, 7), (10, 0, 0, 1)),
        (first + (10, 0, 0, 2, 300), (10, 0, 0, 9)),
        (first + (10, 0, 0, 10, 255, 255, 255, 255, 1), (10, 0, 0, 100)),
    ):
        told = served.getnext(start)
        assert snmp.oid_of(told[0])[len(first) :][:4] == home, (start, told)
    last = served.getnext(first + (10, 0, 0, 200, 192, 0, 2, 255))
    assert snmp.oid_of(last[0])[: len(first)] == BINDINGS + (2,)  # the next column


def test_types_on_the_wire():
    served, _ = agent(tables=with_bindings())
    told = {oid: (kind, text) for oid, kind, text in walk(served)}
    assert told[_SYSTEM + (1, 0)] == ("octet", "20")
    assert told[_SYSTEM + (2, 0)] == ("integer", "1")
    assert told[_SYSTEM + (3, 0)] == ("octet", "90")
    at = (10, 0, 0, 1, 192, 0, 2, 1)
    assert told[BINDINGS + (1,) + at] == ("ipaddress", "10.0.0.1")
    assert told[BINDINGS + (4,) + at] == ("octet", "14")
    assert told[BINDINGS + (6,) + at] == ("integer", "-2")
    assert told[BINDINGS + (8,) + at] == ("gauge", "50")


def test_times_are_told_by_the_clock_of_snmpd():
    row = {"home_address": "10.0.0.1", "accepted": 1, "denied": 0, "service_s": 3, "denied_code": None}
    row["accepted_ago_ms"] = 2000
    served, _ = agent(tables={("home_agent-ha", "nodes"): [row]})
    told = {oid[len(mib.ROOT) :]: (kind, text) for oid, kind, text in walk(served)}
    assert told[1, 6, 3, 2, 1, 5, 10, 0, 0, 1] == ("timeticks", "99800")
    assert told[1, 6, 3, 2, 1, 6, 10, 0, 0, 1] == ("timeticks", "0")  # never
    assert (1, 6, 3, 2, 1, 7, 10, 0, 0, 1) not in told


def test_what_is_out_of_a_syntax_range_is_brought_into_it():
    link = {"address": "10.9.0.1", "interval_ms": 200, "lifetime_ms": 600, "prefix_lengths": True}
    link["lifetime_max_s"], link["advertises"] = 1800, True
    served, _ = agent([FOREIGN], {("foreign_agent-lan", "links"): [link]})
    told = {oid[len(mib.ROOT) :]: text for oid, _, text in walk(served)}
    entry = (1, 4, 2, 1, 1)
    assert [told[entry + (n, 10, 9, 0, 1)] for n in range(2, 10)] == [
        "1800",
        "1",
        "224.0.0.1",
        "4",
        "3",
        "4",
        "2",
        "1",
    ]


def test_several_roles_are_summed_and_joined_and_one_can_be_asked_for():
    tables = {
        ("home_agent-ha", "bindings"): [binding("10.0.0.%d" % n, "192.0.2.1") for n in (1, 3, 5, 7)],
        ("home_agent-two", "bindings"): [binding("10.0.0.%d" % n, "192.0.2.2") for n in (2, 3, 4)],
    }
    accepted = mib.ROOT + (1, 6, 3, 3, 0)
    served, _ = agent([ROLE, SECOND, FOREIGN], tables)
    assert served.get(accepted)[2] == "15"
    assert served.get(_SYSTEM + (1, 0))[2] == "60"
    homes = [text for oid, _, text in walk(served) if oid[: len(BINDINGS) + 1] == BINDINGS + (1,)]
    assert homes == ["10.0.0.%d" % n for n in (1, 2, 3, 3, 4, 5, 7)]
    one, _ = agent([ROLE, SECOND, FOREIGN], tables, "home_agent-two")
    assert one.get(accepted)[2] == "10"


def test_answers_are_kept_for_a_moment_and_not_for_longer():
    served, fake = agent(tables=with_bindings())
    kept, snmp.FRESH_MS = snmp.FRESH_MS, 1 << 40
    try:
        walk(served)
        assert fake.asked.count(("roles",)) == 1
        pages = [asked for asked in fake.asked if asked[:3] == ("rows", "home_agent-ha", "bindings")]
        assert len(pages) == len(set(pages)) == 4
        snmp.FRESH_MS = 0
        served.get(_SYSTEM + (1, 0))
        assert fake.asked.count(("roles",)) == 2
    finally:
        snmp.FRESH_MS = kept


def test_without_careofd_there_is_nothing_and_it_may_come_back():
    served, fake = agent()
    kept, snmp.FRESH_MS = snmp.FRESH_MS, 0
    asked = fake.ask

    def gone(*question):
        raise OSError(111, "refused")

    try:
        fake.ask = gone
        assert served.getnext(mib.ROOT) is None and fake.closed
        fake.ask = asked
        assert served.getnext(mib.ROOT) is not None
    finally:
        snmp.FRESH_MS = kept


def test_the_lines_of_pass_persist():
    served, _ = agent(tables=with_bindings())
    said = [
        "PING",
        "get",
        ".1.3.6.1.2.1.44.1.1.2.0",
        "getnext",
        ".1.3.6.1.2.1.44",
        "set",
        ".1.3",
        "integer 1",
    ]
    said += ["get", "x", "get", ".1.3.6.1.2.1.44.1.1.7.0", "dance", ""]
    heard = []
    snmp.serve(served, lambda: said.pop(0) + "\n" if said else "", heard.append)
    assert "".join(heard).split("\n") == [
        "PONG",
        ".1.3.6.1.2.1.44.1.1.2.0",
        "integer",
        "1",
        ".1.3.6.1.2.1.44.1.1.1.0",
        "octet",
        "20",
        "not-writable",
        "NONE",
        "NONE",
        "NONE",
        "",
    ]


def test_what_is_no_oid_is_none():
    for text in ("", ".", "1..3", "1.a", "1.-3", "1.\xb2", "1." + "9" * 5000, ".".join(["1"] * 129)):
        assert snmp.oid_of(text) is None, text
    assert snmp.oid_of(" .1.3.4294967295\n") == (1, 3, 4294967295)


def test_a_pending_request_is_a_visitor_that_is_not_accepted():
    visitor = {
        "source": "10.0.0.7",
        "home_address": "10.0.0.7",
        "home_agent": "192.0.2.1",
        "flags": 2,
        "identification": 5,
        "lifetime_s": 60,
    }
    accepted = dict(visitor, lifetime_left_s=50)
    pending = dict(visitor, state="pending", source="10.0.0.8")
    again = dict(visitor, state="pending")  # a renewal that is on its way: the visitor is one all the same
    tables = {
        ("foreign_agent-lan", "visitors"): [accepted],
        ("foreign_agent-lan", "pending"): [pending, again],
    }
    served, _ = agent([FOREIGN], tables)
    told = {oid[len(mib.ROOT) :]: text for oid, _, text in walk(served)}
    entry = (1, 5, 3, 1, 1)
    assert told[entry + (9, 10, 0, 0, 7)] == "1" and told[entry + (9, 10, 0, 0, 8)] == "2"
    assert told[entry + (5, 10, 0, 0, 7)] == "50" and told[entry + (5, 10, 0, 0, 8)] == "0"


def test_the_parents_start_is_read_from_the_kernel():
    uptime = snmp.Uptime()
    assert uptime.ago(-1) == 0 and uptime.ago(1 << 40) == 0
    assert uptime.ago(0) >= 0


# -- careof


def lines(fake, *words):
    words, _, as_json, follow = cli.options_of(words)
    return list(cli.run(fake, words, as_json, follow))


def first(told, count):
    """So many lines of an answer that never ends."""
    seen = []
    for line in told:
        seen.append(line)
        if len(seen) == count:
            break
    return seen


def test_a_table_of_several_pages_and_roles():
    fake = Fake([ROLE, SECOND], with_bindings())
    shown = lines(fake, "bindings")
    assert len(shown) == 1 + len(MANY)
    assert shown[0].split()[:3] == ["node", "home", "address"] and shown[0].endswith("role")
    assert "9.255.0.1" in shown[1] and shown[1].endswith("home_agent-ha")


def test_json_is_a_list_of_rows():
    import json

    rows = json.loads("\n".join(lines(Fake([ROLE], with_bindings()), "bindings", "--json")))
    assert [row["home_address"] for row in rows] == ["9.255.0.1"] + MANY[:-1]
    assert rows[0]["role"] == "home_agent-ha"
    assert json.loads("\n".join(lines(Fake([ROLE], {}), "--json", "bindings"))) == []


def test_a_table_that_no_role_has_is_said():
    try:
        lines(Fake([FOREIGN], {}), "bindings")
    except Refused as e:
        assert "home_agent" in str(e)
    else:
        raise AssertionError("nothing was said")


def test_what_changes_follows_the_table():
    import json

    class Followed(Fake):
        changes = [{"role": "home_agent-ha", "rows": [binding("10.0.0.1", "192.0.2.77")]}]
        changes.append({"role": "home_agent-ha", "rows": [{"home_address": "10.0.0.1", "gone": True}]})

        def follow(self, *tables):
            self.asked.append(("follow",) + tables)

        def next_change(self):
            return self.changes.pop(0)

    followed = Followed([ROLE], with_bindings())
    told = cli.run(followed, ["bindings"], False, True)
    seen = first(told, 1 + len(MANY) + 2)
    assert followed.asked[0] == ("follow", "bindings")
    assert "192.0.2.77" in seen[-2] and seen[-1] == "10.0.0.1 gone"
    Followed.changes.append({"role": "home_agent-ha", "rows": [{"home_address": "10.0.0.1", "gone": True}]})
    told = cli.run(Followed([ROLE], {}), ["bindings"], True, True)
    [line] = first(told, 1)
    assert json.loads(line) == {"home_address": "10.0.0.1", "gone": True, "role": "home_agent-ha"}


def test_the_mib_for_people_is_in_its_own_order():
    shown = lines(Fake([ROLE, FOREIGN], with_bindings()), "status", "mib")
    assert shown[0] == "home_agent-ha" and "foreign_agent-lan" in shown
    assert shown[1].split() == ["mipEntities", "homeAgent"]
    assert "  haMobilityBindingTable: 7" in shown
    assert "    9.255.0.1.192.0.2.7" in shown


def test_wrong_words_are_refused():
    for words in (
        (),
        ("dance",),
        ("move",),
        ("status", "me"),
        ("bindings", "all"),
        ("--follow", "status"),
        ("--nonsense", "status"),
        ("status", "--run"),
    ):
        try:
            cli.options_of(words)
        except ValueError:
            continue
        raise AssertionError(words)
    assert cli.options_of(["--run", "/x", "move", "lte"]) == (["move", "lte"], "/x", False, False)


if __name__ == "__main__":
    from runner import main

    main(globals())
