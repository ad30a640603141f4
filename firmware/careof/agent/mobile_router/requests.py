"""The mobile router's registrations: which uplink uses which association, what is signed, whose reply it is.

    Ask --> registration --Sign--> Authenticate ... Authenticated --> Transmit --> Send
    Datagram --contact? reply? awaited?--> Verify ... Verified --> registration --> Granted, Refused

One registration an uplink (proto.registration), one Turn an association: uplinks that share an association
take turns, those with one of their own do not wait for one another. A reply counts only if it comes from
the contact (while all home agents are asked, from any), by the uplink of its request, with an identification
that is awaited there, and genuine; everything else is counted under a name and has no effect.
"""

from ...crypt import ALGORITHMS
from ...limits import PENDING_MAX, QUESTION_FORGOTTEN_MS
from ...proto import registration
from ...proto.hosting import words
from ...proto.registration import Registration, Turn
from ...proto.replay import SOURCES
from ...proto.revocation import Stamps
from ...proto.visiting import is_unicast
from ...wire import ipv4, mip, mip_codes, mip_extensions
from ...wire.reader import Malformed
from ..events import REFUSED, Authenticate, Contents, Count, Log, Send, Verify
from ..questions import ROUTERS_FIRST_TOKEN
from ..reasons import why
from .revocation import support

UNSPECIFIED = 128  # a home agent's refusal without a reason
UNFIT = {
    "reply_unknown_critical": "with a critical extension that is not known",
    "reply_without_address": "that grants without the addresses that were asked for",
}


# Of awaited replies only: whoever does not know what is awaited fills no log (RFC 5944 3.6.2.1).
NOT_BELIEVED = ("reply_not_authenticated", "agent_not_authenticated", "agent_false_authenticator")


class Association:
    """The router's end of one security association."""

    def __init__(self, section, random):
        self.section = section
        size = ALGORITHMS[section.algorithm].authenticator_size
        self.turn = Turn(SOURCES[section.replay](random), section.spi, size)


class Requests:
    """All registrations of one router, an Identity.

    hear(uplink, reply, now_ms) -> actions is told what was replied, genuinely, and then
    outcome(uplink, what, now_ms) -> actions what came of it.
    """

    def __init__(self, router, random, hear, outcome):
        self.router = router
        self._hear = hear
        self.associations = {}  # name -> Association
        self._random = random
        self._outcome = outcome
        self._questions = {}  # token -> (uplink, reply to be verified or None, asked at ms)
        self._signs = {}  # uplink's number -> token of the last signature asked for
        self._token = 0
        self.visiting = None  # mobile_router.visiting, which knows how to reach a foreign agent
        self._clock_offset_ms = 0
        self.revocations = None  # mobile_router.revocation
        self.refusals = None  # agent.refusals
        self._stamps = Stamps()

    # -- Options

    def association_of(self, section, sections):
        """The association that an uplink's options name, made at its first use."""
        name = section.association or self.router.association
        association = self.associations.get(name)
        fresh = sections[name]
        if association is None or differs(association.section, fresh):
            association = self.associations[name] = Association(fresh, self._random)
            association.turn.source.wall_clock(self._clock_offset_ms)
        return association

    def add(self, uplink, section, sections):
        """Give an uplink its registration."""
        uplink.association = self.association_of(section, sections)
        uplink.registration = Registration(self.router.terms(), uplink.association.turn, self._random)
        self._offer_revocation(uplink)

    def still_has(self, uplink, section, sections):
        """Do an uplink's options name the association that it has?"""
        fresh = sections[section.association or self.router.association]
        own = uplink.association.section
        return fresh.name == own.name and not differs(own, fresh)

    def new_terms(self, uplink):
        """Ask for what is known now, from the next request on."""
        uplink.registration.new_terms(self.router.terms())
        if uplink.discovery is not None:
            uplink.discovery.home_agent = self.router.home_agent
        self._offer_revocation(uplink)

    def _offer_revocation(self, uplink):
        offered = self.router.revocation
        uplink.registration.support = self._support if offered else None

    def _support(self, now_ms):
        return support(self._stamps, now_ms + self._clock_offset_ms)

    def wall_clock_set(self, offset_ms):
        self._clock_offset_ms = offset_ms
        for association in self.associations.values():
            association.turn.source.wall_clock(offset_ms)

    # -- Asking

    def tell(self, uplink, event, now_ms):
        """One event for the uplink's registration, and all that it causes."""
        actions = []
        for result in uplink.registration.handle(event, now_ms):
            if isinstance(result, registration.Sign):
                self._questions.pop(self._signs.get(uplink.number), None)  # it was late
                token = self._signs[uplink.number] = self._ask(uplink, None, now_ms)
                actions.append(Authenticate(token, uplink.association.section.name, result.data))
            elif isinstance(result, registration.Transmit):
                actions += self._transmit(uplink, result.data, now_ms)
            else:
                actions += self._outcome(uplink, result, now_ms)
        return actions

    def _transmit(self, uplink, data, now_ms):
        request = uplink.registration.request
        actions = [Count("request_sent" if request.lifetime_s else "deregistration_sent")]
        if not is_unicast(request.home_agent):
            actions.append(Count("request_to_any_home_agent"))
        if uplink.agent is not None:
            return actions + self.visiting.transmit(uplink, data, now_ms)
        if self.router.contact is None:
            return actions + [Count("no_contact")]  # only foreign agents know a home agent
        address, port = self.router.contact
        return actions + [Send(uplink.number, address, port, data)]

    def authenticated(self, event, now_ms):
        question = self._questions.pop(event.token, None)
        if question is None or self._signs.get(question[0].number) != event.token:
            return []  # meanwhile something else is asked
        if event.authenticator is None:
            return []  # there is no such key: it is asked again when the signature is late
        return self.tell(question[0], registration.Signed(event.authenticator), now_ms)

    # -- Replies

    def datagram_came(self, uplink, event, now_ms):
        from_contact = (event.source, event.source_port) == self.router.contact
        if not (from_contact or self.router.asks_everybody()):
            return self.dropped("reply_from_elsewhere", uplink, event, now_ms)
        try:
            received = mip.unpack(event.data)
        except Malformed as e:
            return self.dropped("reply_malformed", uplink, event, now_ms, str(e))
        if isinstance(received.message, mip.Revocation):
            return self.revocations.arrived(uplink, received, event, now_ms)
        return received_counts(received, event.data, self.router) + self.reply_came(
            uplink, received, event, now_ms
        )

    def reply_came(self, uplink, received, event, now_ms):
        """A message from where replies come from; of event, its source is told."""
        reply, proof = received.message, received.authentication
        if not isinstance(reply, mip.RegistrationReply):
            return self.dropped("not_our_reply", uplink, event, now_ms)
        if not self.router.is_ours(reply):
            return self.dropped("reply_for_another", uplink, event, now_ms)
        if not uplink.registration.awaits(reply.identification):
            return self.dropped("reply_not_awaited", uplink, event, now_ms, "", reply)
        if proof is None or proof.spi != uplink.registration.turn.spi:
            text = mip_codes.describe_code(reply.code)
            return self.dropped("reply_not_authenticated", uplink, event, now_ms, text, reply)
        if len(self._questions) >= PENDING_MAX and not self._forgot_questions(now_ms):
            return [Count("reply_too_many")]
        token = self._ask(uplink, reply, now_ms)
        key = uplink.association.section.name
        return [Verify(token, key, received.protected, proof.authenticator)]

    def verified(self, event, now_ms):
        uplink, reply, _ = self._questions.pop(event.token, (None, None, 0))
        if reply is None:
            return []
        if not event.genuine:
            name, spi = "reply_false_authenticator", uplink.registration.turn.spi
            source = self.router.contact[0] if uplink.agent is None else uplink.agent.address
            self.refusals.note(now_ms, name, uplink.name, source, None, spi, reply.identification)
            text = "%s: %s" % (uplink.name, why(name))
            return [Count(name), Log("warning", "security", text), REFUSED]
        if not uplink.registration.awaits(reply.identification):
            return [Count("reply_not_awaited")]  # the same reply twice, and the other copy was first
        uplink.message = message_in(reply.extensions)
        actions = [Count("reply_%d" % reply.code)]
        unfit = self._unfit(reply)
        if unfit is not None:
            text = "%s: a reply %s: taken for a refusal" % (uplink.name, UNFIT[unfit])
            actions += [Count(unfit), Log("warning", "registration", text)]
            reply = mip.RegistrationReply(UNSPECIFIED, *reply[1:])
        else:
            actions += self._hear(uplink, reply, now_ms)
        return actions + self.tell(uplink, registration.Replied(reply), now_ms)

    def _unfit(self, reply):
        """Why an authenticated reply is no good to us, by the name that it is counted under; or None."""
        if mip_extensions.find(reply.extensions, mip_extensions.CriticalVendor) is not None:
            return "reply_unknown_critical"  # RFC 3115 2.3: it says more than we understand
        return "reply_without_address" if self.router.lacks(reply) else None

    def forget(self, uplink):
        """The uplink is not configured any more."""
        self._questions = {t: q for t, q in self._questions.items() if q[0] is not uplink}
        self._signs.pop(uplink.number, None)

    def _ask(self, uplink, reply, now_ms):
        self._token = (self._token + 1) % ROUTERS_FIRST_TOKEN
        self._questions[self._token] = (uplink, reply, now_ms)
        return self._token

    def _forgot_questions(self, now_ms):
        """Drop the questions that were never answered; is there room now?"""
        old = [t for t, q in self._questions.items() if now_ms - q[2] > QUESTION_FORGOTTEN_MS]
        for token in old:
            del self._questions[token]
        return bool(old)

    def dropped(self, name, uplink, event, now_ms, detail="", reply=None):
        """Of no effect: counted, and noted for who asks why."""
        identification = 0 if reply is None else reply.identification
        self.refusals.note(now_ms, name, uplink.name, event.source, None, 0, identification)
        text = "%s: from %s: %s" % (uplink.name, ipv4.address_text(event.source), why(name))
        text += ": " + detail if detail else ""
        level, tag = ("warning", "security") if name in NOT_BELIEVED else ("debug", name)
        return [Count(name), Log(level, tag, text), Contents(name, event.data), REFUSED]


def received_counts(received, data, router):
    """What a reply counts for that is for this router, whatever comes of it."""
    reply = received.message
    if not isinstance(reply, mip.RegistrationReply) or not router.is_ours(reply):
        return []
    counts = [Count("reply_received" if reply.lifetime_s else "reply_received_deregistered")]
    return counts + ([Count("reply_unknown_extension")] if mip.skips(data) else [])


def message_in(extensions):
    """The words for the user among some extensions, as text, or None (RFC 4917)."""
    found = mip_extensions.find(extensions, mip_extensions.MessageString)
    return None if found is None else words(found.text)


def differs(one, other):
    """Is it another association, not only another key for the same? (Keys are the key provider's.)"""
    return (one.spi, one.algorithm, one.replay) != (other.spi, other.algorithm, other.replay)
