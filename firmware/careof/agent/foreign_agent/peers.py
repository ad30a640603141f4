"""Whom a foreign agent shares a security association with: home agents, and mobile nodes (RFC 5944 3.7.1).

Only home agents that are configured are served. With any other, whoever sits on the LAN could bring a home
agent of his own that says yes to any home address, and the packets of all the router to that address would
be his.
"""

from collections import namedtuple

from ...wire import ipv4

Peer = namedtuple("Peer", "address association")  # association: a section, or None


class Peers:
    def __init__(self, options):
        """options: events.ForeignOptions."""
        self._peers = {}
        for section in options.peers:
            association = options.associations[section.association] if section.association else None
            self._peers[section.address] = Peer(section.address, association)
        self._any = Peer(None, None) if options.agent.any_home_agent else None
        self._visitors = {}
        for section in options.visitors:
            association = options.associations[section.association]
            if section.home_address is not None:
                self._visitors[section.home_address] = association
            if section.nai is not None:
                self._visitors[section.nai.encode()] = association
        self._prefixes = options.agent.visitor_prefix

    def of(self, home_agent):
        """The Peer at that address, or None: it is not served."""
        return self._peers.get(home_agent, self._any)

    def all(self):
        """Those that are configured."""
        return list(self._peers.values())

    def visitor_rows(self):
        """(home address or None, section) of each mobile node that shares an association with us."""
        return [(key if len(key) == 4 else None, section) for key, section in self._visitors.items()]

    def visitor_association(self, home_address, nai):
        """The section that a mobile node shares with us, or None."""
        return self._visitors.get(home_address) or self._visitors.get(nai)

    def may_visit(self, home_address):
        """Is that home address among those that may be routed to the LAN?"""
        if not self._prefixes:
            return True
        return any([ipv4.covers(prefix, home_address) for prefix in self._prefixes])
