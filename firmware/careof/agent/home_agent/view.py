"""What a home agent shows of itself: tables in pages, in the order of home addresses (status.mib, `careof`).

With 100,000 nodes no answer may be about all of them: a page ends after PAGE_ROWS rows, or after PAGE_SCANNED
nodes that had none, and says how to go on.
"""

from ...limits import PAGE_ROWS, PAGE_SCANNED
from ...wire import ipv4
from ..rows import association_row, link_row, peer_row
from .nodes import number_of


class HomeView:
    """Of one home agent, `agent`."""

    def __init__(self, agent):
        self._agent = agent

    def facts(self, now_ms):
        agent = self._agent
        return {
            "address": ipv4.address_text(agent.agent.address),
            "encapsulations": ["ipip", "gre", "minimal"] + (["udp"] if agent.agent.udp_tunnelling else []),
            "nodes": len(agent.nodes),
            "bindings": agent.bindings.count,
            "waiting": len(agent.questions),
            "violations": agent.refusals.violations,
        }

    def rows(self, table, after, now_ms):
        if table in BY_NODE:
            return self._by_node(BY_NODE[table], after, now_ms)
        if table in WHOLE:
            return WHOLE[table](self, now_ms), None
        return [], None

    def rows_about(self, table, key, now_ms):
        if table == "bindings":
            if key is None:
                return []  # a node that has no home address any more
            node = self._agent.nodes.find(key)
            if node is None or not node.bindings:
                return [{"home_address": ipv4.address_text(key), "gone": True}]
            return node.snapshot(now_ms)
        if table == "registrations":
            return self._agent.refusals.last_row(now_ms)
        if table == "agents":
            return [row for row in self._agents(now_ms) if row.get("device") == key]
        return []

    # -- By node

    def _by_node(self, rows_of, after, now_ms):
        nodes, rows = self._agent.nodes.behind(after, PAGE_SCANNED), []
        for node in nodes:
            rows += rows_of(self, node, now_ms)
            if len(rows) >= PAGE_ROWS:
                return rows, number_of(node.home_address)
        return rows, number_of(nodes[-1].home_address) if len(nodes) == PAGE_SCANNED else None

    def _bindings(self, node, now_ms):
        return node.snapshot(now_ms) if node.bindings else []

    def _nodes(self, node, now_ms):
        served = node.served()
        return [
            {
                "node": node.name,
                "home_address": node.text,
                "accepted": served.accepted,
                "denied": served.denied,
                "service_s": served.service_s(now_ms),
                "accepted_ago_ms": None if served.accepted_ms is None else now_ms - served.accepted_ms,
                "denied_ago_ms": None if served.denied_ms is None else now_ms - served.denied_ms,
                "denied_code": served.denied_code,
            }
        ]

    def _associations(self, node, now_ms):
        return [
            {"peer": node.text, "spi": a.spi, "algorithm": a.algorithm, "replay": a.replay}
            for a in node.associations.values()
        ]

    # -- Whole

    def _peers(self, now_ms):
        return [
            association_row(ipv4.address_text(address), section)
            for address, section in self._agent.peers.items()
        ]

    def _violations(self, now_ms):
        return self._agent.refusals.violation_rows(now_ms)

    def _registrations(self, now_ms):
        return self._agent.refusals.rows(now_ms)

    def _links(self, now_ms):
        home_link = self._agent.home_link
        return [] if home_link is None else [home_link.advertiser.row()]

    def _agents(self, now_ms):
        rows = [link_row(row, "home agent") for row in self._links(now_ms)]
        for address, section in self._agent.peers.items():
            rows.append(peer_row(address, "foreign agent", section))
        return rows


BY_NODE = {
    "bindings": HomeView._bindings,
    "nodes": HomeView._nodes,
    "associations": HomeView._associations,
}
WHOLE = {
    "peers": HomeView._peers,
    "violations": HomeView._violations,
    "registrations": HomeView._registrations,
    "links": HomeView._links,
    "agents": HomeView._agents,
}
