"""A foreign agent's way from a home agent's reply to the visitor (RFC 5944 3.7.3, RFC 4636, RFC 3519 4.6).

    reply --> pending? --> foreign-home authentication --> visitor list --> what tunneld holds --> to the node

What the reply says of the tunnel decides its kind: UDP if the home agent assents, else as the request's
flags ask. If we cannot honour a reply that accepts, it is passed on with our error beside it (RFC 4636),
and the home agent is told by a revocation if it understands that.
"""

from ...limits import ERROR_DOUBTED_MS, KEEPALIVE_MIN_S, KEEPALIVE_S, MIP_PORT
from ...proto import visiting
from ...proto.kinds import kind_of, udp_kind_of
from ...wire import ipv4, mip, mip_codes, mip_extensions
from ..events import REFUSED, Changed, Count, Log
from ..reasons import why, why_code
from .visitors import Visitor, name_of, text_of


class Replies:
    """Of one foreign agent, `agent`."""

    def __init__(self, agent):
        self._agent = agent

    def arrived(self, received, event, now_ms):
        """A reply to our outside address."""
        agent, reply = self._agent, received.message
        pending = agent.visitors.asked_by(reply, event.source)
        if pending is None:
            name, home = "visitor_reply_not_awaited", ipv4.address_text(reply.home_address)
            agent.refusals.note(now_ms, name, home, event.source, None, 0, reply.identification)
            return [Count("visitor_reply"), Count(name), REFUSED]
        return [Count("visitor_reply")] + self._awaited(pending, received, event, now_ms)

    def _awaited(self, pending, received, event, now_ms):
        agent = self._agent
        association = agent.peers.of(event.source).association
        if association is None:
            return self._genuine(pending, received, event, now_ms)
        proof = received.agent_authentication
        if proof is None and not visiting.is_signed_by_agents(pending.asked.received.message):
            return self._genuine(pending, received, event, now_ms)
        if type(proof) is not mip_extensions.ForeignHomeAuthentication or proof.spi != association.spi:
            return self._forged(pending, received, now_ms)

        def then(genuine, now_ms):
            if not genuine:
                return self._forged(pending, received, now_ms)
            if pending not in agent.visitors.pending:
                return []  # the same reply twice, and the other copy was first
            return self._genuine(pending, received, event, now_ms)

        signed = received.agent_protected
        return agent.questions.verify(association.name, signed, proof.authenticator, then, now_ms)

    def _forged(self, pending, received, now_ms):
        pending.forged_reply = True
        name, source = "visitor_reply_false_authenticator", pending.verdict.home_agent
        who, proof = "home agent " + ipv4.address_text(source), received.agent_authentication
        spi, identification = 0 if proof is None else proof.spi, received.message.identification
        self._agent.refusals.note(now_ms, name, who, source, None, spi, identification)
        text = "%s: %s" % (who, why(name))
        return [Count(name), Log("warning", "security", text), REFUSED]

    def timed_out(self, pending, now_ms):
        """No reply, or none that was genuine (3.7.1, 3.7.3.1), or word that it cannot arrive (3.7.3)."""
        code = pending.unreachable or visiting.TIMED_OUT
        if pending.forged_reply:
            code = visiting.HOME_AGENT_FAILED
        return [Count("visitor_timed_out")] + self._agent.requests.deny(pending.asked, code, now_ms)

    def unreachable(self, event, now_ms):
        """An ICMP error about a request that we sent on (3.7.3).

        Who quotes the request has seen it, and it is refused at once. One that quotes less may be anybody's
        invention: a reply that comes within a moment is as good as ever.
        """
        agent = self._agent
        pending = agent.visitors.sent_to(event.destination, event.data) if event.port == MIP_PORT else None
        if pending is None:
            return [Count("unreachable_not_awaited")]
        code = visiting.unreachable_code(event.kind, event.code)
        if len(event.data) >= mip.REQUEST_SIZE:
            agent.visitors.answered(pending)
            return [Count("unreachable")] + agent.requests.deny(pending.asked, code, now_ms)
        pending.unreachable = pending.unreachable or code
        pending.gives_up_ms = min(pending.gives_up_ms, now_ms + ERROR_DOUBTED_MS)
        return [Count("unreachable_doubted")]

    def _genuine(self, pending, received, event, now_ms):
        agent, reply = self._agent, received.message
        agent.visitors.answered(pending)
        actions, status = [Count("visitor_reply_%d" % reply.code)], 0
        code = visiting.judge_reply(pending.asked.received.message, received)
        if code:
            actions += self._not_honoured(pending, received, now_ms)
            return actions + agent.requests.deny(pending.asked, code, now_ms)
        if self._challenge_differs(pending, received):
            status = visiting.WRONG_CHALLENGE  # RFC 4721 3.3
        elif mip_codes.accepts(reply.code):
            more, status = self._accepted(pending, received, event, now_ms)
            actions += more
        else:
            who = text_of(*name_of(pending.asked.received.message))
            name = "visitor_reply_%d" % reply.code
            agent.refusals.note(now_ms, name, who, pending.verdict.home_agent, reply.code)
            actions.append(REFUSED)
            text = "%s refused by its home agent: %s" % (who, why_code(reply.code))
            actions.append(Log("notice", "visitor", text))
        data = received.relayed if received.authentication is not None else mip.pack(reply)
        if status:
            actions += self._not_honoured(pending, received, now_ms)
            data += mip_extensions.pack_extension(mip_extensions.AgentError(status))
            name = "visitor_error_%d" % status
            who = text_of(*name_of(pending.asked.received.message))
            agent.refusals.note(now_ms, name, who, pending.verdict.home_agent, status)
            text = "%s: its home agent's reply is not honoured: %s" % (who, why_code(status))
            actions += [Count(name), Log("notice", "visitor", text), REFUSED]
        return actions + agent.requests.reply(pending.asked, data, now_ms)

    def _not_honoured(self, pending, received, now_ms):
        """The home agent may have a binding now that we do not serve: it should hear of it (RFC 4636 6)."""
        reply, request = received.message, pending.asked.received.message
        signed = received.agent_authentication is not None
        support = mip_extensions.find(received.unprotected, mip_extensions.RevocationSupport)
        granted = mip_codes.accepts(reply.code) and reply.lifetime_s and request.lifetime_s
        if not granted or not signed or support is None or request.flags & mip.FLAG_D:
            return []
        if self._agent.visitors.find(reply.home_address) is not None:
            return []  # a visit that stands has the same ends: what we revoked would be that
        return self._agent.revocations.not_honoured(pending, reply, now_ms)

    @staticmethod
    def _challenge_differs(pending, received):
        theirs = mip_extensions.find(received.unprotected, mip_extensions.Challenge)
        return theirs is not None and theirs.value != pending.asked.challenge

    def _accepted(self, pending, received, event, now_ms):
        """(actions, our status: 0 or why we do not honour it)"""
        agent, reply, request = self._agent, received.message, pending.asked.received.message
        visitor = agent.visitors.find(reply.home_address)
        if reply.lifetime_s == 0 or request.lifetime_s == 0:
            return self._deregistered(visitor, request, now_ms), 0
        status = self._cannot(pending, reply, visitor)
        if status:
            return [], status
        in_udp = self._in_udp(pending, received)
        end = self._end(pending, in_udp, event)
        if end is None:
            return [], visiting.NO_ENCAPSULATION
        is_new = visitor is None
        if is_new:
            visitor = Visitor(reply.home_address, name_of(request)[1])
        visitor.takes(pending, reply, end, min(reply.lifetime_s, agent.options.agent.lifetime_max_s), now_ms)
        support = mip_extensions.find(received.unprotected, mip_extensions.RevocationSupport)
        signed = received.agent_authentication is not None
        visitor.revocable = support if support is not None and signed else None
        visitor.keepalive_s = 0
        if in_udp is not None:
            visitor.keepalive_s = max(in_udp.keepalive_s or KEEPALIVE_S, KEEPALIVE_MIN_S)
        agent.visitors.add(visitor)
        agent.keepalives.registered(visitor, now_ms)
        if agent.udp_flags is not None and not visitor.co_located:
            agent.sees_nat(in_udp is not None and not in_udp.forced, now_ms)
        agent.revocations.registered(visitor)
        actions = agent.paths.changed(visitor, now_ms)
        agent.touched(visitor, now_ms)
        actions.append(Changed("visitors", visitor.home_address))
        if is_new:
            actions.append(Log("info", "visitor", visitor.text() + " registered"))
            actions += agent.room_changed(now_ms)
        return actions, 0

    def _deregistered(self, visitor, request, now_ms):
        """The node left, or went home; a reply about another care-of address of it leaves ours alone."""
        agent = self._agent
        if visitor is None or request.care_of_address not in (visitor.care_of, visitor.home_address):
            return []
        return agent.forget(visitor, "deregistered", now_ms)

    def _cannot(self, pending, reply, visitor):
        agent, home = self._agent, reply.home_address
        if not visiting.is_unicast(home) or home in agent.own_addresses() or not agent.peers.may_visit(home):
            return visiting.PROHIBITED
        if visitor is None and len(agent.visitors) >= agent.options.agent.max_visitors:
            return visiting.NO_ROOM
        request = pending.asked.received.message
        straight = not request.flags & (mip.FLAG_D | mip.FLAG_T)
        if straight and visiting.must_reverse(home, agent.options.agent.reverse_tunnel):
            return visiting.REVERSE_TUNNEL_MANDATORY  # the request did not say which home address
        return 0

    def _in_udp(self, pending, received):
        """The UdpTunnelReply by which the home agent assents, or None."""
        if self._agent.udp_flags is None or pending.asked.received.message.flags & mip.FLAG_D:
            return None
        for extensions in (received.unprotected, received.message.extensions):
            tunnel = mip_extensions.find(extensions, mip_extensions.UdpTunnelReply)
            if tunnel is not None:
                return tunnel if tunnel.code < mip_extensions.UDP_TUNNEL_DECLINED_FROM else None
        return None

    @staticmethod
    def _end(pending, in_udp, event):
        """(kind, peer, port) of the tunnel, or None: it cannot be made."""
        flags = pending.asked.received.message.flags
        if in_udp is None:
            return kind_of(flags), event.source, 0
        kind = udp_kind_of(flags)
        return None if kind is None else (kind, event.source, event.source_port)
