"""What careofd answers about its roles at the status socket: each by itself, in pages.

    roles                     [{"name", "kind", "counters", "facts"}], each role with its own counters
    rows ROLE TABLE AFTER     {"rows": [...], "after": number or null}: the rows behind the address `after`

A page is small (limits.PAGE_ROWS), so that 100,000 bindings do not hold the loop. What is made of these
(tables, JSON, RFC 2006's MIB) is made by whoever asks, in another process (status).
"""


def kind_of(role):
    """ "home_agent", "foreign_agent" or "mobile_router": a role's name begins with it."""
    return role.name.split("-")[0]


class Answers:
    """counters: {role's name: {counter: value}}."""

    def __init__(self, roles, counters):
        self._roles = roles  # [(role, its options)]: careofd's own list
        self._counters = counters

    def roles(self, now_ms):
        return [
            {
                "name": role.name,
                "kind": kind_of(role),
                "counters": self._counters.get(role.name, {}),
                "facts": role.facts(now_ms),
            }
            for role, _ in self._roles
        ]

    def rows(self, arguments, now_ms):
        """Raises ValueError that says what was expected."""
        if len(arguments) != 3:
            raise ValueError("rows: expected a role, a table and an address's number or -1")
        name, table, after = arguments
        names = []
        for role, _ in self._roles:
            names.append(role.name)
            if role.name == name:
                rows, after = role.rows(table, _number(after), now_ms)
                return {"rows": rows, "after": after}
        raise ValueError("role '%s': expected one of %s" % (name, ", ".join(names)))

    @staticmethod
    def change(role, action, now_ms):
        """What a follower is told of a Changed."""
        rows = role.rows_about(action.table, action.key, now_ms)
        return {"role": role.name, "table": action.table, "rows": rows}


def together(said):
    """What several roles said to one command, as keyword arguments of its reply: what one of them did goes
    before that others did not know what it was about."""
    done = [value for value in said if not _is_error(value)]
    if done:
        return {"answer": done[0]}
    errors = []
    for value in said:
        if value["error"] not in errors:
            errors.append(value["error"])
    return {"error": "; ".join(errors)}


def _is_error(value):
    return isinstance(value, dict) and "error" in value


def _number(text):
    try:
        return int(text)
    except ValueError:
        raise ValueError("'%s': expected an address's number, or -1" % text)
