"""What status shows of a mobile router: plain JSON values, made when somebody asks."""

from ...proto.hosting import shown
from ...proto.kinds import NAMES
from ...wire import ipv4
from .identity import CONFIGURED


def snapshot(role, now_ms):
    """One router; `careof status` prints the list as a table, its columns in this order."""
    router, carrying = role.router, role.moves.carrying
    return {
        "name": role.name,
        "nai": router.nai,
        "home_address": _text(router.home_address),
        "home_agent": _text(router.home_agent),
        "contact": None
        if router.contact is None
        else "%s:%d" % (_text(router.contact[0]), router.contact[1]),
        "host": shown(router.host) or None,
        "messages": role.words or None,
        "state": role.moves.state(),
        "carrying": carrying.name if carrying else None,
        "chosen": role.moves.chosen.name if role.moves.chosen else None,
        "networks": _networks(router),
        "uplinks": [_uplink(uplink, role, now_ms) for uplink in role.uplinks],
        "last_refusal": role.refusals.last_row(now_ms),
    }


def _networks(router):
    """Each prefix, and what the home agent says of it: nothing, where both ends are configured alike."""
    configured = router.network_mode == CONFIGURED
    return [
        {
            "network": ipv4.prefix_text(prefix),
            "routed": prefix in router.mobile_network,
            "home_agent": "configured" if configured else router.network_state(prefix),
        }
        for prefix in router.mobile_network + router.closed_networks
    ]


def _text(address):
    return None if address is None else ipv4.address_text(address)


def _uplink(uplink, role, now_ms):
    registration = uplink.registration
    left_s = None
    if registration.bound and registration.expires_ms is not None:
        left_s = max(0, registration.expires_ms - now_ms) // 1000
    round_trip_ms = uplink.round_trip.smoothed_ms
    return {
        "uplink": uplink.name,
        "device": uplink.device,
        "preference": uplink.preference,
        "carrier": uplink.carrier,
        "address": ipv4.address_text(uplink.address) if uplink.address else None,
        "gateway": ipv4.address_text(uplink.gateway) if uplink.gateway else None,
        "carries": uplink is role.moves.carrying,
        "proven": uplink.proven(now_ms),
        "bound": bool(registration.bound),
        "live": bool(uplink.live and not uplink.dead()),
        "agent": ipv4.address_text(uplink.agent.address) if uplink.agent is not None else None,
        "tunnel": _tunnel(uplink),
        "nat": None if registration.terms.udp_forced else uplink.udp,
        "round_trip_ms": None if round_trip_ms is None else int(round_trip_ms),
        "lifetime_left_s": left_s,
        "last_code": registration.last_code,
        "last_refusal": uplink.refusal[1] if uplink.refusal else None,
    }


def _tunnel(uplink):
    if uplink.at_home():
        return "at home"
    if uplink.agent is not None:
        return "encapsulating" if uplink.encapsulating else "direct"
    return None if uplink.udp is None else NAMES[uplink.registration.encapsulation.kind(uplink.udp)]
