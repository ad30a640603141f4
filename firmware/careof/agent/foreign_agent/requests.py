"""A foreign agent's way from a mobile node's request to the home agent (RFC 5944 3.7.2, RFC 4721 3.2).

    request --> judged --> challenge --> its mobile-foreign authentication --> room --> pending, relayed

What refuses says so with its code (3.7.2.3), once a second to one node at most; what the texts want
silently discarded is. The request passes unchanged up to what the home agent verifies; what follows is
taken out, and ours is added: UDP tunnelling if we are behind a NAT, support of revocation, the foreign-home
authentication.
"""

from collections import OrderedDict, namedtuple

from ...crypt import ALGORITHMS
from ...limits import DENIAL_GAP_MS, DENIED_MAX, MIP_PORT
from ...proto import visiting
from ...proto.challenges import FINE, STALE
from ...wire import ipv4, mip, mip_extensions, udp
from ...wire import router_discovery as discovery
from ...wire.link import ETHERTYPE_IPV4
from ...wire.reader import Malformed
from ..events import REFUSED, Changed, Contents, Count, Log, Send, SendFrame
from ..reasons import why, why_code
from .visitors import Pending, name_of, text_of

# One request as it came: from which link and link-layer address, in which datagram. challenge: octets or
# None.
Asked = namedtuple("Asked", "advertiser link_address datagram received challenge")


class Requests:
    """Of one foreign agent, `agent`: its options, visitors, peers and questions."""

    def __init__(self, agent):
        self._agent = agent
        self._denied_ms = OrderedDict()  # link-layer address -> when it was last refused

    def arrived(self, advertiser, frame, now_ms):
        """A frame to UDP port 434 from a link."""
        try:
            datagram = udp.unpack(ipv4.unpack(frame.data))
            received = mip.unpack(datagram.data)
        except Malformed as e:
            name = "visitor_malformed"
            text = "%s: %s" % (why(name), e)
            return [Count(name), Log("debug", "visitor", text), Contents(name, frame.data)]
        request = received.message
        if type(request) is not mip.RegistrationRequest:
            return [Count("visitor_not_a_request"), Contents("visitor_not_a_request", frame.data)]
        challenge = mip_extensions.find(received.unprotected, mip_extensions.Challenge)
        asked = Asked(advertiser, frame.link_address, datagram, received, challenge and challenge.value)
        if not self._for_us(asked):
            return []
        return [Count("visitor_request")] + self._judge(asked, now_ms)

    def _judge(self, asked, now_ms):
        advertiser, datagram, received = asked.advertiser, asked.datagram, asked.received
        request = received.message
        if not request.flags & mip.FLAG_D and self._has_revocation_support(received):
            return self.discarded("visitor_revocation_support", asked, now_ms)  # RFC 3543 4.2.1: silently
        verdict = visiting.judge(received, datagram.ttl, self._agent.offer_to(advertiser))
        if not verdict.code and not self._is_served(request, verdict):
            verdict = visiting.Verdict(visiting.PROHIBITED, verdict.home_agent, verdict.encapsulating)
        if verdict.code:
            return self.deny(asked, verdict.code, now_ms)
        return self._challenged(asked, verdict, now_ms)

    def _is_served(self, request, verdict):
        peers, home = self._agent.peers, request.home_address
        peer = peers.of(verdict.home_agent)
        if peer is None or self._escapes_revocation(request, peer):
            return False
        return home == bytes(4) or peers.may_visit(home)

    def _escapes_revocation(self, request, peer):
        """RFC 3543 4.3.1: whoever says R to be able to revoke cannot revoke a care-of address of the node's
        own (4.3.2)."""
        options = self._agent.options.agent
        revokes = options.registration_required and options.revocation and peer.association is not None
        return revokes and bool(request.flags & mip.FLAG_D and request.lifetime_s)

    def _for_us(self, asked):
        destination = asked.datagram.destination
        ours = (asked.advertiser.address, discovery.MOBILE_AGENTS, discovery.BROADCAST)
        return destination in ours or destination in self._agent.offer_to(asked.advertiser).care_of

    @staticmethod
    def _has_revocation_support(received):
        both = received.message.extensions, received.unprotected
        return any([mip_extensions.find(some, mip_extensions.RevocationSupport) for some in both])

    # -- Is it who it says, and now?

    def _challenged(self, asked, verdict, now_ms):
        challenges, association = asked.advertiser.challenges, self._association(asked)
        if challenges is not None and (asked.challenge is not None or association is None):
            code = challenges.judge(asked.link_address, asked.challenge)
            if code == STALE and self._agent.visitors.repeats(asked):
                code = FINE
            if code:
                return self.deny(asked, code, now_ms)
        proof, signed = asked.received.agent_authentication, asked.received.agent_protected
        if asked.challenge is not None and proof is None and asked.received.aaa_authentication is None:
            # RFC 4721 3.2: silently discarded
            return self.discarded("visitor_challenge_not_authenticated", asked, now_ms)
        if association is None:
            return self._admitted(asked, verdict, now_ms)
        if type(proof) is not mip_extensions.MobileForeignAuthentication or proof.spi != association.spi:
            return self._forged(asked, now_ms)

        def then(genuine, now_ms):
            return self._admitted(asked, verdict, now_ms) if genuine else self._forged(asked, now_ms)

        return self._agent.questions.verify(association.name, signed, proof.authenticator, then, now_ms)

    def _association(self, asked):
        return self._agent.peers.visitor_association(*name_of(asked.received.message))

    def _forged(self, asked, now_ms):
        name = "visitor_false_authenticator"
        text = "%s: no genuine mobile-foreign authentication" % text_of(*name_of(asked.received.message))
        self.note(name, asked, visiting.FAILED_AUTHENTICATION, now_ms)
        actions = [Count(name), Log("warning", "security", text)]
        return actions + self.deny(asked, visiting.FAILED_AUTHENTICATION, now_ms, noted=True)

    # -- For who asks why

    def note(self, name, asked, code, now_ms):
        request, proof = asked.received.message, asked.received.agent_authentication
        who, source = text_of(*name_of(request)), asked.datagram.source
        spi = 0 if proof is None else proof.spi
        self._agent.refusals.note(now_ms, name, who, source, code, spi, request.identification)

    def discarded(self, name, asked, now_ms):
        """Refused without a word, as the texts want it."""
        self.note(name, asked, None, now_ms)
        text = "%s: %s" % (text_of(*name_of(asked.received.message)), why(name))
        return [Count(name), Log("info", "visitor", text), Contents(name, asked.datagram.data), REFUSED]

    # -- To the home agent

    def _admitted(self, asked, verdict, now_ms):
        agent, request = self._agent, asked.received.message
        full = request.lifetime_s and len(agent.visitors) >= agent.options.agent.max_visitors
        if (full and not agent.visitors.knows(request)) or len(
            agent.visitors.pending
        ) >= agent.options.agent.max_pending:
            return [Count("visitor_no_room")] + self.deny(asked, visiting.NO_ROOM, now_ms)
        if asked.challenge is not None and asked.advertiser.challenges is not None:
            asked.advertiser.challenges.used(asked.link_address, asked.challenge)
        agent.visitors.asks(Pending(asked, verdict, now_ms))
        actions = [Count("visitor_request_relayed"), Changed("registrations", request.home_address)]
        return actions + self._relay(asked, verdict, now_ms)

    def _relay(self, asked, verdict, now_ms):
        agent, request = self._agent, asked.received.message
        peer = agent.peers.of(verdict.home_agent)
        data = asked.received.relayed
        if agent.udp_flags is not None and not request.flags & mip.FLAG_D and request.lifetime_s:
            wanted = mip_extensions.UdpTunnelRequest(agent.udp_flags, mip_extensions.ENCAPSULATION_ANY)
            data += mip_extensions.pack_extension(wanted)
        if peer.association is None or not visiting.is_signed_by_agents(request):
            return [Send(agent.uplink, verdict.home_agent, MIP_PORT, data)]
        if agent.options.agent.revocation:
            support = mip_extensions.RevocationSupport(True, agent.stamps.next(now_ms + agent.unix_offset_ms))
            data += mip_extensions.pack_extension(support)
        association = peer.association
        size = ALGORITHMS[association.algorithm].authenticator_size
        data += mip_extensions.pack_head_to_sign(mip_extensions.FOREIGN_HOME, association.spi, size)

        def then(authenticator, now_ms):
            return [Send(agent.uplink, verdict.home_agent, MIP_PORT, data + authenticator)]

        return agent.questions.sign(association.name, data, then, now_ms)

    # -- Back to the mobile node

    def deny(self, asked, code, now_ms, noted=False):
        """Refuse (3.7.2.3); silent if this node was refused less than a second ago, or too many were."""
        actions = [Count("visitor_denied_%d" % code), REFUSED]
        if not noted:
            self.note("visitor_denied_%d" % code, asked, code, now_ms)
        if not self._may_deny(asked.link_address, now_ms):
            return actions + [Count("visitor_denial_limited")]
        request = asked.received.message
        text = "%s refused: %s" % (text_of(*name_of(request)), why_code(code))
        lifetime_s = request.lifetime_s
        if code == visiting.LIFETIME_TOO_LONG:
            lifetime_s = self._agent.options.agent.lifetime_max_s
        nai = mip_extensions.find(request.extensions, mip_extensions.Nai)
        reply = mip.RegistrationReply(
            code,
            lifetime_s,
            request.home_address,
            request.home_agent,
            request.identification,
            [] if nai is None else [nai],
        )
        return actions + [Log("notice", "visitor", text)] + self.reply(asked, mip.pack(reply), now_ms)

    def _may_deny(self, link_address, now_ms):
        last_ms = self._denied_ms.get(link_address)
        if last_ms is not None and now_ms - last_ms < DENIAL_GAP_MS:
            return False
        if last_ms is None and len(self._denied_ms) >= DENIED_MAX:
            oldest = next(iter(self._denied_ms))
            if now_ms - self._denied_ms[oldest] < DENIAL_GAP_MS:
                return False
            del self._denied_ms[oldest]
        self._denied_ms.pop(link_address, None)
        self._denied_ms[link_address] = now_ms
        return True

    def reply(self, asked, data, now_ms):
        """Send a reply's octets to who asked, with our words, a challenge and our authentication if there are
        such."""
        association, words = self._association(asked), self._agent.options.agent.message
        if words is not None:
            origin = mip_extensions.MESSAGE_FROM_FOREIGN_AGENT  # RFC 4917 5: behind the node's authentication
            data += mip_extensions.pack_extension(mip_extensions.MessageString(origin, words.encode()))
        if asked.advertiser.challenges is not None:
            fresh = mip_extensions.Challenge(asked.advertiser.challenges.for_node(asked.link_address))
            data += mip_extensions.pack_extension(fresh)
        if association is None:
            return self._to_node(asked, data)
        size = ALGORITHMS[association.algorithm].authenticator_size
        data += mip_extensions.pack_head_to_sign(mip_extensions.MOBILE_FOREIGN, association.spi, size)

        def then(authenticator, now_ms):
            return self._to_node(asked, data + authenticator)

        return self._agent.questions.sign(association.name, data, then, now_ms)

    @staticmethod
    def _to_node(asked, data):
        """3.7.2.3: from where it was sent to, to its home address, at its link-layer address."""
        asked_of, home = asked.datagram.destination, asked.received.message.home_address
        source = asked_of if visiting.is_unicast(asked_of) else asked.advertiser.address
        destination = discovery.BROADCAST if home == bytes(4) else home
        datagram = udp.Datagram(source, MIP_PORT, destination, asked.datagram.source_port, ipv4.TTL, data)
        packet = udp.pack_packet(datagram)
        return [SendFrame(asked.advertiser.number, asked.link_address, ETHERTYPE_IPV4, packet)]
