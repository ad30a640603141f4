"""Name servers that a router learnt, in a file of the run folder that resolvers read (resolv.conf(5)).

For dnsmasq: `option resolvfile '/var/run/careof/resolv-NAME.conf'`. Replaced as a whole, and gone when there
are none.
"""

import os

from ..wire import ipv4

TEMPORARY = ".new"


def path_of(run_path, name):
    return "%s/resolv-%s.conf" % (run_path, name)


def text_of(servers, suffix):
    """servers: addresses; suffix: a domain, or None."""
    lines = ["nameserver " + ipv4.address_text(server) for server in servers]
    if suffix is not None:
        lines.append("search " + suffix)
    return "".join([line + "\n" for line in lines])


def write(run_path, name, servers, suffix):
    """Write or remove the file of one router. Raises OSError."""
    path = path_of(run_path, name)
    if not servers:
        try:
            os.remove(path)
        except OSError as e:
            if e.errno != 2:  # ENOENT
                raise
        return
    with open(path + TEMPORARY, "w") as file:
        file.write(text_of(servers, suffix))
    os.rename(path + TEMPORARY, path)
