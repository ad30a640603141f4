"""What comes of a mobile router's requests: granted, refused, not answered; or a lifetime that is over."""

from ..proto import liveness, registration
from ..proto.kinds import NAMES
from ..proto.registration import LEAVE, PROVE
from ..wire import ipv4, mip_codes
from .events import Log

LIFETIME_OVER = "lifetime over"


def _granted(role, uplink, result, now_ms):
    if result.kind == LEAVE:
        return role.said_goodbye(now_ms)
    uplink.answered(now_ms)
    uplink.refusal = None
    if result.round_trip_ms is not None:
        uplink.round_trip.measured(result.round_trip_ms)
    if result.kind == PROVE:
        uplink.udp = result.udp
        return []
    renewed = uplink.liveness is not None
    uplink.bound_now(result, now_ms)
    actions = role.paths.path_is_wanted(uplink)
    if uplink.at_home():
        actions += role.paths.ground(role.uplinks)
    if not (uplink.registration.ask.simultaneous and result.simultaneous):
        actions += role.moves.has_the_only_binding(uplink, now_ms)
    if uplink is role.moves.carrying:
        actions += role.paths.carry_by(uplink, now_ms)
    if not renewed or uplink.unheard or uplink.liveness.state != liveness.QUIET:
        uplink.unheard = False
        actions += role.watch.ask(uplink, now_ms)
    return actions + [Log("info", "registration", _how(uplink, renewed, result))]


def _how(uplink, renewed, result):
    if uplink.at_home():
        return "%s: at home, without a binding" % uplink.name
    how = NAMES[uplink.registration.encapsulation.kind(uplink.udp)]
    if uplink.visits():
        how = "by agent %s" % ipv4.address_text(uplink.agent.address)
    what = "renewed" if renewed else "bound"
    return "%s: %s for %d s, %s" % (uplink.name, what, result.lifetime_s, how)


def _refused(role, uplink, result, now_ms):
    uplink.refusal = (result.code, mip_codes.describe_code(result.code))
    if result.kind == LEAVE:
        return role.said_goodbye(now_ms) if result.again_ms is None else []
    level = "debug" if result.code == 133 else "warning"
    actions = [Log(level, "registration", "%s: refused: %s" % (uplink.name, uplink.refusal[1]))]
    if result.code == 140 and result.kind == PROVE:
        uplink.answered(now_ms)  # it knows no proof, but to say so is one
    if result.code != 133:
        actions += role.moves.refused(uplink, now_ms)
    return actions


def _unanswered(role, uplink, result, now_ms):
    if result.kind == LEAVE:
        return role.said_goodbye(now_ms) if result.gave_up else []
    actions = [Log("debug", "registration", "%s: %d without an answer" % (uplink.name, result.tries))]
    uplink.unheard = False
    if result.gave_up:
        uplink.failed(now_ms)
    if result.tries > 1:
        actions += role.moves.refused(uplink, now_ms)
    actions += role.watch.ask(uplink, now_ms)
    return actions + role.visiting.unanswered(uplink, result.tries, now_ms)


def _lapsed(role, uplink, result, now_ms):
    text = "%s: the binding's lifetime is over" % uplink.name
    return [Log("warning", "registration", text)] + role.moves.lost(uplink, LIFETIME_OVER)


OUTCOMES = {
    registration.Granted: _granted,
    registration.Refused: _refused,
    registration.Unanswered: _unanswered,
    registration.Lapsed: _lapsed,
}
