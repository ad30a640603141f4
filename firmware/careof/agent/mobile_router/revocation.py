"""Revocation at a mobile router with care-of addresses of its own (RFC 3543 4.2.2.3).

    Revocation --by its uplink, genuine, later than the reply--> acknowledged, the binding is over

What does not fit is silently discarded and counted. The home agent says with the reply that it may revoke,
and until when its identifiers are old (3.5). One that is repeated, since our acknowledgment was lost, is
acknowledged again. What follows is what follows any lost binding: the home agent is asked again, and refuses
if that is what its administrator wants.
"""

from ...proto.hosting import quoted, said
from ...proto.registration import Superseded
from ...proto.revocation import Revoked, acknowledge, after
from ...wire import mip, mip_extensions
from ...wire.mip_extensions import MESSAGE_FROM_HOME_AGENT
from ..events import REFUSED, Contents, Count, Log, Send
from ..reasons import why
from .learning import says

REVOKED = "revoked by the home agent"


class Revocations:
    """Of one mobile router, `role`."""

    def __init__(self, role):
        self._role = role
        self._revoked = Revoked()

    def arrived(self, uplink, received, event, now_ms):
        """A revocation from the contact."""
        proof, association = received.authentication, uplink.association
        if proof is None or proof.spi != association.turn.spi:
            return self._refused("revocation_not_authenticated", uplink, received.message, event, now_ms)

        def then(genuine, now_ms):
            if genuine:
                return self._believed(uplink, received.message, event, now_ms)
            name = "revocation_false_authenticator"
            return self._refused(name, uplink, received.message, event, now_ms, proof.spi)

        questions = self._role.questions
        key = association.section.name
        return questions.verify(key, received.protected, proof.authenticator, then, now_ms)

    def _believed(self, uplink, revocation, event, now_ms):
        if not revocation.flags & mip.REVOKED_BY_HOME_AGENT:
            return self._refused("revocation_reflected", uplink, revocation, event, now_ms)  # 3.5
        if not self._is_ours(uplink, revocation):
            if self._revoked.has(revocation, now_ms):
                return self._acknowledge(uplink, revocation, event, now_ms)
            return self._refused("revocation_of_nobody", uplink, revocation, event, now_ms)
        if not after(revocation.identifier, uplink.registration.revocable):
            return self._refused("revocation_stale", uplink, revocation, event, now_ms)
        self._revoked.add(revocation, now_ms)
        actions = self._acknowledge(uplink, revocation, event, now_ms)
        words = said(revocation.extensions, MESSAGE_FROM_HOME_AGENT)
        text = "%s: %s" % (uplink.name, REVOKED) + quoted(revocation.extensions, MESSAGE_FROM_HOME_AGENT)
        actions += [Count("revocation_taken"), Log("warning", "registration", text)]
        actions += says(self._role, "home agent", words)
        return actions + self._over(uplink, words, now_ms)

    def _refused(self, name, uplink, revocation, event, now_ms, spi=0):
        """Without a word, but noted."""
        refusals = self._role.refusals
        refusals.note(now_ms, name, uplink.name, event.source, None, spi, revocation.identifier)
        level, tag = ("warning", "security") if spi else ("info", "revocation")
        text = "%s: %s" % (uplink.name, why(name))
        return [Count(name), Log(level, tag, text), Contents(name, event.data), REFUSED]

    def _is_ours(self, uplink, revocation):
        """Does it name the binding that stands by this uplink, and may that be revoked?"""
        router, registration = self._role.router, uplink.registration
        if not registration.bound or registration.revocable is None:
            return False
        named = (revocation.home_address, revocation.home_domain, revocation.foreign_domain)
        return named == (router.home_address, router.home_agent, uplink.asks()[1])

    def _over(self, uplink, words, now_ms):
        actions = self._role.requests.tell(uplink, Superseded(), now_ms)
        uplink.refusal, uplink.message = (None, REVOKED), words
        return actions + self._role.moves.lost(uplink, REVOKED)

    def _acknowledge(self, uplink, revocation, event, now_ms):
        """4.2.2.3: to the source of the revocation."""
        turn = uplink.association.turn
        data = mip.pack_to_sign(acknowledge(revocation, True), turn.spi, turn.authenticator_size)

        def then(authenticator, now_ms):
            return [Send(uplink.number, event.source, event.source_port, data + authenticator)]

        return self._role.questions.sign(uplink.association.section.name, data, then, now_ms)


def support(stamps, unix_ms):
    """What a request says of us (3.2). I is for agents, which tell others."""
    return mip_extensions.RevocationSupport(False, stamps.next(unix_ms))
