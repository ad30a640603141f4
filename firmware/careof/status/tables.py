"""What is printed for a person: tables with columns as wide as they need, statuses, values of any kind."""


def table(rows):
    """Lines of a table: columns as wide as their widest cell."""
    texts = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max([len(row[column]) for row in texts]) for column in range(len(texts[0]))]
    for row in texts:
        yield "  ".join([cell + " " * (width - len(cell)) for cell, width in zip(row, widths)]).rstrip()


# Tables of a status, by the name of the list: (key of a row, heading).
TABLES = {
    "uplinks": (
        ("uplink", "uplink"),
        ("device", "device"),
        ("carrier", "carrier"),
        ("address", "address"),
        ("gateway", "gateway"),
        ("agent", "agent"),
        ("carries", "carries"),
        ("proven", "proven"),
        ("bound", "bound"),
        ("live", "live"),
        ("tunnel", "tunnel"),
        ("nat", "nat"),
        ("round_trip_ms", "round trip/ms"),
        ("lifetime_left_s", "lifetime/s"),
        ("last_refusal", "last refusal"),
    ),
    "networks": (
        ("network", "network"),
        ("routed", "routed"),
        ("home_agent", "home agent says"),
    ),
    "visitors": (
        ("home_address", "visitor"),
        ("nai", "name"),
        ("device", "device"),
        ("home_agent", "home agent"),
        ("tunnel", "tunnel"),
        ("delivery", "delivery"),
        ("lifetime_left_s", "lifetime/s"),
    ),
    "bound": (
        ("node", "node"),
        ("home_address", "home address"),
        ("care_of", "care of"),
        ("tunnel", "tunnel"),
        ("peer", "peer"),
        ("lifetime_left_s", "lifetime/s"),
    ),
}
# What a role says of itself comes first in this order; a key that is not here is left to --json.
ROLE_LINES = (
    ("state", "state"),
    ("carrying", "carried by"),
    ("chosen", "chosen by command"),
    ("nai", "name"),
    ("home_address", "home address"),
    ("home_agent", "home agent"),
    ("contact", "contact"),
    ("care_of_address", "care-of address"),
    ("visiting", "visitors"),
    ("pending", "pending"),
    ("nodes", "nodes"),
    ("bindings", "bindings"),
    ("addresses", "addresses"),
)


def show_status(answer):
    """Lines for the answer to `status`: careofd itself, then each role with its table."""
    up_s = answer["up_s"]
    yield "careofd on %s, up %d:%02d:%02d, tunneld %s, keys %s" % (
        answer["interpreter"],
        up_s // 3600,
        up_s // 60 % 60,
        up_s % 60,
        answer["tunneld"],
        answer["keys"],
    )
    if answer.get("trial_left_s") is not None:
        yield (
            "the configuration is on trial: taken back in %d s unless it is confirmed"
            % answer["trial_left_s"]
        )
    state = answer.get("state") or {}
    if state.get("why") is not None:
        yield "not kept yet: %d values, %d of them refused: %s" % (
            state["unsaved"],
            state["refused"],
            state["why"],
        )
    for role in answer["roles"]:
        yield ""
        yield role["name"]
        lines = [(label, cell(role[key])) for key, label in ROLE_LINES if role.get(key) is not None]
        host = role.get("host") or {}
        lines += [(name.replace("_", " "), cell(host[name])) for name in sorted(host)]
        lines += [(who + " says", text) for who, text in sorted((role.get("messages") or {}).items())]
        for line in table(lines):
            yield "  " + line
        for key, columns in TABLES.items():
            if role.get(key):
                rows = [[heading for _, heading in columns]]
                rows += [[cell(row.get(name)) for name, _ in columns] for row in role[key]]
                for line in table(rows):
                    yield "  " + line
        for refusal in role.get("last_refusal", []):
            yield "  last refusal: " + refusal_text(refusal)


def refusal_text(row):
    """Who was refused, and why, in one line."""
    return "%d s ago: %s from %s: %s" % (row["ago_ms"] // 1000, row["who"], row["source"], why(row))


def why(row):
    """A refusal's code or name, the RFC's words or ours, and what to change."""
    what = row.get("name") if row.get("code") is None else "code %d" % row["code"]
    text = "%s (%s)" % (what, row.get("means"))
    if row.get("change"):
        text += ": " + row["change"]
    if row.get("message"):
        text += '; it says "%s"' % row["message"]
    return text


def show_value(name, value, depth=0):
    """Lines for any other JSON value: objects as `name  value` in the order of their names."""
    indent = "  " * depth
    if not isinstance(value, dict):
        yield "%s%s: %s" % (indent, name, cell(value))
        return
    if depth:
        yield indent[2:] + name
    plain = sorted([(k, v) for k, v in value.items() if not isinstance(v, dict)])
    if plain:
        for line in table(plain):
            yield indent + line
    for key in sorted(value):
        if isinstance(value[key], dict):
            for line in show_value(key, value[key], depth + 1):
                yield line


def cell(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ",".join([str(v) for v in value])
    return value


# -- Tables in pages: `careof bindings | visitors | agents | registrations`

AGENT_FLAGS = ((0x8000, "R"), (0x4000, "B"), (0x2000, "H"), (0x1000, "F"), (0x0800, "M"), (0x0400, "G")) + (
    (0x0100, "T"),
    (0x0080, "U"),
    (0x0040, "X"),
)


def _agent_flags(row):
    flags = row.get("flags")
    return None if flags is None else "".join([letter for bit, letter in AGENT_FLAGS if flags & bit])


def _seconds(key):
    return lambda row: None if row.get(key) is None else row[key] // 1000


def _why(row):
    return why(row) if row.get("means") else None


# Table -> kinds of role that have it, and columns: (heading, key of a row or function of it).
LISTS = {
    "bindings": (
        ("home_agent",),
        (
            ("node", "node"),
            ("home address", "home_address"),
            ("care of", "care_of"),
            ("tunnel", "tunnel"),
            ("peer", "peer"),
            ("asked by", "source"),
            ("granted/s", "lifetime_s"),
            ("left/s", "lifetime_left_s"),
        ),
    ),
    "visitors": (
        ("foreign_agent",),
        (
            ("home address", "home_address"),
            ("name", "nai"),
            ("device", "device"),
            ("link address", "link_address"),
            ("home agent", "home_agent"),
            ("care of", "care_of"),
            ("tunnel", "tunnel"),
            ("delivery", "delivery"),
            ("granted/s", "lifetime_s"),
            ("left/s", "lifetime_left_s"),
        ),
    ),
    "agents": (
        ("home_agent", "foreign_agent", "mobile_router"),
        (
            ("agent", "agent"),
            ("what", "what"),
            ("how", "how"),
            ("device", "device"),
            ("care of", "care_of"),
            ("flags", _agent_flags),
            ("lifetime/s", "lifetime_s"),
            ("sequence", "sequence"),
            ("good for/s", _seconds("expires_in_ms")),
            ("association", "association"),
        ),
    ),
    "registrations": (
        ("home_agent", "foreign_agent", "mobile_router"),
        (
            ("who", "who"),
            ("by", lambda row: row.get("uplink") or row.get("device") or row.get("source")),
            ("state", "state"),
            ("to", lambda row: row.get("to") or row.get("home_agent")),
            ("care of", "care_of"),
            ("left/s", "lifetime_left_s"),
            ("sent/s ago", _seconds("sent_ago_ms")),
            ("answered/s ago", _seconds("ago_ms")),
            ("why", _why),
        ),
    ),
}


class Listing:
    """Lines for one table, as its rows come: columns never become narrower."""

    def __init__(self, name, several_roles):
        self._columns = LISTS[name][1]
        self._several = several_roles
        self._widths = [len(heading) for heading in self._headings()]
        self._begun = False

    def _headings(self):
        return [heading for heading, _ in self._columns] + (["role"] if self._several else [])

    def _cells(self, role, row):
        cells = []
        for _, what in self._columns:
            value = row.get(what) if isinstance(what, str) else what(row)
            cells.append("-" if value in (None, "", []) else str(cell(value)))
        return cells + ([role] if self._several else [])

    def rows(self, role, rows):
        """Some more rows of a role."""
        texts = [self._cells(role, row) for row in rows]
        for row in texts:
            self._widths = [max(width, len(text)) for width, text in zip(self._widths, row)]
        if not self._begun:
            self._begun = True
            texts = [self._headings()] + texts
        for row in texts:
            padded = [text + " " * (width - len(text)) for text, width in zip(row, self._widths)]
            yield "  ".join(padded).rstrip()

    def change(self, role, row):
        """A row that became another."""
        if row.get("gone"):
            return ["%s gone" % row["home_address"]]
        return self.rows(role, [row])
