"""What a mobile router keeps over a restart of careofd, so that nothing that forwards is touched by it.

One value: for whom it is (home address, home agent, contact and name as they are configured: bindings with
another one mean nothing), what was learnt of them, each association's identification source, and each
uplink's number with its binding. Expiries are kept by the wall clock, the only one that survives. After the
restart the same objects are held under the same numbers, the route is said again, and a probe shows whether
it is all still true. An older careofd's value lacks what that did not know of.
"""

from ...proto.discovery import restored
from ...proto.liveness import Liveness
from ...wire import ipv4
from ..events import Count, Log, Save
from .identity import kept_for


class RouterState:
    """Writes and reads the value. `role` is the MobileRouter."""

    def __init__(self, role):
        self._role = role
        self._name = role.name + ".state"
        self._restored = None
        self._touched = False

    def touched(self):
        """Something of it changed."""
        self._touched = True

    def restored(self, event):
        if event.name == self._name:
            self._restored = event.value

    def save(self, now_ms):
        """Save it, if it changed."""
        if not self._touched:
            return []
        self._touched = False
        return [Save(self._name, self._value(now_ms))]

    def _identity(self):
        home_address, home_agent, contact, nai = kept_for(self._role.router.configured)
        ends = (home_address, home_agent, contact and contact[0])
        texts = [None if end is None else ipv4.address_text(end) for end in ends]
        return texts + [contact and contact[1], nai]

    def _value(self, now_ms):
        role = self._role
        sources = []
        for name, association in sorted(role.requests.associations.items()):
            turn, replay = association.turn, association.section.replay
            sources.append([name, turn.spi, replay, turn.source.saved(role.unix_offset_ms)])
        return {
            "for": self._identity(),
            "learnt": role.router.saved(),
            "sources": sources,
            "uplinks": [[u.name, u.device, u.number, self._binding(u)] for u in role.uplinks],
            "carrying": role.moves.carrying.name if role.moves.carrying else None,
        }

    def _binding(self, uplink):
        registration = uplink.registration
        if not registration.bound:
            return None
        expires_ms, agent = registration.expires_ms, uplink.agent
        return {
            "address": None if uplink.address is None else uplink.address.hex(),
            "agent": None if agent is None else agent.saved(),
            "prefix_length": uplink.prefix_length,
            "gateway": uplink.gateway.hex() if uplink.gateway else None,
            "lifetime_s": registration.lifetime_s,
            "revocable": registration.revocable,
            "expires_unix_ms": None if expires_ms is None else expires_ms + self._role.unix_offset_ms,
            "udp": uplink.udp,
            "plain": registration.encapsulation.plain,
            "keepalive_s": uplink.keepalive_s,
            "round_trip_ms": uplink.round_trip.smoothed_ms,
            "live": uplink.live,
        }

    # -- After a restart

    def restore(self, now_ms):
        """Take over what was kept; log lines."""
        value, self._restored = self._restored, None
        if value is None:
            return []
        try:
            identity = self._identity()
            if (
                value["for"] + [None] * (len(identity) - len(value["for"])) != identity
            ):  # older: without a name
                return [Log("notice", "state", "kept for another home agent: not used")]
            if "learnt" in value:
                self._role.router.restore(value["learnt"])
            for uplink in self._role.uplinks:
                self._role.requests.new_terms(uplink)
            self._restore_sources(value["sources"])
            self._restore_uplinks(value["uplinks"], value["carrying"], now_ms)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as e:
            return [Count("state_unreadable"), Log("warning", "state", "cannot be read: %s" % e)]
        return []

    def _restore_sources(self, rows):
        for name, spi, replay, saved in rows:
            association = self._role.requests.associations.get(name)
            if association is not None and (spi, replay) == (
                association.turn.spi,
                association.section.replay,
            ):
                association.turn.source.restore(saved, self._role.unix_offset_ms)

    def _restore_uplinks(self, rows, carrying, now_ms):
        role = self._role
        known = {(name, device): (number, binding) for name, device, number, binding in rows}
        kept = [uplink for uplink in role.uplinks if (uplink.name, uplink.device) in known]
        for uplink in kept:
            uplink.number = known[uplink.name, uplink.device][0]
        role.renumber([uplink for uplink in role.uplinks if uplink not in kept])
        for uplink in kept:
            binding = known[uplink.name, uplink.device][1]
            if binding is not None:
                self._restore_binding(uplink, binding, now_ms)
                if uplink.name == carrying and uplink.registration.bound:
                    role.moves.came_back(uplink)

    def _restore_binding(self, uplink, binding, now_ms):
        expires_ms, lifetime_s = None, binding["lifetime_s"]
        if binding["expires_unix_ms"] is not None:
            # A wall clock that was set back in between must not prolong anything.
            left_ms = binding["expires_unix_ms"] - self._role.unix_offset_ms - now_ms
            if left_ms <= 0:
                return
            expires_ms = now_ms + min(left_ms, lifetime_s * 1000)
        if binding.get("agent") is not None:
            if uplink.discovery is None:
                return
            agent = restored(binding["agent"], now_ms)
            uplink.discovery.was_at(agent)
            uplink.agent = agent
        uplink.registration.attached(uplink.agent is not None, *uplink.offered())
        uplink.registration.encapsulation.plain = binding.get("plain", False)
        uplink.carrier = True
        uplink.address = bytes.fromhex(binding["address"]) if binding["address"] else None
        uplink.prefix_length = binding["prefix_length"]
        uplink.gateway = bytes.fromhex(binding["gateway"]) if binding["gateway"] else None
        uplink.registration.bound_before(uplink.asks()[1], lifetime_s, expires_ms, now_ms)
        uplink.registration.revocable = binding.get("revocable")
        if binding["round_trip_ms"] is not None:
            uplink.round_trip.measured(binding["round_trip_ms"])
        uplink.udp, uplink.keepalive_s = binding["udp"], binding["keepalive_s"]
        uplink.keepalive_ms = now_ms if uplink.udp else None
        uplink.prove_ms = now_ms
        uplink.live = binding["live"]
        uplink.liveness = Liveness(uplink.round_trip, now_ms)
