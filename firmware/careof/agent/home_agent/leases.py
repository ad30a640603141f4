"""Home addresses that a home agent hands out of its pool (RFC 2794 2, RFC 4433 5.3, RFC 5944 3.7).

    a request names no home address    the node's lease; else the one that its name hashes to, or a later one
    it names one                       that one, if it is its lease, or free: a node knows what it had before
    all are leased                     the one whose node has been without a binding for the longest

A lease lasts as long as there is a binding, and after that as long as nobody needs it: so a node finds its
address again. Leases are saved with the node (home_agent.state).
"""

from collections import OrderedDict

from ...limits import POOL_SEARCHES_MAX
from ...proto.pool import Pool
from ..events import Count


class Leases:
    """Of one home agent, `agent`: its nodes and paths."""

    def __init__(self, agent):
        self._agent = agent
        self._idle = OrderedDict()  # node's NAI -> node: leases without a binding, the longest first
        self.configure(agent.agent.address_pool)

    def configure(self, prefixes):
        """Other prefixes, or other nodes. Returns the nodes whose lease is none any more."""
        self.pool = Pool(prefixes)
        nodes, self.count, lost = self._agent.nodes, 0, []
        for node in nodes.leasing():
            if node.home_address is not None:
                if self._may_be_leased(node.home_address) and nodes.find(node.home_address) is node:
                    self.count += 1
                else:
                    lost.append(node)
        known = set([node.nai for node in nodes.leasing() if node not in lost])
        for nai in [nai for nai in self._idle if nai not in known]:
            del self._idle[nai]
        return lost

    def give(self, node, wanted, now_ms):
        """Let a node have a home address: (whether it has one that answers the wish, actions).

        wanted: the address that its request names, 0.0.0.0 for any.
        """
        any_will_do = wanted == bytes(4)
        if node.home_address is not None and (any_will_do or wanted == node.home_address):
            return True, []
        if not node.leases or (node.bindings and not any_will_do):
            return False, []
        actions = []
        if any_will_do:
            address = self._find_free(node)
            if address is None:
                address, actions = self._reclaim(now_ms)
        else:
            free = self._may_be_leased(wanted) and self._agent.nodes.find(wanted) is None
            address = wanted if free else None
        if address is None:
            return False, []
        actions += self._end(node, now_ms)
        self._agent.nodes.readdress(node, address)
        self.count += 1
        return True, actions

    def restored(self, node, address):
        """The node had this one before a restart. Has it still?"""
        if not self._may_be_leased(address) or self._agent.nodes.find(address) is not None:
            return False
        self._agent.nodes.readdress(node, address)
        self.count += 1
        self.touched(node)
        return True

    def touched(self, node):
        """Its bindings may be others now."""
        if not node.leases or node.home_address is None:
            return
        if node.bindings:
            self._idle.pop(node.nai, None)
        elif node.nai not in self._idle:
            self._idle[node.nai] = node

    def _may_be_leased(self, address):
        return self.pool.has(address) and address not in self._agent.own_addresses()

    def _find_free(self, node):
        if self.count >= self.pool.size:
            return None
        for address in self.pool.search(node.nai, POOL_SEARCHES_MAX):
            if self._agent.nodes.find(address) is None and self._may_be_leased(address):
                return address
        return None

    def _reclaim(self, now_ms):
        """The lease that was idle for the longest: (its address or None, actions)."""
        if not self._idle:
            return None, []
        node = self._idle[next(iter(self._idle))]
        address = node.home_address
        return address, self._end(node, now_ms) + [Count("lease_reclaimed")]

    def _end(self, node, now_ms):
        """A lease ends, of a node without bindings: nothing of it stays."""
        if node.home_address is None:
            return []
        actions = self._agent.paths.forget(node)
        self._agent.nodes.readdress(node, None)
        self._idle.pop(node.nai, None)
        self.count -= 1
        self._agent.touched(node, now_ms)
        return actions
