"""A new configuration for a mobile router that runs: only what changed is touched.

An uplink that stays keeps its binding and its path, whatever happens to the others. One whose device or
association is another now starts from nothing, and so does every one if the home address, the home agent
or the contact changed: then the bindings are not ours any more.
"""

from ..events import Log
from .identity import CONFIGURED, kept_for
from .learning import publish

CHANGED = "configuration changed"


def reconfigure(role, options, now_ms):
    """Make `role` be what `options` say; the actions that it takes."""
    before = role.options
    if options == before:
        return []
    was, router = before.router, options.router
    role.take_options(options)
    another = kept_for(was) != kept_for(router)
    actions = [Log("notice", "configuration", "%s: taken over" % role.name)]
    actions += _uplinks(role, options, another, now_ms)
    actions += role.paths.ground(role.uplinks)
    for uplink in role.uplinks:
        if role.paths.holds_path(uplink):
            actions += role.paths.path_is_wanted(uplink)
    carrying = role.moves.carrying
    networks = (was.mobile_network, was.network_mode) != (router.mobile_network, router.network_mode)
    if another or networks:
        paths = role.paths
        actions += paths.carry_by_none() if carrying is None else paths.carry_by(carrying, now_ms)
    asks_otherwise = networks and router.network_mode != CONFIGURED
    if carrying is not None and (asks_otherwise or _asked_for(was) != _asked_for(router)):
        actions += role.ask_to_bind(carrying, False, False, now_ms)
    return actions + publish(role)


def _asked_for(router):
    return router.lifetime_s, router.encapsulation, router.host_configuration


def _uplinks(role, options, another, now_ms):
    """The uplinks that are configured now, in their order; those that stay are the same objects."""
    actions, stay = [], {}
    wanted = {section.name: section for section in options.uplinks}
    for uplink in list(role.uplinks):
        section = wanted.get(uplink.name)
        same = section is not None and section.device == uplink.device and not another
        if same and role.requests.still_has(uplink, section, options.associations):
            uplink.preference, uplink.hysteresis_ms = section.preference, section.hysteresis_s * 1000
            role.requests.new_terms(uplink)
            stay[uplink.name] = uplink
        else:
            actions += role.remove_uplink(uplink, CHANGED, now_ms)
    fresh = [role.add_uplink(section) for section in options.uplinks if section.name not in stay]
    for uplink in fresh:
        actions += role.look_at_link(uplink, now_ms)
    role.uplinks.sort(key=lambda uplink: [section.name for section in options.uplinks].index(uplink.name))
    return actions
