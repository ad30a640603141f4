"""What a foreign agent shows of itself (status.mib, `careof`): visitors in pages, pending requests, links."""

from ...limits import PAGE_ROWS
from ...wire import ipv4
from ..rows import association_row, link_row, peer_row
from .visitors import name_of, number_of, text_of


class ForeignView:
    """Of one foreign agent, `agent`."""

    def __init__(self, agent):
        self._agent = agent

    def facts(self, now_ms):
        agent, options = self._agent, self._agent.options.agent
        encapsulations = ["ipip"]
        encapsulations += ["gre"] if options.gre else []
        encapsulations += ["minimal"] if options.minimal else []
        encapsulations += ["udp"] if agent.udp_flags is not None else []
        return {
            "address": ipv4.address_text(agent.care_of) if agent.care_of else None,
            "encapsulations": encapsulations,
            "visitors": len(agent.visitors),
            "pending": len(agent.visitors.pending),
            "busy": len(agent.visitors) >= options.max_visitors,
            "registration_required": bool(options.registration_required),
            "waiting": len(agent.questions),
            "violations": agent.refusals.violations,
        }

    def rows(self, table, after, now_ms):
        if table == "visitors":
            visitors = self._agent.visitors.behind(after, PAGE_ROWS)
            go_on = number_of(visitors[-1].source) if len(visitors) >= PAGE_ROWS else None
            return [visitor.snapshot(now_ms) for visitor in visitors], go_on
        if table in WHOLE:
            return WHOLE[table](self, now_ms), None
        return [], None

    def rows_about(self, table, key, now_ms):
        agent = self._agent
        if table == "visitors":
            visitor = agent.visitors.find(key)
            if visitor is None:
                return [{"home_address": ipv4.address_text(key), "gone": True}]
            return [visitor.snapshot(now_ms)]
        if table == "registrations":
            if key is None:
                return agent.refusals.last_row(now_ms)
            return [row for row in self._pending(now_ms) if row["home_address"] == ipv4.address_text(key)]
        if table == "agents":
            return [row for row in self._agents(now_ms) if row.get("device") == key]
        return []

    def _pending(self, now_ms):
        rows = []
        for pending in self._agent.visitors.pending:
            asked, request = pending.asked, pending.asked.received.message
            rows.append(
                {
                    "state": "pending",
                    "who": text_of(*name_of(request)),
                    "home_address": ipv4.address_text(request.home_address),
                    "source": ipv4.address_text(asked.datagram.source),
                    "device": asked.advertiser.device,
                    "home_agent": ipv4.address_text(pending.verdict.home_agent),
                    "care_of": ipv4.address_text(request.care_of_address),
                    "flags": request.flags,
                    "identification": request.identification,
                    "lifetime_s": request.lifetime_s,
                    "gives_up_ms": max(0, pending.gives_up_ms - now_ms),
                }
            )
        return rows

    def _registrations(self, now_ms):
        return self._pending(now_ms) + self._agent.refusals.rows(now_ms)

    def _links(self, now_ms):
        return [advertiser.row() for advertiser in self._agent.advertisers.values()]

    def _associations(self, now_ms):
        peers = self._agent.peers
        rows = [
            association_row(ipv4.address_text(peer.address), peer.association)
            for peer in peers.all()
            if peer.association is not None
        ]
        for home_address, section in peers.visitor_rows():
            address = ipv4.address_text(home_address) if home_address is not None else "0.0.0.0"
            rows.append(association_row(address, section))
        return rows

    def _violations(self, now_ms):
        return self._agent.refusals.violation_rows(now_ms)

    def _care_of(self, now_ms):
        care_of = self._agent.care_of
        return [{"care_of": ipv4.address_text(care_of)}] if care_of else []

    def _agents(self, now_ms):
        rows = [link_row(row, "foreign agent") for row in self._links(now_ms)]
        for peer in self._agent.peers.all():
            rows.append(peer_row(peer.address, "home agent", peer.association))
        return rows


WHOLE = {
    "pending": ForeignView._pending,
    "registrations": ForeignView._registrations,
    "links": ForeignView._links,
    "associations": ForeignView._associations,
    "violations": ForeignView._violations,
    "care_of": ForeignView._care_of,
    "agents": ForeignView._agents,
}
