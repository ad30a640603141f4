"""A mobile router as an interface: a line whenever it changed, for usr/libexec/careof/interface of packaging.

    up ADDRESS UPLINK DEVICE [DNS ...]       a path carries
    down WHY IN WORDS                        and why none does

    python -m careof.status.interface [ROUTER]

It asks careofd when a registration changed, and every few seconds; without a careofd it goes on asking.
"""

import sys
import time

from .connection import RUN, Connection, Refused
from .tables import why

ASK_EACH_MS = 5000  # a path that died changes no registration
CONNECT_EACH_S = 1
CARRIED = ("connected", "moving")


def line_of(status, name):
    """What is to be said of the router of that name, or of the only one if it is ""."""
    routers = [role for role in status["roles"] if role["name"].startswith("mobile_router-")]
    if name:
        routers = [role for role in routers if role["name"] == "mobile_router-" + name]
    if len(routers) != 1:
        known = "no mobile_router '%s'" % name if name else "%d mobile routers: option router says which"
        return "down " + (known if name else known % len(routers))
    router = routers[0]
    carrying = [row for row in router["uplinks"] if row["carries"]]
    if carrying and router["state"] in CARRIED and router["home_address"]:
        servers = (router.get("host") or {}).get("dns_servers") or ()
        words = [router["home_address"], carrying[0]["uplink"], carrying[0]["device"]]
        return " ".join(["up"] + words + list(servers))
    return "down " + _why_not(status, router)


def _why_not(status, router):
    """The reason that a person should look at first."""
    if status["tunneld"] != "up":
        return "careof-tunneld is %s" % status["tunneld"]
    usable = [row for row in router["uplinks"] if row["carrier"] and (row["address"] or row["agent"])]
    if not usable:
        names = ", ".join([row["uplink"] for row in router["uplinks"]])
        return "no uplink has carrier and an address: %s" % names
    refusals = router.get("last_refusal") or ()
    if refusals:
        return "refused by %s: %s" % (refusals[0]["source"], why(refusals[0]))
    asked = ", ".join([row["uplink"] for row in usable])
    return "%s: the home agent %s has not answered by %s" % (router["state"], router["home_agent"], asked)


class Teller:
    """Says what is new."""

    def __init__(self, name, say):
        self._name, self._say = name, say
        self._said = None

    def tell(self, line):
        line = "".join([c if c >= " " else "?" for c in line])
        if line != self._said:
            self._said = line
            self._say(line)

    def watch(self, connection):
        """Until careofd is gone: raises OSError."""
        connection.follow("registrations")
        while True:
            self.tell(line_of(connection.ask("status"), self._name))
            connection.wait_change(ASK_EACH_MS)


def say(line):
    sys.stdout.write(line + "\n")
    if hasattr(sys.stdout, "flush"):
        sys.stdout.flush()


def main(argv, run_path=RUN):
    teller = Teller(argv[0] if argv else "", say)
    while True:
        try:
            teller.watch(Connection(run_path, None))
        except (OSError, Refused) as e:
            teller.tell("down careofd does not answer: %s" % e)
            time.sleep(CONNECT_EACH_S)


if __name__ == "__main__":
    main(sys.argv[1:])
