"""The home agent's role (RFC 5944 section 3.8): requests in, replies and tunnels out.

    Datagram --unpack--> node and association? --Verify--> fresh? --admit--> bindings --Authenticate--> Send

Each arrow may end the matter, under a name that is counted. Nothing is believed, kept or answered
before the authenticator was verified; what is not from a configured node or has no known association
is dropped without a word (3.8.2.1 a). A false authenticator is answered with 131 and a stale
identification with 133, both at a bounded rate.

What tunneld should hold for a node is said before the reply is sent, so that packets that follow the
reply find their tunnel.

Over a restart of careofd bindings and identifications are kept (Save), since mobile nodes renew only after
minutes: the table is saved in pieces, each a moment after it changed and not more than once a second;
restored at the start, the same tunnels and routes are held again under their old numbers. A binding
of the last moment may be missing: then its node's probes go unanswered, and it registers again.
"""

from collections import namedtuple

from ..limits import (
    MIP_PORT,
    PENDING_MAX,
    QUESTION_FORGOTTEN_MS,
    REFUSALS_PER_S,
    STATUS_ROWS_MAX,
    UPLINK_RETRY_MS,
)
from ..proto import admission
from ..proto.bindings import Bindings, Wish
from ..wire import ipv4, mip, mip_codes, mip_extensions, tunneld
from ..wire.reader import Malformed
from . import events
from .agent_state import AgentState
from .allowance import Allowance
from .events import Authenticate, Count, Hold, Log, Release, Send, Settled, Stop, Verify
from .nodes import Nodes
from .paths import AgentPaths

AUTHENTICATION_FAILED, IDENTIFICATION_MISMATCH = 131, 133

_Question = namedtuple("_Question", "at_ms node association message source port uplink")


class HomeAgent:
    """One home agent: see agent.events for how it is driven."""

    def __init__(self, options, random, first_number=1):
        agent = options.agent
        self.name = "home_agent-" + agent.name
        self.agent = agent
        self.bindings = Bindings(agent.max_bindings, agent.lifetime_max_s)
        self.nodes = Nodes(options, random)
        self.uplink = first_number
        self.paths = AgentPaths(first_number + 1, self.uplink, agent.packet_size)
        self._state = AgentState(self)
        self._state.divide()
        self._allowance = Allowance(REFUSALS_PER_S)
        self._unix_offset_ms = 0
        self._questions = {}  # token -> _Question
        self._token = 0
        self._retry_ms = None  # when to ask again for the uplink that tunneld refused
        self._refusal = None  # the last one's text: it is told once

    def deadline(self):
        """When to call handle(Late(), now), in ms, or None."""
        soonest_ms = self._retry_ms
        for part in (self.bindings, self.paths, self._state):
            at_ms = part.deadline()
            if at_ms is not None and (soonest_ms is None or at_ms < soonest_ms):
                soonest_ms = at_ms
        return soonest_ms

    def handle(self, event, now_ms):
        """Take one event; return the list of actions that it causes."""
        rule = RULES.get(type(event))
        return rule(self, event, now_ms) if rule else []

    # -- Requests

    def _datagram_arrived(self, event, now_ms):
        if event.uplink != self.uplink:
            return []
        try:
            received = mip.unpack(event.data)
        except Malformed as e:
            return self._dropped("request_malformed", str(e), event)
        message, proof = received.message, received.authentication
        if not isinstance(message, mip.RegistrationRequest):
            return self._dropped("not_a_request", "", event)
        node = self.nodes.find(message.home_address)
        if node is None:
            return self._dropped("request_unknown_node", "", event)
        if proof is None:
            return self._dropped("request_not_authenticated", "", event)
        association = node.associations.get(proof.spi)
        if association is None:
            return self._dropped("request_unknown_spi", "SPI %d" % proof.spi, event)
        if len(self._questions) >= PENDING_MAX and not self._forgot_questions(now_ms):
            return [Count("request_too_many")]
        token = self._ask(
            _Question(now_ms, node, association, message, event.source, event.source_port, event.uplink)
        )
        return [Verify(token, association.key, received.protected, proof.authenticator)]

    def _verified(self, event, now_ms):
        question = self._questions.pop(event.token, None)
        if question is None:
            return []
        if not event.genuine:
            return self._forged(question, now_ms)
        request, association = question.message, question.association
        unix_ms = now_ms + self._unix_offset_ms
        if association.guard.lets_in(request.identification, unix_ms):
            return self._fresh(question, now_ms)
        if association.repeats(request, question.source, question.port):
            answer = self._repeated(question, now_ms)
            if answer is not None:
                return answer
        return self._stale(question, now_ms, unix_ms)

    def _fresh(self, question, now_ms):
        """Genuine and never seen: from here on the request is believed."""
        node, association, request = question.node, question.association, question.message
        verdict = self._judge(question)
        code, lifetime_s, actions = verdict.code, 0, []
        if code == admission.ACCEPTED and not verdict.no_change:
            wish = Wish(
                request.care_of_address,
                association.spi,
                request.lifetime_s,
                bool(request.flags & mip.FLAG_S),
                verdict.kind,
                verdict.peer,
                verdict.port,
                bool(request.flags & mip.FLAG_T),
            )
            outcome = self.bindings.register(node, wish, now_ms)
            code, lifetime_s = outcome.code, outcome.lifetime_s
            if outcome.changed:
                actions = self.paths.changed(node, now_ms)
                actions.append(Log("info", "binding", node.describe()))
            elif code == admission.ACCEPTED:
                actions = self.paths.renewed(node, now_ms)
        elif verdict.no_change:
            lifetime_s = min(request.lifetime_s, self.bindings.lifetime_max_s)
        identification = association.took(request, question.source, question.port, code)
        self._state.touched(node, now_ms)
        if code != admission.ACCEPTED:
            actions.append(Log("notice", "refused", "%s: %s" % (node.text, mip_codes.describe_code(code))))
        actions.append(Count("reply_%d" % code))
        return actions + self._reply(question, code, lifetime_s, identification, verdict, now_ms)

    def _repeated(self, question, now_ms):
        """The same request again (its reply was lost): the same answer, and no longer a lifetime.

        None if what was granted is gone by now: then it is as stale as any other.
        """
        association, request = question.association, question.message
        verdict, code, lifetime_s = self._judge(question), association.last_code, 0
        if code == admission.ACCEPTED and request.lifetime_s:
            lifetime_s = min(request.lifetime_s, self.bindings.lifetime_max_s)
            if not verdict.no_change:
                left = [
                    b.left_s(now_ms) for b in question.node.bindings if b.care_of == request.care_of_address
                ]
                if not left:
                    return None
                lifetime_s = min(lifetime_s, max(left))
        identification = association.guard.again(request.identification)
        actions = [Count("request_repeated")]
        return actions + self._reply(question, code, lifetime_s, identification, verdict, now_ms)

    def _forged(self, question, now_ms):
        actions = [Count("request_false_authenticator")]
        if self._allowance.take(now_ms):
            text = "%s: false authenticator from %s" % (
                question.node.text,
                ipv4.address_text(question.source),
            )
            actions.append(Log("warning", "security", text))
            identification = question.message.identification
            actions += self._refuse(question, AUTHENTICATION_FAILED, identification, now_ms)
        return actions

    def _stale(self, question, now_ms, unix_ms):
        actions = [Count("request_stale")]
        association = question.association
        if association.may_refuse(now_ms):
            actions.append(Log("notice", "security", question.node.text + ": identification does not fit"))
            identification = association.guard.mismatch(question.message.identification, unix_ms)
            actions += self._refuse(question, IDENTIFICATION_MISMATCH, identification, now_ms)
        return actions

    def _refuse(self, question, code, identification, now_ms):
        return self._reply(question, code, 0, identification, admission.refusal(code), now_ms)

    def _judge(self, question):
        agent = self.agent
        return admission.judge(
            question.message, question.source, question.port, agent.address, agent.udp_tunnelling
        )

    def _reply(self, question, code, lifetime_s, identification, verdict, now_ms):
        extensions = []
        if verdict.udp is not None and code == admission.ACCEPTED and question.message.lifetime_s:
            reply_code = (
                mip_extensions.UDP_TUNNEL_WILL_DO if verdict.udp else mip_extensions.UDP_TUNNEL_DECLINED
            )
            keepalive_s = self.agent.keepalive_s if verdict.udp else 0
            extensions.append(mip_extensions.UdpTunnelReply(reply_code, verdict.forced, keepalive_s))
        request, association = question.message, question.association
        reply = mip.RegistrationReply(
            code, lifetime_s, request.home_address, self.agent.address, identification, extensions
        )
        data = mip.pack_to_sign(reply, association.spi, association.authenticator_size)
        token = self._ask(
            _Question(now_ms, None, None, data, question.source, question.port, question.uplink)
        )
        return [Authenticate(token, association.key, data)]

    def _authenticated(self, event, now_ms):
        question = self._questions.pop(event.token, None)
        if question is None:
            return []
        data = question.message + event.authenticator
        return [Send(question.uplink, question.source, question.port, data)]

    def _ask(self, question):
        self._token = (self._token + 1) & 0x3FFFFFFF
        self._questions[self._token] = question
        return self._token

    def _forgot_questions(self, now_ms):
        """Drop the questions that were never answered; is there room now?"""
        old = [t for t, q in self._questions.items() if now_ms - q.at_ms > QUESTION_FORGOTTEN_MS]
        for token in old:
            del self._questions[token]
        return bool(old)

    def _dropped(self, name, why, event):
        source = ipv4.address_text(event.source)
        return [Count(name), Log("debug", name, "from %s: %s" % (source, why) if why else "from " + source)]

    # -- Life

    def _wall_clock_set(self, event, now_ms):
        self._unix_offset_ms = event.offset_ms
        self._state.unix_offset_ms = event.offset_ms
        return []

    def _started(self, event, now_ms):
        actions = self._ground()
        for node in self.nodes:
            if node.bindings:
                actions += self.paths.changed(node, now_ms)
        return actions + [Settled()]

    def _ground(self):
        """What is held whether or not anyone is registered."""
        agent = self.agent
        actions = [
            Hold(("tun",), tunneld.SetTun(bytes(4), agent.packet_size)),
            self._open(),
        ]
        for prefix in self._delivered():
            actions.append(Hold(("deliver",) + prefix, tunneld.SetDeliver(prefix[0], prefix[1])))
        return actions

    def _delivered(self):
        """What the kernel hands to us: the prefixes of all nodes."""
        return {prefix for node in self.nodes for prefix in node.prefixes()}

    def _time_passed(self, event, now_ms):
        actions = []
        if self._retry_ms is not None and self._retry_ms <= now_ms:
            actions.append(self._open())
        for node in self.bindings.expire(now_ms):
            actions += self.paths.changed(node, now_ms)
            actions += [Count("binding_expired"), Log("notice", "binding", node.describe() + " (expired)")]
            self._state.touched(node, now_ms)
        return actions + self.paths.graces_over(now_ms) + self._state.due(now_ms)

    def _restored(self, event, now_ms):
        return self._state.restore(event, now_ms)

    def _reconfigured(self, event, now_ms):
        """Take over what changed; a node that is still there keeps its bindings."""
        agent, delivered = event.options.agent, self._delivered()
        resized, self.agent = agent.packet_size != self.agent.packet_size, agent
        self.bindings.bindings_max, self.bindings.lifetime_max_s = agent.max_bindings, agent.lifetime_max_s
        gone, moved = self.nodes.configure(event.options)
        actions = []
        for node in gone:
            self.bindings.forget(node)
            actions += self.paths.forget(node)
        for node, networks in moved:
            actions += self.paths.networks_changed(node, networks, now_ms)
        for node in self.nodes:
            if self.bindings.drop_others(node, node.associations):
                actions += self.paths.changed(node, now_ms)
        actions += [Release(("deliver",) + prefix) for prefix in delivered if prefix not in self._delivered()]
        if resized:
            actions += self.paths.resized(agent.packet_size)
        self._state.divide()
        for node in self.nodes:
            self._state.touched(node, now_ms)
        return actions + self._ground()

    def _commanded(self, event, now_ms):
        if event.name != "stop":
            return []
        return self._state.flush(now_ms) + [Stop()]

    def snapshot(self, now_ms):
        """What `careof status` shows of this role: plain JSON values, of so many bindings as it can."""
        rows = []
        for node in self.nodes:
            if node.bindings:
                rows += node.snapshot(now_ms)
                if len(rows) >= STATUS_ROWS_MAX:
                    break
        return {
            "name": self.name,
            "home_agent": ipv4.address_text(self.agent.address),
            "state": "serving",
            "nodes": len(self.nodes),
            "bindings": self.bindings.count,
            "bound": rows[:STATUS_ROWS_MAX],
        }

    def _refused(self, event, now_ms):
        """Our address may not be there yet, when the machine has only just started: try again."""
        message, ours = event.message, False
        if isinstance(message, tunneld.SetUplink):
            if message.uplink != self.uplink:
                return []
            self._retry_ms, ours = now_ms + UPLINK_RETRY_MS, True
        text = "refused %s: %s" % (type(message).__name__, event.text)
        level = "debug" if text == self._refusal else "error"
        self._refusal = text
        return [Log(level, "tunneld", text)] + ([Release(("uplink", self.uplink))] if ours else [])

    def _open(self):
        self._retry_ms = None
        uplink = tunneld.SetUplink(self.uplink, "", self.agent.address, MIP_PORT)
        return Hold(("uplink", self.uplink), uplink)


RULES = {
    events.Datagram: HomeAgent._datagram_arrived,
    events.Verified: HomeAgent._verified,
    events.Authenticated: HomeAgent._authenticated,
    events.Late: HomeAgent._time_passed,
    events.WallClock: HomeAgent._wall_clock_set,
    events.Restored: HomeAgent._restored,
    events.Start: HomeAgent._started,
    events.Refused: HomeAgent._refused,
    events.Reconfigured: HomeAgent._reconfigured,
    events.Command: HomeAgent._commanded,
}
