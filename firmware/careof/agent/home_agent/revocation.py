"""Revocation at a home agent (RFC 3543 4.2.2.1, 4.2.3.2): what foreign agents revoke here, and what we do.

We tell the other end of a binding when it ends without that end's doing: an administrator removed it, or
the node moved and asked for no simultaneous bindings. The other end is the foreign agent, under the
association that we share, or a co-located node, under its own. I, where it was agreed on, asks that the
node be told: not if it moved, it knows.
"""

from ...crypt import ALGORITHMS
from ...proto.hosting import quoted
from ...proto.revocation import Binding, Revoked, Revoking, acknowledge, after
from ...wire import ipv4, mip, mip_extensions
from ..events import REFUSED, Answer, Contents, Count, Log, Send
from ..reasons import why
from .words import with_revocation

FALSE = "revocation_false_authenticator"


class Revocations:
    """Of one home agent, `agent`."""

    def __init__(self, agent):
        self._agent = agent
        self._revoking = Revoking(mip.REVOKED_BY_HOME_AGENT, agent.stamps)
        self._revoked = Revoked()

    def deadline(self):
        return self._revoking.deadline()

    # -- By us

    def moved(self, node, binding, now_ms):
        """The node is elsewhere: the foreign agent that it left hears of it; without one, it knows."""
        by_agent = binding.revocable is not None and binding.revocable.peer is not None
        return self.ended(node, binding, False, now_ms) if by_agent else []

    def ended(self, node, binding, inform, now_ms):
        """A binding is no more, and its other end does not know."""
        revocable = binding.revocable
        if revocable is None:
            return []
        ended = Binding(node.home_address, self._agent.agent.address, binding.care_of, binding.expires_ms)
        owner = (revocable.peer, node.associations.get(binding.spi))
        # To the node itself the bit says nothing, and is set (3.3).
        words = with_revocation(self._agent.agent, node) if inform else []
        inform = revocable.peer is None or (inform and revocable.inform)
        self._revoking.begin(ended, inform, revocable.address, revocable.port, owner, now_ms, words)
        return self.due(now_ms)

    def registered(self, node, care_of):
        """A request for this binding was accepted."""
        self._revoking.registered(node.home_address, care_of)

    def commanded(self, event, now_ms):
        """`careof revoke NODE`, by home address or NAI: its bindings end, and their other ends hear of it."""
        try:
            node = self._agent.nodes.named(event.arguments[0].encode())
            if node is None:
                node = self._agent.nodes.find(ipv4.parse_address(event.arguments[0]))
        except (ValueError, IndexError, AttributeError):
            return [Answer("revoke", {"error": "revoke: expected a home address, or the NAI of a node here"})]
        if node is None or not node.bindings:
            return [Answer("revoke", {"error": "revoke: %s has no binding here" % event.arguments[0]})]
        return [Answer("revoke", node.text + " revoked")] + self._agent.revoke(node, now_ms)

    def due(self, now_ms):
        """What is to be sent (again) now."""
        actions, unix_ms = [], now_ms + self._agent.unix_offset_ms
        for message, address, port, owner in self._revoking.due(now_ms, unix_ms):
            actions += [Count("revocation_sent")] + self._send(message, address, port, owner, now_ms)
        return actions

    def _send(self, message, address, port, owner, now_ms):
        """owner: (the peer's section, the node's association): the first that is there signs."""
        agent, (peer, association) = self._agent, owner
        if peer is not None:
            key, size = peer.name, ALGORITHMS[peer.algorithm].authenticator_size
            data = mip.pack_to_sign(message, peer.spi, size, mip_extensions.FOREIGN_HOME)
        elif association is not None:
            key = association.key
            data = mip.pack_to_sign(message, association.spi, association.authenticator_size)
        else:
            return []  # it is not configured any more

        def then(authenticator, now_ms):
            return [Send(agent.uplink, address, port, data + authenticator)]

        return agent.questions.sign(key, data, then, now_ms)

    # -- From the other end

    def acknowledged(self, received, event, now_ms):
        owner = self._revoking.awaits(received.message, event.source)
        if owner is None:
            return [Count("acknowledgment_not_awaited")]

        def act(now_ms):
            if self._revoking.acknowledged(received.message, event.source) is None:
                return []
            return [Count("revocation_acknowledged")]

        return self._when_genuine(received, event, owner, act, now_ms)

    def arrived(self, received, event, now_ms):
        """A foreign agent revokes. A co-located node deregisters instead (4.2)."""
        peer = self._agent.peers.get(event.source)
        if peer is None:
            return self._refused("revocation_not_authenticated", received.message, event, now_ms)

        def act(now_ms):
            return self._believed(received.message, event, peer, now_ms)

        return self._when_genuine(received, event, (peer, None), act, now_ms)

    def _when_genuine(self, received, event, owner, act, now_ms):
        peer, association = owner
        if peer is not None:
            key, spi, kind = peer.name, peer.spi, mip_extensions.ForeignHomeAuthentication
            proof, signed = received.agent_authentication, received.agent_protected
        else:
            key, spi, kind = association.key, association.spi, mip_extensions.MobileHomeAuthentication
            proof, signed = received.authentication, received.protected
        if type(proof) is not kind or proof.spi != spi:
            return self._refused("revocation_not_authenticated", received.message, event, now_ms)  # 3.3
        limited, proven = self._agent.sources.asks(event.source, now_ms)
        if limited is not None:
            return [Count(limited)]

        def then(genuine, now_ms):
            if genuine:
                self._agent.sources.proved(event.source, proven, now_ms)
                return act(now_ms)
            return self._refused(FALSE, received.message, event, now_ms, proof.spi)

        return self._agent.questions.verify(key, signed, proof.authenticator, then, now_ms, proven)

    def _refused(self, name, message, event, now_ms, spi=0):
        """Without a word, but noted."""
        source, home = ipv4.address_text(event.source), ipv4.address_text(message.home_address)
        self._agent.refusals.note(now_ms, name, home, event.source, None, spi, message.identifier)
        level, tag = ("warning", "security") if name == FALSE else ("info", "revocation")
        text = "revocation of %s by %s: %s" % (home, source, why(name))
        return [Count(name), Log(level, tag, text), Contents(name, event.data), REFUSED]

    def _believed(self, revocation, event, peer, now_ms):
        agent = self._agent
        if revocation.flags & mip.REVOKED_BY_HOME_AGENT:
            return self._refused("revocation_reflected", revocation, event, now_ms)  # 3.5
        node = agent.nodes.find(revocation.home_address)
        found = None
        if node is not None and revocation.home_domain == agent.agent.address:
            for binding in node.bindings:
                if binding.care_of == revocation.foreign_domain and binding.revocable is not None:
                    found = binding
        if found is None:
            if self._revoked.has(revocation, now_ms):
                return self._acknowledge(revocation, event, peer, now_ms)
            return self._refused("revocation_of_nobody", revocation, event, now_ms)
        if found.revocable.peer is not peer or not after(revocation.identifier, found.revocable.timestamp):
            return self._refused("revocation_stale", revocation, event, now_ms)
        self._revoked.add(revocation, now_ms)
        source = ipv4.address_text(event.source)
        text = "%s: a binding was revoked by foreign agent %s" % (node.text, source)
        text += quoted(revocation.extensions, mip_extensions.MESSAGE_FROM_FOREIGN_AGENT)
        actions = [Count("revocation_taken"), Log("notice", "revocation", text)]
        actions += agent.drop_binding(node, found, now_ms)
        return actions + self._acknowledge(revocation, event, peer, now_ms)

    def _acknowledge(self, revocation, event, peer, now_ms):
        # I: the node is to be told by whoever revoked; there is no reason here that it should not know.
        message = acknowledge(revocation, True)
        return self._send(message, event.source, event.source_port, (peer, None), now_ms)
