"""A home agent's way from a request to its reply (RFC 5944 3.8.2 and 3.8.3, 3024 4.3, 4721 3.4, 5177 6.3).

    request --> known? --> the foreign agent's authentication --> the node's, and that of AAA if its key is
            here --> fresh? --> admitted --> home address --> binding, tunnel --> reply, signed for the node
            --> signed for the foreign agent --> Send

Each arrow may end the matter, under a name that is counted. Nothing is believed, kept or answered before
the authenticators were verified. A false one is answered with 131, 132 or 144 and a stale identification
with 133, all at a bounded rate. What the request asked of us for the foreign agent is answered behind the
node's authentication.
"""

from collections import namedtuple

from ...crypt import ALGORITHMS
from ...limits import REFUSALS_PER_S
from ...proto import admission, networks, policy
from ...proto.bindings import NO_ROOM, Wish
from ...wire import ipv4, mip, mip_codes, mip_extensions
from ..allowance import Allowance
from ..events import REFUSED, Changed, Count, Log, Send
from ..reasons import why, why_code
from .words import REDIRECTED, beside, redirection

AUTHENTICATION_FAILED, AGENT_AUTHENTICATION_FAILED, IDENTIFICATION_MISMATCH, AAA_FAILED = 131, 132, 133, 144
PROVED_NOTHING = (AUTHENTICATION_FAILED, AGENT_AUTHENTICATION_FAILED, IDENTIFICATION_MISMATCH, AAA_FAILED)

# One request as it came. peer: the section of the association that we share with its sender, or None.
# proven: was its source? as_of: nodes.changes, when the node was looked up.
Asked = namedtuple("Asked", "received source port node association peer to_all proven as_of")
# What a binding's end and we agreed on about revocation: where to, and whose key (peer as above).
Revocable = namedtuple("Revocable", "inform timestamp address port peer")
# How a binding was asked for, for who looks at it from outside.
AskedFor = namedtuple("AskedFor", "source flags identification lifetime_s")


COUNT_REPLY = {code: Count("reply_%d" % code) for code in (0, 1)}  # made once: every renewal has one

BY_AGENTS = (mip_extensions.ForeignHomeAuthentication, mip_extensions.SeveralAuthentications)


def _by_peer(asked):
    """Has an agent that shares an association with us signed it? (then that was verified before)"""
    return type(asked.received.agent_authentication) is mip_extensions.ForeignHomeAuthentication


class Requests:
    """Of one home agent, `agent`: its nodes, bindings, paths, peers and questions."""

    def __init__(self, agent):
        self._agent = agent
        self._allowance = Allowance(REFUSALS_PER_S)

    def arrived(self, received, event, now_ms, to_all=False):
        """A request. to_all: it was sent to whichever home agent there is on the home link (3.6.1.2)."""
        actions = self._arrived(received, event, now_ms, to_all)
        return actions if received.message.lifetime_s else actions + [Count("request_deregister")]

    def _arrived(self, received, event, now_ms, to_all):
        agent, message, proof = self._agent, received.message, received.authentication
        node = agent.nodes.asking(message)
        if node is None:
            return agent.dropped("request_unknown_node", "", event, now_ms, message)
        if proof is None:
            return agent.dropped("request_not_authenticated", "", event, now_ms, message)
        association = node.associations.get(proof.spi)
        if association is None:
            return agent.dropped("request_unknown_spi", "SPI %d" % proof.spi, event, now_ms, message)
        limited, proven = agent.sources.asks(event.source, now_ms)
        if limited is not None:
            return [Count(limited)]
        peer = agent.peers.get(event.source)
        by_agents = received.agent_authentication
        if message.flags & mip.FLAG_D and by_agents is None:
            peer = None  # the node itself, by an address of its own behind the same NAT as an agent
        source, port, as_of = event.source, event.source_port, agent.nodes.changes
        asked = Asked(received, source, port, node, association, peer, to_all, proven, as_of)
        if peer is None and type(by_agents) in BY_AGENTS:
            return self._of_no_peer(asked, now_ms)
        if peer is None or (by_agents is None and not message.lifetime_s):  # 3.5.4: who leaves needs no agent
            return self._authenticate(asked, now_ms)
        return self._authenticate_agent(asked, now_ms)

    def _of_no_peer(self, asked, now_ms):
        """3.8.2.1 d: signed by an agent that shares no association with us. Discarded."""
        name = "request_unknown_agent"
        actions = [Count(name)] + self._note(asked, name, AGENT_AUTHENTICATION_FAILED, now_ms)
        if self._allowance.take(now_ms):
            text = "%s: signed by an agent that is not known, at %s"
            text = text % (asked.node.text, ipv4.address_text(asked.source))
            actions.append(Log("warning", "security", text))
        return actions

    def _authenticate_agent(self, asked, now_ms):
        """3.8.2.1 c: if it shares an association with us, exactly one foreign-home authentication."""
        proof, peer = asked.received.agent_authentication, asked.peer
        if type(proof) is not mip_extensions.ForeignHomeAuthentication or proof.spi != peer.spi:
            return self._forged(asked, AGENT_AUTHENTICATION_FAILED, now_ms)

        def then(genuine, now_ms):
            if genuine:
                return self._authenticate(asked, now_ms)
            return self._forged(asked, AGENT_AUTHENTICATION_FAILED, now_ms)

        signed, questions = asked.received.agent_protected, self._agent.questions
        return questions.verify(peer.name, signed, proof.authenticator, then, now_ms, asked.proven)

    def _authenticate(self, asked, now_ms):
        def then(genuine, now_ms):
            if genuine:
                if received.aaa_authentication is not None and asked.node.aaa is not None:
                    return self._authenticate_aaa(asked, now_ms)
                return self._genuine(asked, now_ms)
            return self._forged(asked, AUTHENTICATION_FAILED, now_ms, _by_peer(asked))

        received = asked.received
        authenticator = received.authentication.authenticator
        key, questions = asked.association.key, self._agent.questions
        return questions.verify(key, received.protected, authenticator, then, now_ms, asked.proven)

    def _authenticate_aaa(self, asked, now_ms):
        """3.8.2.1 a: all authentications are carried out: this one, if its key is here (RFC 4721 3.4)."""
        proof, aaa = asked.received.aaa_authentication, asked.node.aaa
        if proof.spi != aaa.spi:
            return self._forged(asked, AAA_FAILED, now_ms, _by_peer(asked))

        def then(genuine, now_ms):
            if genuine:
                return self._genuine(asked, now_ms)
            return self._forged(asked, AAA_FAILED, now_ms, _by_peer(asked))

        signed, questions = asked.received.aaa_protected, self._agent.questions
        return questions.verify(aaa.name, signed, proof.authenticator, then, now_ms, asked.proven)

    def _genuine(self, asked, now_ms):
        """Looked up again if nodes changed while the answer took its time, and kept from here on."""
        agent, request = self._agent, asked.received.message
        if asked.as_of != agent.nodes.changes:
            asked = self._looked_up_again(asked)
            if asked is None:
                return [Count("request_unknown_node")]
        agent.nodes.keep(asked.node)
        agent.sources.proved(asked.source, asked.proven, now_ms)
        association = asked.association
        unix_ms = now_ms + agent.unix_offset_ms
        if association.guard.lets_in(request.identification, unix_ms):
            return self._fresh(asked, now_ms)
        if association.repeats(request, asked.source, asked.port):
            answer = self._repeated(asked, now_ms)
            if answer is not None:
                return answer
        return self._stale(asked, now_ms, unix_ms)

    def _looked_up_again(self, asked):
        """None: the node, or the association that it was asked with, is not there any more."""
        nodes = self._agent.nodes
        node = nodes.asking(asked.received.message)
        association = node.associations.get(asked.association.spi) if node is not None else None
        if association is None or association.key != asked.association.key:
            return None
        return Asked(*asked[:3], node, association, *asked[5:8], nodes.changes)

    # -- What it asks for

    def _fresh(self, asked, now_ms):
        """Genuine and never seen: from here on the request is believed."""
        agent, node, request = self._agent, asked.node, asked.received.message
        verdict = self._judge(asked)
        wanted = networks.judge(request, node.networks)
        lifetime_s, code, actions, renewed, routed = 0, verdict.code, [], True, node.routed
        if code == admission.ACCEPTED:
            code, actions = self._admit(asked, verdict, wanted, now_ms)
        if code == admission.ACCEPTED and verdict.no_change:
            lifetime_s = self._lifetime_s(asked)
        elif code == admission.ACCEPTED:
            code, lifetime_s, changed, more = self._bind(asked, verdict, wanted, now_ms)
            renewed = not (changed or actions)
            actions += more
        identification = asked.association.took(request, asked.source, asked.port, code)
        agent.touched(node, now_ms, renewed)
        if lifetime_s and node.routed and not (renewed and node.routed == routed):
            return actions + self._when_forwarded(asked, code, lifetime_s, identification, verdict)
        return actions + self._answer(asked, code, lifetime_s, identification, verdict, now_ms)

    def _when_forwarded(self, asked, code, lifetime_s, identification, verdict):
        """Answered when tunneld has taken its networks, or has not (RFC 5177 6.6)."""

        def then(refused, now_ms):
            if not refused:
                return self._answer(asked, code, lifetime_s, identification, verdict, now_ms)
            again = self._looked_up_again(asked)
            if again is None:
                return [Count("request_unknown_node")]
            return self._not_forwarded(again, refused, code, lifetime_s, identification, verdict, now_ms)

        return self._agent.forwarding.confirm(asked.node, then)

    def _not_forwarded(self, asked, refused, code, lifetime_s, identification, verdict, now_ms):
        """Those networks are not the node's until it registers again; without any it is not bound."""
        agent, node, before = self._agent, asked.node, asked.node.routed
        node.routed = tuple([prefix for prefix in before if prefix not in refused])
        actions = agent.paths.networks_changed(node, before, now_ms)
        names = ", ".join([ipv4.prefix_text(prefix) for prefix in refused])
        text = "%s: not forwarded to: %s: %s" % (node.text, names, why("network_not_set_up"))
        actions += [Count("network_not_set_up"), Log("error", "binding", text)]
        if not node.routed:
            code = asked.association.last_code = networks.NETWORK_ERROR
            lifetime_s, last = 0, asked.received.message.identification
            for binding in [b for b in node.bindings if b.asked.identification == last]:
                actions += agent.drop_binding(node, binding, now_ms)
        return actions + self._answer(asked, code, lifetime_s, identification, verdict, now_ms)

    def _answer(self, asked, code, lifetime_s, identification, verdict, now_ms):
        """Counted, and replied to."""
        node, actions = asked.node, []
        if mip_codes.accepts(code):
            node.served().granted(now_ms)
        else:
            node.served().refused(code, now_ms)
            actions += self._note(asked, "reply_%d" % code, code, now_ms)
            actions.append(Log("notice", "refused", "%s: %s" % (node.text, why_code(code))))
        actions.append(COUNT_REPLY.get(code) or Count("reply_%d" % code))
        return actions + self._reply(asked, code, lifetime_s, identification, verdict, now_ms)

    def _admit(self, asked, verdict, wanted, now_ms):
        """(code, actions): is it for us, may it have the networks, and has it a home address?"""
        agent, node, request = self._agent, asked.node, asked.received.message
        if redirection(agent.agent, node, request) is not None:
            return REDIRECTED, []
        code = policy.judge(node.policy, request, verdict.kind)
        if code != admission.ACCEPTED:
            return code, []
        if wanted.code != admission.ACCEPTED or verdict.no_change or not request.lifetime_s:
            return wanted.code, []
        has_one, actions = agent.leases.give(node, request.home_address, now_ms)
        if has_one:
            return admission.ACCEPTED, actions
        any_will_do = request.home_address == bytes(4)
        return (NO_ROOM if any_will_do else admission.PROHIBITED), actions

    def _bind(self, asked, verdict, wanted, now_ms):
        """(code, lifetime that is granted, did a binding come, go or move, actions)"""
        agent, node, request = self._agent, asked.node, asked.received.message
        wish = Wish(
            request.care_of_address,
            asked.association.spi,
            self._lifetime_s(asked),
            bool(request.flags & mip.FLAG_S) and node.policy.simultaneous,
            verdict.kind,
            verdict.peer,
            verdict.port,
            bool(request.flags & mip.FLAG_T),
        )
        before, routed = list(node.bindings), node.routed
        outcome = agent.bindings.register(node, wish, now_ms)
        actions = []
        if outcome.code == admission.ACCEPTED:
            if request.lifetime_s:
                node.routed = wanted.routed
                self._note_binding(asked, outcome.binding, outcome.lifetime_s)
                agent.revocations.registered(node, request.care_of_address)
            if outcome.changed:
                actions.append(Changed("bindings", node.home_address))
                actions += agent.paths.changed(node, now_ms)
                actions.append(Log("info", "binding", node.describe()))
            else:
                actions = agent.paths.renewed(node, now_ms)
            if node.routed != routed:
                actions += agent.paths.networks_changed(node, routed, now_ms)
            if outcome.changed or not request.lifetime_s:
                actions += agent.bindings_changed(node, before, request, now_ms)
        code = outcome.code
        if code == admission.ACCEPTED and request.flags & mip.FLAG_S and not node.policy.simultaneous:
            code = mip_codes.ACCEPTED_NOT_SIMULTANEOUS
        return code, outcome.lifetime_s, outcome.changed, actions

    def _lifetime_s(self, asked):
        """What may be had of what it asks for."""
        may_s = self._agent.bindings.lifetime_max_s
        return min(asked.received.message.lifetime_s, may_s, asked.node.policy.lifetime_max_s)

    def _note_binding(self, asked, binding, lifetime_s):
        """How it was asked for; and if it is revocable: both sides said so, under an authentication that the
        other can check (RFC 3543 3.2)."""
        support, peer = self._revocation_support(asked)
        request = asked.received.message
        binding.asked = AskedFor(asked.source, request.flags, request.identification, lifetime_s)
        binding.revocable = None
        if support is not None:
            binding.revocable = Revocable(support.inform, support.timestamp, asked.source, asked.port, peer)

    def _revocation_support(self, asked):
        """(what the request says of it, the peer that says it; None: the node itself), or (None, None)."""
        received = asked.received
        if received.message.flags & mip.FLAG_D:
            return mip_extensions.find(received.message.extensions, mip_extensions.RevocationSupport), None
        if asked.peer is None:
            return None, None
        return mip_extensions.find(received.unprotected, mip_extensions.RevocationSupport), asked.peer

    def _repeated(self, asked, now_ms):
        """The same request again (its reply was lost): the same answer, and no longer a lifetime.

        None if what was granted is gone by now: then it is as stale as any other.
        """
        association, request = asked.association, asked.received.message
        verdict, code, lifetime_s = self._judge(asked), association.last_code, 0
        if mip_codes.accepts(code) and request.lifetime_s:
            lifetime_s = self._lifetime_s(asked)
            if not verdict.no_change:
                left = [b.left_s(now_ms) for b in asked.node.bindings if b.care_of == request.care_of_address]
                if not left:
                    return None
                lifetime_s = min(lifetime_s, max(left))
        identification = association.guard.again(request.identification)
        actions = [Count("request_repeated")]
        return actions + self._reply(asked, code, lifetime_s, identification, verdict, now_ms)

    def _judge(self, asked):
        agent = self._agent.agent
        if asked.to_all:
            return admission.refusal(admission.UNKNOWN_HOME_AGENT)  # 3.8.2.1: the reply says who we are
        return admission.judge(asked.received, asked.source, asked.port, agent.address, agent.udp_tunnelling)

    # -- Refusals

    def _forged(self, asked, code, now_ms, by_peer=False):
        """by_peer: it came from an agent that proved itself: that is always answered (3.8.2.1 a)."""
        name = "request_false_authenticator"
        actions = [Count(name)] + self._note(asked, name, code, now_ms)
        if by_peer or self._allowance.take(now_ms):
            source = ipv4.address_text(asked.source)
            text = "%s: false authenticator from %s: %s" % (asked.node.text, source, why_code(code))
            actions.append(Log("warning", "security", text))
            actions += self._refuse(asked, code, asked.received.message.identification, now_ms)
        return actions

    def _stale(self, asked, now_ms, unix_ms):
        actions = [Count("request_stale")]
        actions += self._note(asked, "request_stale", IDENTIFICATION_MISMATCH, now_ms)
        association = asked.association
        if association.may_refuse(now_ms):
            text = "%s: identification does not fit: %s" % (asked.node.text, why("request_stale"))
            actions.append(Log("notice", "security", text))
            identification = association.guard.mismatch(asked.received.message.identification, unix_ms)
            actions += self._refuse(asked, IDENTIFICATION_MISMATCH, identification, now_ms)
        return actions

    def _note(self, asked, name, code, now_ms):
        """For who asks why; SPI of what was false, or of the node's authentication (RFC 2006)."""
        request, received = asked.received.message, asked.received
        proof = received.authentication
        if code == AGENT_AUTHENTICATION_FAILED:
            proof = received.agent_authentication
        elif code == AAA_FAILED:
            proof = received.aaa_authentication
        spi = 0 if proof is None else proof.spi
        who = "%s %s" % (asked.node.name, asked.node.text)
        refusals = self._agent.refusals
        refusals.note(now_ms, name, who, asked.source, code, spi, request.identification)
        return [REFUSED]

    def _refuse(self, asked, code, identification, now_ms):
        asked.node.served().refused(code, now_ms)
        reply = self._reply(asked, code, 0, identification, admission.refusal(code), now_ms)
        return [Count("reply_%d" % code)] + reply

    # -- The reply

    def _reply(self, asked, code, lifetime_s, identification, verdict, now_ms):
        agent, request, association = self._agent, asked.received.message, asked.association
        for_node, for_agent = self._reply_extensions(asked, code, verdict, now_ms)
        home_address = request.home_address
        if mip_codes.accepts(code) and asked.node.home_address is not None:
            home_address = asked.node.home_address
        reply = mip.RegistrationReply(
            code, lifetime_s, home_address, agent.agent.address, identification, for_node
        )
        data = mip.pack_to_sign(reply, association.spi, association.authenticator_size)

        def then(authenticator, now_ms):
            whole = data + authenticator
            for extension in for_agent:
                whole += mip_extensions.pack_extension(extension)
            return self._sign_for_agent(asked, whole, now_ms)

        signing = agent.questions.sign(association.key, data, then, now_ms)
        return signing if request.lifetime_s else [Count("reply_deregister")] + signing

    def _reply_extensions(self, asked, code, verdict, now_ms):
        """What stands before and behind the node's authentication."""
        request, for_node, for_agent = asked.received.message, [], []
        if code not in PROVED_NOTHING:
            for_node += beside(self._agent.agent, asked.node, request, code)
        if not (request.extensions or asked.received.unprotected or asked.node.networks):
            return for_node, for_agent
        challenge = mip_extensions.find(asked.received.unprotected, mip_extensions.Challenge)
        if challenge is not None:
            for_agent.append(challenge)  # RFC 4721 3.4
        nai = mip_extensions.find(request.extensions, mip_extensions.Nai)
        if nai is not None:
            for_node.append(nai)  # RFC 2794 3: the foreign agent finds its request by it
        accepted = mip_codes.accepts(code)
        routed = asked.node.networks if verdict.no_change else asked.node.routed
        for_node += networks.acknowledge(
            request, asked.node.networks, routed, admission.ACCEPTED if accepted else code
        )
        if not accepted or not request.lifetime_s:
            return for_node, for_agent
        co_located = request.flags & mip.FLAG_D
        if verdict.udp is not None:
            answer = mip_extensions.UDP_TUNNEL_WILL_DO if verdict.udp else mip_extensions.UDP_TUNNEL_DECLINED
            keepalive_s = self._agent.agent.keepalive_s if verdict.udp else 0
            tunnel = mip_extensions.UdpTunnelReply(answer, verdict.forced, keepalive_s)
            (for_node if co_located else for_agent).append(tunnel)
        support, _ = self._revocation_support(asked)
        if support is not None and not verdict.no_change:
            stamp = self._agent.stamps.next(now_ms + self._agent.unix_offset_ms)
            ours = mip_extensions.RevocationSupport(support.inform, stamp)
            (for_node if co_located else for_agent).append(ours)
        return for_node, for_agent

    def _sign_for_agent(self, asked, data, now_ms):
        agent, peer = self._agent, asked.peer
        if peer is None or not asked.received.message.lifetime_s:
            return self._send(asked, data)
        size = ALGORITHMS[peer.algorithm].authenticator_size
        data += mip_extensions.pack_head_to_sign(mip_extensions.FOREIGN_HOME, peer.spi, size)

        def then(authenticator, now_ms):
            return [Send(agent.uplink, asked.source, asked.port, data + authenticator)]

        return agent.questions.sign(peer.name, data, then, now_ms)

    def _send(self, asked, data):
        """To where the request came from. Who asks from home is there, whatever binding still stands, which
        would take the reply away (3.8.3.1)."""
        agent, node = self._agent, asked.node
        if agent.home_link is not None and node.bindings and asked.source == node.home_address:
            frames = agent.home_link.reply_at_home(asked, data)
            if frames:
                return frames
        return [Send(agent.uplink, asked.source, asked.port, data)]
