"""What a foreign agent keeps over a restart of careofd: its visitors, so that none of them has to notice.

One value, saved a moment after something changed and not more often than once a second. Expiries are kept
by the wall clock, the only one that survives. Pending requests are not kept: the nodes repeat them.
"""

from ...limits import KEEPALIVE_S, LIFETIME_INFINITE_S, SAVE_GAP_MS, SAVE_SOON_MS, SAVE_WORK_MS
from ...wire.mip_extensions import RevocationSupport
from ..events import Count, Log, Save
from .visitors import Visitor

UNREADABLE = (ValueError, TypeError, KeyError, IndexError)  # what JSON values of another form cause


class ForeignState:
    """`agent` is the role: its visitors, advertisers and paths."""

    def __init__(self, agent):
        self._agent = agent
        self._name = agent.name + ".visitors"
        self._due_ms = None
        self._rested_ms = 0

    def deadline(self):
        return self._due_ms

    def touched(self, now_ms):
        if self._due_ms is None:
            self._due_ms = max(now_ms + SAVE_SOON_MS, self._rested_ms)

    def due(self, now_ms):
        return self.flush(now_ms) if self._due_ms is not None and self._due_ms <= now_ms else []

    def flush(self, now_ms):
        if self._due_ms is None:
            return []
        rows = [self._row(visitor) for visitor in self._agent.visitors]
        self._due_ms = None
        self._rested_ms = now_ms + max(SAVE_GAP_MS, SAVE_WORK_MS * len(rows))
        return [Save(self._name, {"care_of": self._agent.care_of.hex(), "visitors": rows})]

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
            [visitor.co_located, visitor.reverse, visitor.encapsulating],
            visitor.lifetime_s,
            None if infinite else visitor.expires_ms + self._agent.unix_offset_ms,
            None if visitor.revocable is None else list(visitor.revocable),
            visitor.tunnel.number if visitor.tunnel is not None else None,
            visitor.delivery_number,
            [visitor.source.hex(), visitor.flags, visitor.identification, visitor.keepalive_s],
        ]

    def restore(self, event, now_ms):
        """Take over what Save kept; what the configuration does not serve any more is left out."""
        if event.name != self._name or not event.value:
            return []
        agent, restored, wrong, rows = self._agent, 0, None, []
        try:
            if agent.care_of is None:
                agent.care_of = bytes.fromhex(event.value["care_of"])
            rows = list(event.value["visitors"])
        except UNREADABLE as e:
            wrong = e
        for row in rows:
            try:
                restored += self._restore_row(row, now_ms)
            except UNREADABLE as e:
                wrong = e  # the other rows are as good as before
        actions = []
        if wrong is not None:
            text = "%s cannot all be read (%s): visitors register again" % (event.name, wrong)
            actions = [Log("warning", "state", text), Count("state_unreadable")]
        return actions + [Log("info", "state", "%s: %d visitors restored" % (event.name, restored))]

    def _restore_row(self, row, now_ms):
        agent = self._agent
        home, nai, device, link_address, home_agent, care_of, end, bits, lifetime_s, expires_ms = row[:10]
        revocable, tunnel_number, delivery_number = row[10:13]
        advertiser = agent.advertisers.get(device)
        visitor = Visitor(bytes.fromhex(home), bytes.fromhex(nai))
        visitor.advertiser, visitor.link_address = advertiser, bytes.fromhex(link_address)
        visitor.home_agent, visitor.care_of = bytes.fromhex(home_agent), bytes.fromhex(care_of)
        visitor.end = (end[0], bytes.fromhex(end[1]), end[2])
        visitor.co_located, visitor.reverse, visitor.encapsulating = bits
        visitor.revocable = None if revocable is None else RevocationSupport(*revocable)
        visitor.delivery_number = delivery_number
        visitor.keepalive_s = KEEPALIVE_S if visitor.end[2] else 0  # with a port, it is in UDP
        if len(row) > 13:  # older ones do not say how it asked, nor of keepalives
            source, visitor.flags, visitor.identification = row[13][:3]
            visitor.source = bytes.fromhex(source)
            if len(row[13]) > 3:
                visitor.keepalive_s = row[13][3]
        # A wall clock that was set back in between must not prolong anything.
        left_s = lifetime_s
        if expires_ms is not None:
            left_s = min((expires_ms - agent.unix_offset_ms - now_ms) // 1000, lifetime_s)
        served = agent.peers.of(visitor.home_agent) is not None and agent.peers.may_visit(
            visitor.home_address
        )
        if advertiser is None or left_s <= 0 or not served or visitor.care_of != agent.care_of:
            return 0
        visitor.lasts(left_s, now_ms)
        visitor.lifetime_s = lifetime_s
        if tunnel_number is not None:
            agent.paths.take_number(visitor.end, tunnel_number)
        agent.paths.take_delivery_number(delivery_number)
        agent.visitors.add(visitor)
        agent.keepalives.registered(visitor, now_ms)
        agent.behind_nat = agent.behind_nat or visitor.keepalive_s > 0
        return 1
