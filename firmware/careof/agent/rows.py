"""Rows of tables that agents and routers show alike (status.mib, `careof agents`)."""

from ..wire import ipv4


def association_row(peer, section):
    """A section of the configuration as a row of mipSecAssocTable; a key is never among it."""
    return {"peer": peer, "spi": section.spi, "algorithm": section.algorithm, "replay": section.replay}


def peer_row(address, what, section):
    """A configured agent as a row of `careof agents`."""
    return {
        "agent": ipv4.address_text(address),
        "what": what,
        "how": "configured",
        "association": section.name if section is not None else None,
    }


def link_row(row, what):
    """An advertised link as a row of `careof agents`."""
    return {
        "agent": row["address"],
        "what": what,
        "how": "advertised here" if row["advertises"] else "not advertised: no address or no care-of address",
        "device": row["device"],
        "care_of": row["care_of"],
        "sequence": row["sequence"],
        "lifetime_s": row["lifetime_max_s"],
        "flags": row["flags"],
    }
