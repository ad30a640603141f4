"""What status shows of a mobile router: plain JSON values, made when somebody asks."""

from ..proto.kinds import NAMES
from ..wire import ipv4


def snapshot(role, now_ms):
    """One router; `careof status` prints the list as a table, its columns in this order."""
    router, carrying = role.router, role.moves.carrying
    address, port = router.contact
    return {
        "name": role.name,
        "home_address": ipv4.address_text(router.home_address),
        "home_agent": ipv4.address_text(router.home_agent),
        "contact": "%s:%d" % (ipv4.address_text(address), port),
        "state": role.moves.state(),
        "carrying": carrying.name if carrying else None,
        "chosen": role.moves.chosen.name if role.moves.chosen else None,
        "uplinks": [_uplink(uplink, role, now_ms) for uplink in role.uplinks],
        "last_refusal": role.refusals.last_row(now_ms),
    }


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
