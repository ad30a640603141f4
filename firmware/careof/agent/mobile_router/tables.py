"""What a mobile router shows of itself in tables (status.mib, `careof`): registrations, and whom it knows."""

from ...proto.kinds import NAMES
from ...wire import ipv4
from ..reasons import explain
from ..rows import association_row, peer_row


class RouterTables:
    """Of one mobile router, `role`."""

    def __init__(self, role):
        self._role = role

    def facts(self, now_ms):
        role = self._role
        router = role.router
        names = {registration_kind(u) for u in role.uplinks}
        facts = {
            "address": _text(router.home_address),
            "home_address": _text(router.home_address),
            "home_agent": _text(router.home_agent),
            "encapsulations": sorted(names | {"ipip"}) + ([] if router.encapsulation == "ipip" else ["udp"]),
            "state": self._state(),
            "waiting": len(role.questions),
            "violations": role.refusals.violations,
        }
        facts.update(self._last_advertisement(now_ms))
        return facts

    def _last_advertisement(self, now_ms):
        """The one that was heard last, as RFC 2006 wants it; nothing if none was."""
        if self._role.visiting.last_heard is None:
            return {}
        at_ms, source, message = self._role.visiting.last_heard
        return {
            "adv_source": ipv4.address_text(source),
            "adv_sequence": message.agent.sequence,
            "adv_flags": message.agent.flags,
            "adv_max_registration_s": message.agent.lifetime_s,
            "adv_lifetime_s": message.lifetime_s,
            "adv_ago_ms": now_ms - at_ms,
        }

    def _state(self):
        """RFC 2006 mnState."""
        role = self._role
        carrying = role.moves.carrying
        if carrying is not None:
            return "home" if carrying.at_home() else "registered"
        if not any([uplink.usable() for uplink in role.uplinks]):
            return "isolated"
        if any([uplink.registration.outstanding() for uplink in role.uplinks]):
            return "pending"
        return "unknown"

    def rows(self, table, after, now_ms):
        return (WHOLE[table](self, now_ms) if table in WHOLE else []), None

    def rows_about(self, table, key, now_ms):
        if table == "agents":
            return [row for row in self._agents(now_ms) if row.get("uplink") == key]
        if table != "registrations":
            return []
        if key is None:
            return self._role.refusals.last_row(now_ms)
        return [row for row in self._uplinks(now_ms) if row["uplink"] == key]

    # -- Registrations

    def _uplinks(self, now_ms):
        return [self._uplink(uplink, now_ms) for uplink in self._role.uplinks]

    def _uplink(self, uplink, now_ms):
        """One uplink's registration: the last request and its reply, with its why."""
        registration, row = uplink.registration, {}
        if uplink.refusal is not None and uplink.refusal[0] is None:
            row = {"code": None, "name": "-", "means": uplink.refusal[1], "change": ""}
        elif registration.last_code is not None or uplink.refusal is not None:
            row = explain("", registration.last_code if uplink.refusal is None else uplink.refusal[0])
        row["uplink"], row["who"] = uplink.name, self._role.router.text()
        row["state"] = self._state_of(uplink)
        row["message"] = uplink.message
        row["lifetime_left_s"] = None
        if registration.bound and registration.expires_ms is not None:
            row["lifetime_left_s"] = max(0, registration.expires_ms - now_ms) // 1000
        row["ago_ms"] = None if uplink.replied_ms is None else now_ms - uplink.replied_ms
        row.update(self._request(uplink, now_ms) or {})
        return row

    @staticmethod
    def _state_of(uplink):
        registration = uplink.registration
        if uplink.at_home() and registration.bound:
            return "at home"
        if registration.bound:
            return "registered"
        if registration.outstanding():
            return "pending"
        return "refused" if uplink.refusal is not None else "not registered"

    def _request(self, uplink, now_ms):
        """The last request by an uplink, or None."""
        registration = uplink.registration
        request = registration.request
        if request is None:
            return None
        contact = self._role.router.contact or (bytes(4), 0)
        to = contact[0] if uplink.agent is None else uplink.agent.address
        sent_ms = registration.transmitted_ms
        accepted = bool(registration.bound)
        left_s = 0
        if accepted and registration.expires_ms is not None:
            left_s = max(0, registration.expires_ms - now_ms) // 1000
        return {
            "to": ipv4.address_text(to),
            "home_agent": ipv4.address_text(request.home_agent),
            "care_of": ipv4.address_text(request.care_of_address),
            "flags": request.flags,
            "identification": request.identification,
            "lifetime_s": registration.lifetime_s if accepted else request.lifetime_s,
            "remaining_s": left_s,
            "sent_ago_ms": None if sent_ms is None else now_ms - sent_ms,
            "accepted": accepted,
            "co_located": not registration.through_agent,
        }

    def _requests(self, now_ms):
        rows = [self._request(uplink, now_ms) for uplink in self._role.uplinks]
        return [row for row in rows if row is not None]

    def _registrations(self, now_ms):
        return self._uplinks(now_ms) + self._role.refusals.rows(now_ms)

    # -- Associations and agents

    def _associations(self, now_ms):
        role = self._role
        peer = _text(role.router.home_agent)
        rows = [
            association_row(peer, association.section) for association in role.requests.associations.values()
        ]
        name = role.router.agent_association
        if name is not None:  # whichever foreign agent it is
            rows.append(association_row("0.0.0.0", role.options.associations[name]))
        return rows

    def _violations(self, now_ms):
        return self._role.refusals.violation_rows(now_ms)

    def _home_agents(self, now_ms):
        role = self._role
        if role.router.home_agent is None:
            return []
        return [
            {
                "home_agent": ipv4.address_text(role.router.home_agent),
                "current": role.moves.carrying is not None,
            }
        ]

    def _heard(self, now_ms):
        """Agents on the links of all uplinks."""
        rows = []
        for uplink in self._role.uplinks:
            for agent in uplink.discovery.agents if uplink.discovery is not None else ():
                rows.append(self._heard_row(uplink, agent, now_ms))
        return rows

    @staticmethod
    def _heard_row(uplink, agent, now_ms):
        how = "heard, and used" if agent is uplink.agent else "heard"
        if agent.denied_ms is not None:
            how = "heard, and left alone for a while: it refused"
        return {
            "agent": ipv4.address_text(agent.address),
            "what": "home agent" if agent.is_home else "foreign agent" if agent.serves() else "agent",
            "how": how,
            "uplink": uplink.name,
            "device": uplink.device,
            "care_of": [ipv4.address_text(address) for address in agent.care_of],
            "flags": agent.flags,
            "lifetime_s": agent.lifetime_s,
            "sequence": agent.sequence,
            "expires_in_ms": agent.expires_ms - now_ms,
        }

    def _agents(self, now_ms):
        router = self._role.router
        if router.home_agent is None:
            return self._heard(now_ms)
        row = peer_row(router.home_agent, "home agent", None)
        row["how"] = "configured" if router.configured.home_agent == router.home_agent else "learnt"
        return [row] + self._heard(now_ms)


def _text(address):
    """What is not learnt yet is 0.0.0.0, as in a request and in a MIB."""
    return ipv4.address_text(address or bytes(4))


WHOLE = {
    "registrations": RouterTables._registrations,
    "requests": RouterTables._requests,
    "associations": RouterTables._associations,
    "violations": RouterTables._violations,
    "home_agents": RouterTables._home_agents,
    "foreign_agents": RouterTables._heard,
    "agents": RouterTables._agents,
}


def registration_kind(uplink):
    """What an uplink's registration asks for by its flags, by the name of it."""
    return NAMES[uplink.registration.encapsulation.kind(False)]
