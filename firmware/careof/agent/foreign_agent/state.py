"""What a foreign agent keeps over a restart of careofd: its visitors, so that none of them has to notice.

    foreign_agent-NAME.care_of        the care-of address that they have
    foreign_agent-NAME.v.0a4d0002     a row of the visitor with this home address

A row is saved a moment after it changed (agent.saving). Expiries are kept by the wall clock, the only one
that survives. Pending requests are not kept: the nodes repeat them.
"""

from ...limits import KEEPALIVE_S, LIFETIME_INFINITE_S
from ...wire.mip_extensions import RevocationSupport
from ..events import Count, Log, Save
from ..layout import ADDRESS, FLAG, LIST, NUMBER, OCTETS, TEXT, Layout, maybe
from ..saving import Saving
from .visitors import Visitor

ROW = Layout(
    "visitor",
    ("home_address", ADDRESS),
    ("nai", OCTETS),
    ("device", TEXT),
    ("link_address", OCTETS),
    ("home_agent", ADDRESS),
    ("care_of", ADDRESS),
    ("end", LIST),
    ("bits", LIST),
    ("lifetime_s", NUMBER),
    ("expires_unix_ms", maybe(NUMBER)),  # null: never
    ("revocable", maybe(LIST)),
    ("tunnel", maybe(NUMBER)),
    ("delivery", maybe(NUMBER)),
    ("asked", LIST),
)
END = Layout("end", ("kind", NUMBER), ("peer", ADDRESS), ("port", NUMBER))
BITS = Layout("bits", ("co_located", FLAG), ("reverse", FLAG), ("encapsulating", FLAG))
REVOCABLE = Layout("revocable", ("inform", FLAG), ("timestamp", NUMBER))
ASKED = Layout(
    "asked", ("source", ADDRESS), ("flags", NUMBER), ("identification", NUMBER), ("keepalive_s", NUMBER)
)


class ForeignState:
    """`agent` is the role: its visitors, advertisers and paths."""

    def __init__(self, agent):
        self._agent = agent
        self._care_of = None  # that is kept
        self._saving = Saving(lambda visitor: Save(self._name_of(visitor), self._row(visitor)))
        self._older = []  # names of what an older careofd kept: forgotten when all of it is in rows

    def deadline(self):
        return self._saving.deadline()

    def touched(self, visitor, now_ms):
        self._saving.touched(visitor.home_address.hex(), visitor, now_ms)

    def forget(self, visitor):
        self._saving.forget(visitor.home_address.hex())
        return [Save(self._name_of(visitor), None)]

    def due(self, now_ms):
        return self._kept(self._saving.due(now_ms))

    def flush(self):
        return self._kept(self._saving.flush())

    def _kept(self, rows):
        """Before the first row, what care-of address they have; behind the last, an end of what was older."""
        if rows and self._agent.care_of not in (None, self._care_of):
            self._care_of = self._agent.care_of
            rows = [Save(self._agent.name + ".care_of", self._care_of.hex())] + rows
        if self._older and self._saving.is_done():
            rows += [Save(name, None) for name in self._older]
            self._older = []
        return rows

    def _name_of(self, visitor):
        return "%s.v.%s" % (self._agent.name, visitor.home_address.hex())

    def _row(self, visitor):
        infinite = visitor.lifetime_s == LIFETIME_INFINITE_S
        return [
            visitor.home_address.hex(),
            visitor.nai.hex(),
            visitor.advertiser.device,
            visitor.link_address.hex(),
            visitor.home_agent.hex(),
            visitor.care_of.hex(),
            [visitor.end[0], visitor.end[1].hex(), visitor.end[2]],
            [bool(visitor.co_located), bool(visitor.reverse), bool(visitor.encapsulating)],
            visitor.lifetime_s,
            None if infinite else visitor.expires_ms + self._agent.unix_offset_ms,
            None if visitor.revocable is None else list(visitor.revocable),
            visitor.tunnel.number if visitor.tunnel is not None else None,
            visitor.delivery_number,
            [visitor.source.hex(), visitor.flags, visitor.identification, visitor.keepalive_s],
        ]

    # -- After a restart

    def restore(self, event, now_ms):
        """Take over what Save kept; what the configuration does not serve any more is forgotten."""
        what = event.name[len(self._agent.name) + 1 :]
        try:
            if what == "care_of":
                self._restore_care_of(event.value)
            elif what == "visitors":
                return self._restore_list(event, now_ms)
            elif self._restore_row(event.value, now_ms) is None:
                return [Save(event.name, None)]
        except (ValueError, TypeError) as e:
            return self._unreadable(event.name, e)
        return []

    @staticmethod
    def _unreadable(name, wrong):
        text = "%s cannot all be read (%s): visitors register again" % (name, wrong)
        return [Log("warning", "state", text), Count("state_unreadable")]

    def _restore_care_of(self, text):
        read, expected = ADDRESS
        try:
            self._care_of = read(text)
        except (ValueError, TypeError):
            raise ValueError("care_of: expected " + expected)
        if self._agent.care_of is None:
            self._agent.care_of = self._care_of

    def _restore_list(self, event, now_ms):
        """Version 1 kept all visitors in one value; it is forgotten when their rows are kept."""
        wrong, rows = None, []
        self._older.append(event.name)
        try:
            self._restore_care_of(event.value["care_of"])
            rows = list(event.value["visitors"])
        except (ValueError, TypeError, KeyError) as e:
            wrong = e
        self._care_of = None
        for row in rows:
            try:
                visitor = self._restore_row(_of_version_1(row), now_ms)
                if visitor is not None:
                    self.touched(visitor, now_ms)
            except (ValueError, TypeError, IndexError) as e:
                wrong = e  # the other rows are as good as before
        return [] if wrong is None else self._unreadable(event.name, wrong)

    def _restore_row(self, values, now_ms):
        """The visitor; None if it is none any more."""
        agent, row = self._agent, ROW.read(values)
        end, bits, asked = END.read(row.end), BITS.read(row.bits), ASKED.read(row.asked)
        advertiser = agent.advertisers.get(row.device)
        visitor = Visitor(row.home_address, row.nai)
        visitor.advertiser, visitor.link_address = advertiser, row.link_address
        visitor.home_agent, visitor.care_of, visitor.end = row.home_agent, row.care_of, tuple(end)
        visitor.co_located, visitor.reverse, visitor.encapsulating = bits
        if row.revocable is not None:
            visitor.revocable = RevocationSupport(*REVOCABLE.read(row.revocable))
        visitor.delivery_number = row.delivery
        visitor.source, visitor.flags, visitor.identification, visitor.keepalive_s = asked
        # A wall clock that was set back in between must not prolong anything.
        left_s = row.lifetime_s
        if row.expires_unix_ms is not None:
            left_s = min((row.expires_unix_ms - agent.unix_offset_ms - now_ms) // 1000, left_s)
        served = agent.peers.of(visitor.home_agent) is not None and agent.peers.may_visit(
            visitor.home_address
        )
        if advertiser is None or left_s <= 0 or not served or visitor.care_of != agent.care_of:
            return None
        visitor.lasts(left_s, now_ms)
        visitor.lifetime_s = row.lifetime_s
        if row.tunnel is not None:
            agent.paths.take_number(visitor.end, row.tunnel)
        agent.paths.take_delivery_number(row.delivery)
        agent.visitors.add(visitor)
        agent.keepalives.registered(visitor, now_ms)
        agent.behind_nat = agent.behind_nat or visitor.keepalive_s > 0
        return visitor


def _of_version_1(row):
    """As rows are now. The first ones did not say how a visitor asked, later ones nothing of keepalives."""
    row = list(row)
    asked = list(row[13]) if len(row) > 13 else [row[0], 0, 0]
    if len(asked) < 4:
        asked.append(KEEPALIVE_S if row[6][2] else 0)  # with a port, it is in UDP
    return row[:13] + [asked]
