"""What comes of a mobile router's requests: granted, refused, not answered; or a lifetime that is over."""

from ...limits import REDIRECT_TRIES
from ...proto import liveness, registration
from ...proto.kinds import NAMES
from ...proto.registration import LEAVE, PROVE, RETURN
from ...wire import ipv4, mip_codes
from ..events import REFUSED, Changed, Log
from ..reasons import why_code
from .identity import REDIRECTED
from .learning import turn_back

LIFETIME_OVER = "lifetime over"
NOT_HONOURED = "not honoured by the foreign agent"


def _granted(role, uplink, result, now_ms):
    uplink.replied_ms = now_ms
    if result.kind == LEAVE:
        return role.said_goodbye(now_ms)
    if result.kind == RETURN:
        text = "%s: what the foreign agent does not honour was given back" % uplink.name
        return [Log("notice", "registration", text)] + role.moves.lost(uplink, NOT_HONOURED)
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
        actions += role.paths.carry_by(uplink, now_ms) + role.visiting.moved_to(uplink)
    if uplink.asks_again:
        uplink.asks_again = False
        actions += role.ask_to_bind(uplink, uplink.registration.ask.simultaneous, False, now_ms)
    if not renewed or uplink.unheard or uplink.liveness.state != liveness.QUIET:
        uplink.unheard = False
        actions += role.watch.ask(uplink, now_ms)
    text = _how(uplink, renewed, result)
    if uplink.message is not None:
        text += '; it says "%s"' % uplink.message
    return actions + [Log("info", "registration", text), Changed("registrations", uplink.name)]


def _how(uplink, renewed, result):
    if uplink.at_home():
        return "%s: at home, without a binding" % uplink.name
    how = NAMES[uplink.registration.encapsulation.kind(uplink.udp)]
    if uplink.visits():
        how = "by agent %s" % ipv4.address_text(uplink.agent.address)
    what = "renewed" if renewed else "bound"
    return "%s: %s for %d s, %s" % (uplink.name, what, result.lifetime_s, how)


def _refused(role, uplink, result, now_ms):
    if result.kind == RETURN:
        text = "%s: to give it back was refused: %s" % (uplink.name, why_code(result.code))
        return [Log("notice", "registration", text)]
    uplink.refusal, uplink.replied_ms = (result.code, mip_codes.describe_code(result.code)), now_ms
    told = _note(role, uplink, result.code, now_ms)
    if result.kind == LEAVE:
        return role.said_goodbye(now_ms) if result.again_ms is None else []
    level = "debug" if result.code == 133 else "warning"
    text = "%s: refused: %s" % (uplink.name, why_code(result.code))
    if uplink.message is not None:
        text += '; it says "%s"' % uplink.message
    actions = told + [Log(level, "registration", text)]
    if result.code == REDIRECTED:
        actions += turn_back(role, False, now_ms)
    if result.code == 140 and result.kind == PROVE:
        uplink.answered(now_ms)  # it knows no proof, but to say so is one
    if result.code != 133:
        actions += role.moves.refused(uplink, now_ms)
    return actions


def _note(role, uplink, code, now_ms):
    source = role.router.contact[0] if uplink.agent is None else uplink.agent.address
    role.refusals.note(now_ms, "reply_%d" % code, uplink.name, source, code, 0, 0, uplink.message)
    return [REFUSED, Changed("registrations", uplink.name)]


def _unanswered(role, uplink, result, now_ms):
    if result.kind == LEAVE:
        return role.said_goodbye(now_ms) if result.gave_up else []
    actions = [Log("debug", "registration", "%s: %d without an answer" % (uplink.name, result.tries))]
    if result.kind == RETURN:
        return actions
    uplink.unheard = False
    if result.gave_up:
        uplink.failed(now_ms)
        actions.append(Changed("registrations", uplink.name))
    if result.tries >= REDIRECT_TRIES:
        actions += turn_back(role, True, now_ms)
    if result.tries > 1:
        actions += role.moves.refused(uplink, now_ms)
    actions += role.watch.ask(uplink, now_ms)
    return actions + role.visiting.unanswered(uplink, result.tries, now_ms)


def _lapsed(role, uplink, result, now_ms):
    text = "%s: the binding's lifetime is over" % uplink.name
    actions = [Log("warning", "registration", text), Changed("registrations", uplink.name)]
    return actions + role.moves.lost(uplink, LIFETIME_OVER)


OUTCOMES = {
    registration.Granted: _granted,
    registration.Refused: _refused,
    registration.Unanswered: _unanswered,
    registration.Lapsed: _lapsed,
}
