"""What a person may ask of a mobile router that runs."""

from ..events import Answer
from .moves import ASKED


def move(role, arguments, now_ms):
    """Carry by this uplink, without loss; stay there until it fails or another one is named."""
    names = [uplink.name for uplink in role.uplinks]
    if len(arguments) != 1 or arguments[0] not in names:
        asked = " ".join([str(argument) for argument in arguments])
        return [_refused("uplink '%s': expected one of %s" % (asked, ", ".join(names)))]
    uplink = role.uplinks[names.index(arguments[0])]
    if not uplink.usable():
        return [_refused("uplink %s: %s" % (uplink.name, "no address" if uplink.carrier else "no carrier"))]
    carrying = role.moves.carrying
    answer = {"role": role.name, "from": carrying.name if carrying else None, "to": uplink.name}
    return role.moves.begin(uplink, ASKED, now_ms) + [Answer("move", answer)]


def stop(role, arguments, now_ms):
    return role.say_goodbye(now_ms)


def _refused(text):
    return Answer("move", {"error": text})


COMMANDS = {"move": move, "stop": stop}
