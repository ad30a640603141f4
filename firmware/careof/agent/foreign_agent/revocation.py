"""Revocation at a foreign agent (RFC 3543 4.2.2.2, 4.2.3.1): what home agents revoke here, and what we do.

Both ends must have said at registration that they support it, under the foreign-home authentication.
Whether the mobile node is told, by an advertisement to it alone with sequence number 0 (4.1), the home
agent decides by the I bit if that was agreed on; else it is told.
"""

from ...crypt import ALGORITHMS
from ...limits import MIP_PORT
from ...proto.hosting import quoted
from ...proto.revocation import Binding, Revoked, Revoking, acknowledge, after
from ...wire import ipv4, mip, mip_extensions
from ...wire.mip_extensions import MESSAGE_FROM_HOME_AGENT
from ..events import REFUSED, Answer, Contents, Count, Log, Send
from ..reasons import why

FALSE = "revocation_false_authenticator"


class Revocations:
    """Of one foreign agent, `agent`."""

    def __init__(self, agent):
        self._agent = agent
        self._revoking = Revoking(0, agent.stamps)
        self._revoked = Revoked()
        # home address -> (advertiser, link-layer address) of those we revoked: to tell or not
        self._told = {}

    def deadline(self):
        return self._revoking.deadline()

    # -- From a home agent

    def arrived(self, received, event, now_ms):
        return self._when_genuine(received, event, self._revoked_by_peer, now_ms)

    def acknowledged(self, received, event, now_ms):
        if self._revoking.awaits(received.message, event.source) is None:
            return [Count("acknowledgment_not_awaited")]
        return self._when_genuine(received, event, self._taken_note, now_ms)

    def _when_genuine(self, received, event, act, now_ms):
        association = self._agent.peers.of(event.source).association
        proof = received.agent_authentication
        if association is None or type(proof) is not mip_extensions.ForeignHomeAuthentication:
            return self._refused("revocation_not_authenticated", received.message, event, now_ms)  # 3.3
        if proof.spi != association.spi:
            return self._refused("revocation_not_authenticated", received.message, event, now_ms)

        def then(genuine, now_ms):
            if genuine:
                return act(received.message, event, now_ms)
            return self._refused(FALSE, received.message, event, now_ms, proof.spi)

        signed = received.agent_protected
        return self._agent.questions.verify(association.name, signed, proof.authenticator, then, now_ms)

    def _refused(self, name, message, event, now_ms, spi=0):
        """Without a word, but noted."""
        source, home = ipv4.address_text(event.source), ipv4.address_text(message.home_address)
        self._agent.refusals.note(now_ms, name, home, event.source, None, spi, message.identifier)
        level, tag = ("warning", "security") if name == FALSE else ("info", "revocation")
        text = "revocation of %s by %s: %s" % (home, source, why(name))
        return [Count(name), Log(level, tag, text), Contents(name, event.data), REFUSED]

    def _revoked_by_peer(self, revocation, event, now_ms):
        agent = self._agent
        visitor = agent.visitors.find(revocation.home_address)
        if not revocation.flags & mip.REVOKED_BY_HOME_AGENT:
            return self._refused("revocation_reflected", revocation, event, now_ms)  # 3.5
        if visitor is None or not self._names(revocation, visitor):
            if self._revoked.has(revocation, now_ms):
                return self._acknowledge(revocation, event, False, now_ms)
            return self._refused("revocation_of_nobody", revocation, event, now_ms)
        if visitor.revocable is None or not after(revocation.identifier, visitor.revocable.timestamp):
            return self._refused("revocation_stale", revocation, event, now_ms)
        inform = bool(revocation.flags & mip.REVOCATION_INFORM) or not visitor.revocable.inform
        self._revoked.add(revocation, now_ms)
        reason = "revoked by its home agent" + quoted(revocation.extensions, MESSAGE_FROM_HOME_AGENT)
        actions = agent.forget(visitor, reason, now_ms)
        if inform:
            actions += visitor.advertiser.revoked(visitor.link_address, visitor.home_address)
        return [Count("revocation_taken")] + actions + self._acknowledge(revocation, event, inform, now_ms)

    def _names(self, revocation, visitor):
        return (
            visitor.home_agent == revocation.home_domain
            and visitor.care_of == revocation.foreign_domain
            and not visitor.co_located
        )

    def _acknowledge(self, revocation, event, inform, now_ms):
        message = acknowledge(revocation, inform)
        return self._send(message, event.source, event.source_port, now_ms)

    def _send(self, message, peer, port, now_ms):
        agent, association = self._agent, self._agent.peers.of(peer).association
        size = ALGORITHMS[association.algorithm].authenticator_size
        data = mip.pack_to_sign(message, association.spi, size, mip_extensions.FOREIGN_HOME)

        def then(authenticator, now_ms):
            return [Send(agent.uplink, peer, port, data + authenticator)]

        return agent.questions.sign(association.name, data, then, now_ms)

    # -- By us

    def registered(self, visitor):
        """It is a visitor (again)."""
        self._revoking.registered(visitor.home_address, visitor.care_of)
        self._told.pop(visitor.home_address, None)

    def commanded(self, event, now_ms):
        """`careof revoke NODE`, by home address or NAI: the visitor goes, and its home agent hears of it."""
        visitors = self._agent.visitors
        try:
            visitor = visitors.named(event.arguments[0].encode())
            if visitor is None:
                visitor = visitors.find(ipv4.parse_address(event.arguments[0]))
        except (ValueError, IndexError, AttributeError):
            return [Answer("revoke", {"error": "revoke: expected a home address or the NAI of a visitor"})]
        if visitor is None:
            return [Answer("revoke", {"error": "revoke: %s is no visitor here" % event.arguments[0]})]
        return [Answer("revoke", visitor.text() + " revoked")] + self.revoke(visitor, now_ms)

    def revoke(self, visitor, now_ms):
        """End a visit (4.2.3.1). I: the home agent says in its acknowledgment whether the node is told."""
        agent, told = self._agent, False
        if visitor.revocable is not None:
            asks = visitor.revocable.inform
            binding = Binding(visitor.home_address, visitor.home_agent, visitor.care_of, visitor.expires_ms)
            told = self._revoking.begin(binding, asks, visitor.home_agent, MIP_PORT, True, now_ms)
            if told and asks:
                self._told[visitor.home_address] = (visitor.advertiser, visitor.link_address)
        actions = agent.forget(visitor, "revoked here", now_ms)
        if visitor.home_address not in self._told:
            actions += visitor.advertiser.revoked(visitor.link_address, visitor.home_address)
        return actions + self.due(now_ms)

    def not_honoured(self, pending, reply, now_ms):
        """End a binding that a home agent made and no visitor here has; its node is told by the reply."""
        expires_ms = now_ms + reply.lifetime_s * 1000
        care_of = pending.asked.received.message.care_of_address
        binding = Binding(reply.home_address, reply.home_agent, care_of, expires_ms)
        self._revoking.begin(binding, False, pending.verdict.home_agent, MIP_PORT, True, now_ms)
        return self.due(now_ms)

    def _taken_note(self, acknowledgment, event, now_ms):
        binding = self._revoking.acknowledged(acknowledgment, event.source)
        if binding is None:
            return []
        advertiser, link_address = self._told.pop(binding.home_address, (None, None))
        actions = [Count("revocation_acknowledged")]
        if advertiser is not None and acknowledgment.flags & mip.ACKNOWLEDGMENT_INFORM:
            actions += advertiser.revoked(link_address, binding.home_address)
        return actions

    def due(self, now_ms):
        """What is to be sent (again) now."""
        actions = []
        unix_ms = now_ms + self._agent.unix_offset_ms
        for message, peer, port, _ in self._revoking.due(now_ms, unix_ms):
            if self._agent.peers.of(peer) is not None:
                actions += [Count("revocation_sent")] + self._send(message, peer, port, now_ms)
        for home_address in list(self._told):
            if not self._revoking.tells(home_address):  # given up: nobody said that it should not be told
                advertiser, link_address = self._told.pop(home_address)
                actions += advertiser.revoked(link_address, home_address)
        return actions
