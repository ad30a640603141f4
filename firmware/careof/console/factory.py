"""`factory-reset`: careof's configuration as its package brought it, and no state. The rest of the machine
stays as it is (OpenWrt's `firstboot` is for that).

careof is stopped before its state goes, since careof-keyd would write it again, and started after.
"""

from ..system import safe_file, trial
from . import machine
from .candidate import Refused

BROUGHT = ("/rom/etc/config/careof", "/usr/share/careof/config")
EMPTY = "# /etc/config/careof\n\nconfig globals 'globals'\n"
STATE = (
    "/etc/careof/keyd/state",
    "/etc/careof/keyd/keys",
    "/etc/careof/keys",
    "/var/lib/careof/state",  # as systemd's units have it
    "/var/lib/careof/keys",
)


def reset(session):
    def answered(text):
        session.back_to_commands()
        if text != "yes":
            session.say(["nothing is changed"])
            return
        try:
            session.say(_reset(session))
        except (OSError, Refused) as e:
            session.say(["not done: %s" % e])

    session.question("careof's configuration, keys and state are deleted: yes? ", answered)
    return ()


def _reset(session):
    place = session.place
    stop, start = machine.stop_and_start()
    if stop is not None:
        session.run_quietly(stop)
    text = EMPTY
    for path in BROUGHT:
        if safe_file.exists(path):
            text = safe_file.read(path).decode()
            break
    safe_file.replace(place.config_path, text.encode())
    for path in STATE + (place.previous_path, trial.marker(place.config_path)):
        safe_file.remove(path)
    session.candidate.load()
    if start is None:
        return ["done; careofd and careof-keyd have to be restarted by whoever supervises them"]
    if session.run_quietly(start):
        return ["done; but `%s` failed" % start]
    return ["done, and careof is started with it"]
