"""A mobile node on links with agents (RFC 5944 2.4, 3.6, 4.6; 3024 4.1; 4721 3.1): how an uplink is attached.

    Frame --advertisement--> proto.discovery: which agent --> the uplink is reattached, a request follows
    a foreign agent   its care-of address, requests and data by it: as frames to its link-layer address,
                      with its delivery style, challenge and mobile-foreign authentication
    our home agent    at home: ARP is ours again, a gratuitous one says so, the request ends all bindings
    Frame --reply-->  with the home agent's authentication: as every reply
                      without: the agent's own refusal, which says nothing of the home agent --> another one

What an agent says of itself is believed only so far that it is tried. A refusal without an authentication
of the agent, where we share one, is not heard. While away, nothing is asked or answered by ARP about the home
address (4.6): agents are reached at the link-layer address that their advertisements came from.
"""

from ...crypt import ALGORITHMS
from ...limits import AGENT_TRIES, GRATUITOUS_ARPS, GRATUITOUS_GAP_MS, MIP_PORT
from ...proto import registration
from ...proto.hosting import said
from ...wire import ipv4, link, mip, mip_codes, mip_extensions, udp
from ...wire import router_discovery as discovery
from ...wire.link import ETHERTYPE_ARP, ETHERTYPE_IPV4
from ...wire.mip_extensions import MESSAGE_FROM_FOREIGN_AGENT
from ...wire.reader import Malformed
from .. import events
from ..events import REFUSED, Changed, Contents, Count, Log, SendFrame
from ..reasons import why
from .learning import says
from .requests import message_in, received_counts

TTL = 255  # RFC 3024 4.1.1
SOLICITED = b"\x01\x00\x5e\x00\x00\x0b"  # 224.0.0.11 on Ethernet
CHALLENGED = (104, 105, 106)  # refusals for a challenge: none, an unknown one, an old one
PASSING = (104, 105, 106, 69, 78)  # refusals that the same agent may be asked again after
NO_ENCAPSULATION = 72  # so may it, for another one

# (at home before?, at home now?) -> counter of RFC 2006's moves
MOVES = {
    (True, False): "moved_home_to_foreign",
    (False, False): "moved_foreign_to_foreign",
    (False, True): "moved_foreign_to_home",
}


class Visiting:
    """Of one mobile router, `role`."""

    def __init__(self, role):
        self._role = role
        # Uplink's number -> (when the next gratuitous ARP is due, how many are left), since it came home
        self._arps = {}
        self.last_heard = None  # (at ms, source, Advertisement): the last one that came by any uplink
        self._network = None  # (at home?, where): what carries is attached to

    def deadline(self, uplink):
        """When time_passed(uplink) may have something to do, in ms, or None."""
        if uplink.discovery is None:
            return None
        at_ms, arp = uplink.discovery.deadline(), self._arps.get(uplink.number)
        if arp is not None and arp[1] and (at_ms is None or arp[0] < at_ms):
            return arp[0]
        return at_ms

    # -- The link

    def link_is_up(self, uplink, now_ms):
        """Frames can be sent now: what waited for that is asked again at once."""
        actions = []
        if uplink.at_home():
            actions += self._is_at_home(uplink, now_ms)
        return actions + self._solicit(uplink, now_ms)

    def frame_came(self, uplink, event, now_ms):
        try:
            packet = ipv4.unpack(event.data)
            if packet.protocol == ipv4.UDP:
                return self._datagram_came(uplink, event, udp.unpack(packet), now_ms)
            if packet.payload[:1] == b"\x00":  # an echo reply: data has passed
                return self._role.watch.inner_came(events.Inner(uplink.number, event.data), now_ms)
            message = discovery.unpack(packet.payload)
        except Malformed as e:
            name = "advertisement_malformed" if e.where.startswith("advertisement") else "link_malformed"
            actions = [Count("link_malformed")] + ([Count(name)] if name != "link_malformed" else [])
            actions.append(Log("debug", "link", "%s: %s: %s" % (uplink.name, why(name), e)))
            return actions + [Contents(name, event.data)]
        if type(message) is not discovery.Advertisement:
            return []
        return self._heard(uplink, packet, event.link_address, message, now_ms)

    def _heard(self, uplink, packet, link_address, message, now_ms):
        found, actions = uplink.discovery, [Count("advertisement_heard")]
        if discovery.skips(packet.payload):
            actions.append(Count("advertisement_unknown_extension"))
        if message.agent is not None:
            self.last_heard = (now_ms, packet.source, message)
        before = len(found.agents)
        another = found.heard(packet.source, link_address, message, now_ms)
        if found.restarted:
            actions.append(Count("agent_restarted"))
        if len(found.agents) != before:
            actions.append(Changed("agents", uplink.name))
        if another or uplink.agent is not found.current:
            actions += self._attach(uplink, now_ms)
        return actions

    def _attach(self, uplink, now_ms):
        """Another agent is there, or none, or the same one without our registration."""
        was_usable, before = uplink.usable(), uplink.agent
        uplink.attach()
        if uplink.agent is None and before is None:
            return []
        agent = uplink.agent
        text = "none" if agent is None else ipv4.address_text(agent.address)
        if uplink.at_home():
            text += ", our home agent: at home"
        actions = [Count("agent_moves"), Log("info", "agent", "%s: %s" % (uplink.name, text))]
        actions.append(Changed("agents", uplink.name))
        if not uplink.at_home():
            actions += self._role.paths.keeps_quiet(uplink)
        self._arps.pop(uplink.number, None)
        actions += self._role.reattached(uplink, was_usable, now_ms, by_link=False)
        return actions

    def time_passed(self, uplink, now_ms):
        if uplink.discovery is None:
            return []
        actions, before = [], len(uplink.discovery.agents)
        another = uplink.discovery.time_passed(now_ms)
        if len(uplink.discovery.agents) != before:
            actions.append(Changed("agents", uplink.name))
        if another:
            actions += self._attach(uplink, now_ms)
        arp = self._arps.get(uplink.number)
        if arp is not None and arp[1] and arp[0] <= now_ms:
            actions += self._gratuitous(uplink, arp[1], now_ms)
        return actions + self._solicit(uplink, now_ms)

    def _solicit(self, uplink, now_ms):
        if uplink.link_address is None or not uplink.discovery.solicits(now_ms) or uplink.has_own():
            return []  # 2.4: with a care-of address from elsewhere nobody is asked for one
        return self._ask_for_an_advertisement(uplink)

    def _ask_for_an_advertisement(self, uplink):
        source = self._role.router.home_address or bytes(4)
        packet = discovery.pack_packet(source, discovery.MOBILE_AGENTS, discovery.Solicitation())
        return [SendFrame(uplink.number, SOLICITED, ETHERTYPE_IPV4, packet), Count("solicited")]

    # -- At home

    def _is_at_home(self, uplink, now_ms):
        """4.6: ARP is answered again, and everybody is told, before the home agent is."""
        if uplink.number in self._arps or uplink.link_address is None:
            return []
        return self._role.paths.speaks(uplink) + self._gratuitous(uplink, GRATUITOUS_ARPS, now_ms)

    def _gratuitous(self, uplink, left, now_ms):
        self._arps[uplink.number] = (now_ms + GRATUITOUS_GAP_MS, left - 1)
        arp = link.gratuitous_arp(uplink.link_address, self._role.router.home_address)
        return [SendFrame(uplink.number, link.EVERYONE, ETHERTYPE_ARP, arp), Count("gratuitous_arp_sent")]

    def moved_to(self, uplink):
        """This uplink carries now: a move between networks, home or foreign, is counted (RFC 2006)."""
        where = uplink.address if uplink.agent is None else uplink.agent.address
        before, self._network = self._network, (uplink.at_home(), uplink.name, where)
        name = MOVES.get((before[0], uplink.at_home())) if before not in (None, self._network) else None
        return [] if name is None else [Count(name)]

    # -- Requests

    def transmit(self, uplink, data, now_ms):
        """To the agent, with what is for it behind what is for the home agent (RFC 5944 3.6.1.3)."""
        agent, association = uplink.agent, self._association()
        if uplink.at_home():  # 3.6.1.1: straight to the home agent
            return self._is_at_home(uplink, now_ms) + self._send(uplink, data)
        if uplink.encapsulating:
            data += mip_extensions.pack_extension(mip_extensions.EncapsulatingDelivery())
        kind = mip_extensions.MOBILE_FOREIGN
        if association is None and agent.challenge is not None:  # RFC 4721 3.1, 6: then by an AAA server
            kind, association = mip_extensions.MOBILE_AAA, self._aaa_association()
        if association is None:
            return self._send(uplink, data)
        if agent.challenge is not None:
            data += mip_extensions.pack_extension(mip_extensions.Challenge(agent.challenge))
        size = ALGORITHMS[association.algorithm].authenticator_size
        data += mip_extensions.pack_head_to_sign(kind, association.spi, size)

        def then(authenticator, now_ms):
            return self._send(uplink, data + authenticator) if uplink.agent is agent else []

        return self._role.questions.sign(association.name, data, then, now_ms)

    def _association(self):
        """What we share with foreign agents, or None."""
        return self._association_named(self._role.router.agent_association)

    def _aaa_association(self):
        """What we share with the AAA server of home, or None."""
        return self._association_named(self._role.router.aaa_association)

    def _association_named(self, name):
        return None if name is None else self._role.options.associations[name]

    def _send(self, uplink, data):
        home, agent = self._role.router.home_address, uplink.agent
        datagram = udp.Datagram(home or bytes(4), MIP_PORT, agent.address, MIP_PORT, TTL, data)
        return [SendFrame(uplink.number, agent.link_address, ETHERTYPE_IPV4, udp.pack_packet(datagram))]

    # -- Replies

    def _datagram_came(self, uplink, event, datagram, now_ms):
        agent, role = uplink.agent, self._role
        if agent is None or event.link_address != agent.link_address or datagram.source != agent.address:
            return role.requests.dropped("reply_from_other_agent", uplink, datagram, now_ms)
        try:
            received = mip.unpack(datagram.data)
        except Malformed as e:
            counts = role.requests.dropped("reply_malformed", uplink, datagram, now_ms, str(e))
            return [Count("link_malformed")] + counts
        counts = received_counts(received, datagram.data, role.router)
        return counts + self._reply_came(uplink, agent, received, datagram, now_ms)

    def _reply_came(self, uplink, agent, received, datagram, now_ms):
        role, reply = self._role, received.message
        if type(reply) is not mip.RegistrationReply:
            return role.requests.dropped("not_our_reply", uplink, datagram, now_ms)
        if not role.router.is_ours(reply):
            return role.requests.dropped("reply_for_another", uplink, datagram, now_ms)
        if not uplink.registration.awaits(reply.identification):
            return role.requests.dropped("reply_not_awaited", uplink, datagram, now_ms, "", reply)
        association = self._association()
        if uplink.at_home():
            return role.requests.reply_came(uplink, received, datagram, now_ms)
        if association is None:
            return self._authentic(uplink, agent, received, datagram, now_ms)
        proof = received.agent_authentication
        if type(proof) is not mip_extensions.MobileForeignAuthentication or proof.spi != association.spi:
            return role.requests.dropped("agent_not_authenticated", uplink, datagram, now_ms, "", reply)

        def then(genuine, now_ms):
            if not genuine:
                return role.requests.dropped("agent_false_authenticator", uplink, datagram, now_ms, "", reply)
            return self._authentic(uplink, agent, received, datagram, now_ms)

        signed = received.agent_protected
        return role.questions.verify(association.name, signed, proof.authenticator, then, now_ms)

    def _authentic(self, uplink, agent, received, datagram, now_ms):
        """As far as the agent can be held to its word."""
        challenge = mip_extensions.find(received.unprotected, mip_extensions.Challenge)
        if challenge is not None:
            agent.challenge = challenge.value
        if uplink.agent is not agent:
            return []
        actions = says(self._role, "foreign agent", said(received.unprotected, MESSAGE_FROM_FOREIGN_AGENT))
        return actions + self._judged(uplink, agent, received, datagram, now_ms)

    def _judged(self, uplink, agent, received, datagram, now_ms):
        """Is it the home agent's word, or the foreign agent's own?"""
        error = mip_extensions.find(received.unprotected, mip_extensions.AgentError)
        if received.authentication is None:
            code = received.message.code
            if not _is_agents_own(code) and code != 194:
                return self._role.requests.dropped(
                    "reply_not_authenticated", uplink, datagram, now_ms, "", received.message
                )
            return self._denied(uplink, agent, received, code, now_ms)
        if error is not None and _is_agents_own(error.status):
            return self._not_honoured(uplink, agent, received, error.status, now_ms)
        agent.refused = False
        return self._role.requests.reply_came(uplink, received, datagram, now_ms)

    def _not_honoured(self, uplink, agent, received, status, now_ms):
        """RFC 4636 4: the home agent agreed, if that is genuine; the foreign agent does not honour it."""
        reply, proof = received.message, received.authentication
        granted = mip_codes.accepts(reply.code) and reply.lifetime_s
        if not granted or proof.spi != uplink.association.turn.spi:
            return self._denied(uplink, agent, received, status, now_ms)

        def then(genuine, now_ms):
            if uplink.agent is not agent or not uplink.registration.awaits(reply.identification):
                return []
            return self._denied(uplink, agent, received, status, now_ms, genuine)

        key = uplink.association.section.name
        return self._role.questions.verify(key, received.protected, proof.authenticator, then, now_ms)

    def _denied(self, uplink, agent, received, code, now_ms, granted=False):
        """words_for_user: whoever refuses may say something that is for them (RFC 4917)."""
        reply = received.message
        words_for_user = message_in(received.unprotected) or message_in(reply.extensions)
        refused = mip.RegistrationReply(code, *reply[1:])
        words, uplink.message = mip_codes.describe_code(code), words_for_user
        uplink.replied_ms, name = now_ms, "denied_by_agent_%d" % code
        actions = [Count(name)]
        if code in CHALLENGED and mip_extensions.find(received.unprotected, mip_extensions.Challenge) is None:
            agent.challenge = None  # RFC 4721 3.3, 3.5: never again; the repetition will have the next one
            return actions + self._ask_for_an_advertisement(uplink)
        other = code == NO_ENCAPSULATION and uplink.registration.encapsulation.flags()
        if code not in PASSING and not other:
            more = self._leave_alone(uplink, "refused by agent %s: %s" % ("%s", words), now_ms)
            if more is not None:
                uplink.refusal = (code, words)  # of the agent that was left
                refusals = self._role.refusals
                refusals.note(now_ms, name, uplink.name, agent.address, code, 0, 0, words_for_user)
                if granted:
                    self._role.moves.something_is_left()
                return actions + more + [REFUSED]
        return actions + self._role.requests.tell(uplink, registration.Denied(refused, granted), now_ms)

    def unanswered(self, uplink, tries, now_ms):
        """So many requests by it were not answered: another agent may be better."""
        if tries < AGENT_TRIES or not uplink.visits():
            return []
        return self._leave_alone(uplink, "agent %s does not answer", now_ms) or []

    def _leave_alone(self, uplink, why, now_ms):
        """Try another way than this agent for a while; None if there is none."""
        agent, found = uplink.agent, uplink.discovery
        if not found.leave_alone(agent, now_ms):
            return None
        if found.current is None and not uplink.has_own():
            found.denied(agent, None, now_ms)  # there is no other: it is asked again, later and later
            agent.refused = True  # or left for an address of our own, if one comes
            return None
        text = "%s: %s" % (uplink.name, why % ipv4.address_text(agent.address))
        return [Log("warning", "agent", text)] + self._attach(uplink, now_ms)


def _is_agents_own(code):
    return mip_codes.FOREIGN_AGENT_FROM <= code < mip_codes.HOME_AGENT_FROM
