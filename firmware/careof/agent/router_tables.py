"""What a mobile router shows of itself in tables (status.mib, `careof`): registrations, and whom it knows."""

from ..wire import ipv4
from .home_view import association_row, peer_row


class RouterTables:
    """Of one mobile router, `role`."""

    def __init__(self, role):
        self._role = role

    def facts(self, now_ms):
        role = self._role
        router = role.router
        return {
            "address": ipv4.address_text(router.home_address),
            "home_address": ipv4.address_text(router.home_address),
            "home_agent": ipv4.address_text(router.home_agent),
            "encapsulations": ["ipip"] + ([] if router.encapsulation == "ipip" else ["udp"]),
            "state": self._state(),
            "violations": role.refusals.violations,
        }

    def _state(self):
        """RFC 2006 mnState."""
        role = self._role
        if role.moves.carrying is not None:
            return "registered"
        if not any([uplink.usable() for uplink in role.uplinks]):
            return "isolated"
        if any([uplink.registration.outstanding() for uplink in role.uplinks]):
            return "pending"
        return "unknown"

    def rows(self, table, after, now_ms):
        return (WHOLE[table](self, now_ms) if table in WHOLE else []), None

    def rows_about(self, table, key, now_ms):
        if table != "registrations":
            return []
        if key is None:
            return self._role.refusals.last_row(now_ms)
        return [row for row in self._uplinks(now_ms) if row["uplink"] == key]

    def _uplinks(self, now_ms):
        return [self._uplink(uplink, now_ms) for uplink in self._role.uplinks]

    def _uplink(self, uplink, now_ms):
        registration, left_s = uplink.registration, None
        if registration.bound and registration.expires_ms is not None:
            left_s = max(0, registration.expires_ms - now_ms) // 1000
        return {
            "uplink": uplink.name,
            "state": "registered" if registration.bound else registration.state,
            "who": ipv4.address_text(self._role.router.home_address),
            "lifetime_left_s": left_s,
        }

    def _registrations(self, now_ms):
        return self._uplinks(now_ms) + self._role.refusals.rows(now_ms)

    def _associations(self, now_ms):
        peer = ipv4.address_text(self._role.router.home_agent)
        found = self._role.requests.associations.values()
        return [association_row(peer, association.section) for association in found]

    def _violations(self, now_ms):
        return self._role.refusals.violation_rows(now_ms)

    def _agents(self, now_ms):
        return [peer_row(self._role.router.home_agent, "home agent", None)]


WHOLE = {
    "registrations": RouterTables._registrations,
    "associations": RouterTables._associations,
    "violations": RouterTables._violations,
    "agents": RouterTables._agents,
}
