"""What follows when a mobile router hears what it is: from a reply, or from what was kept over a restart.

    reply --> words for the user --> mobile_router.identity: news? --> terms of every uplink, what tunneld
                                                                      holds, name servers for other programs

It comes before the reply's registration hears of it: so what is granted finds the home address that it is
granted for.
"""

from ...proto import hosting
from ...proto.registration import BIND
from ...wire import mip_codes
from ...wire.mip_extensions import MESSAGE_FROM_HOME_AGENT
from ..events import Count, Log, Resolv


def heard(role, uplink, reply, now_ms):
    """An authenticated reply to a request by that uplink."""
    actions = says(role, "home agent", hosting.said(reply.extensions, MESSAGE_FROM_HOME_AGENT))
    identity, state = role.router, uplink.registration
    forced_before = state.terms.udp_forced
    news = identity.hear(reply, state.ask.kind)
    if not news or role.is_leaving():
        return actions
    actions += [Count("learnt")] + [Log("notice", "learnt", text) for text in news]
    actions += follow(role, now_ms)
    granted = mip_codes.accepts(reply.code) and state.ask.kind == BIND
    uplink.asks_again = granted and state.terms.udp_forced and not forced_before
    return actions


def says(role, who, text):
    """Words for the user (RFC 4917), if they are others than before."""
    if text is None or role.words.get(who) == text:
        return []
    role.words[who] = text
    return [Log("notice", "message", "%s says: %s" % (who, text))]


def turn_back(role, unanswered, now_ms):
    """A refusal, or requests that stay without an answer: were we sent to the wrong home agent?"""
    if not role.router.turns_back(unanswered):
        return []
    text = "the home agent that we were sent to does not serve us: the configured one is asked again"
    return [Count("redirect_failed"), Log("warning", "learnt", text)] + follow(role, now_ms)


def follow(role, now_ms):
    """Make what is asked for and what is held be as it is known now."""
    role.state.touched()
    paths, carrying = role.paths, role.moves.carrying
    for uplink in role.uplinks:
        role.requests.new_terms(uplink)
    actions = paths.ground(role.uplinks)
    for uplink in role.uplinks:
        if uplink.usable():
            actions += paths.uplink_is_usable(uplink)
        if paths.holds_path(uplink):
            actions += paths.path_is_wanted(uplink)
    actions += paths.carry_by_none() if carrying is None else paths.carry_by(carrying, now_ms)
    return actions + publish(role)


def publish(role):
    """Name servers for whoever asks for them on this machine: kept until there are others."""
    host = role.router.host
    return [Resolv(role.router.name, host.dns_servers, host.dns_suffix)]
