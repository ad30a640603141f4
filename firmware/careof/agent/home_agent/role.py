"""The home agent's role (RFC 5944 section 3.8): requests in, replies and tunnels out.

    Datagram --request--> authentic, fresh, admitted --> bindings, paths --> Send       home_agent.requests
    Datagram --revocation--> authentic, later --> the binding ends                      home_agent.revocation
    Datagram --tunnel data--> the first keepalive of a half-bound tunnel?               home_agent.half_bound
    Link, Frame --> advertisements, ARP for who is away                                 home_agent.link

What is not from a configured node or has no known association is dropped without a word (3.8.2.1 a).

What tunneld should hold for a node is said before the reply is sent, so that packets that follow the
reply find their tunnel; and where networks lie behind it, the reply waits until that is done.

Over a restart of careofd bindings and identifications are kept (Save), since mobile nodes renew only after
minutes: a row of each node is saved a moment after it changed. Restored at the start, the same tunnels and
routes are held again under their old numbers. A binding of the last moment may be missing: then its node's
probes go unanswered, and it registers again.
"""

from errno import ENOENT

from ...limits import MIP_PORT, STATUS_ROWS_MAX, SWEEP_NODES, UPLINK_RETRY_MS
from ...proto.bindings import Bindings
from ...proto.revocation import Stamps
from ...proto.visiting import is_unicast
from ...wire import ipv4, mip, tunneld
from ...wire.reader import Malformed
from .. import events
from ..events import REFUSED, Changed, Contents, Count, Hold, Log, Release, Settled, Stop
from ..paths import AgentPaths, hold_deliver, release_deliver
from ..questions import Questions
from ..reasons import why
from ..refusals import Refusals
from .forwarding import Forwarding
from .half_bound import HalfBound
from .leases import Leases
from .nodes import Nodes
from .requests import Requests
from .revocation import Revocations
from .sources import Sources
from .state import AgentState
from .view import HomeView

TUNNEL_DATA = bytes((mip.TUNNEL_DATA,))


class HomeAgent:
    """One home agent: see agent.events for how it is driven."""

    def __init__(self, options, random, first_number=1):
        agent = options.agent
        self.name = "home_agent-" + agent.name
        self.agent = agent
        self.bindings = Bindings(agent.max_bindings, agent.lifetime_max_s)
        self.nodes = Nodes(options, random)
        self.uplink = first_number
        self.paths = AgentPaths(
            first_number + 1, self.uplink, agent.packet_size, self._serves, self._home_length
        )
        self._state = AgentState(self)
        self.paths.own_address = agent.address
        self.unix_offset_ms = 0
        self.peers = peers_of(options)
        self.questions = Questions()
        self.sources = Sources(agent.max_bindings, random)
        self.stamps = Stamps()
        self.refusals = Refusals()
        self.view = HomeView(self)
        self.requests, self.revocations = Requests(self), Revocations(self)
        self._takes = {
            mip.RegistrationRequest: self.requests.arrived,
            mip.Revocation: self.revocations.arrived,
            mip.RevocationAcknowledgment: self.revocations.acknowledged,
        }
        self.forwarding, self.half_bound = Forwarding(), HalfBound(self)
        self.home_link = None
        if agent.home_device is not None:
            from .link import HomeLink

            self.home_link = HomeLink(self, first_number, random)
        self.leases = Leases(self)
        self._timed = [self.bindings, self.paths, self._state, self.revocations]
        if self.home_link is not None:
            self._timed.append(self.home_link)
        self._unstarted, self._start_ms = [], None  # bound nodes that nothing is held for yet, when to go on
        self._sweep_ms = None  # when to go on with carrying out another table of nodes
        self._retry_ms = None  # when to ask again for the uplink that tunneld refused
        self._refusal = None  # the last one's text: it is told once

    def deadline(self):
        """When to call handle(Late(), now), in ms, or None."""
        soonest_ms = self._retry_ms if self._sweep_ms is None else self._sweep_ms
        soonest_ms = soonest_ms if self._start_ms is None else self._start_ms
        for part in self._timed:
            at_ms = part.deadline()
            if at_ms is not None and (soonest_ms is None or at_ms < soonest_ms):
                soonest_ms = at_ms
        return soonest_ms

    def handle(self, event, now_ms):
        """Take one event; return the list of actions that it causes."""
        rule = RULES.get(type(event))
        return rule(self, event, now_ms) if rule else []

    # -- Messages

    def _datagram_arrived(self, event, now_ms):
        if event.uplink != self.uplink:
            return []
        if not is_unicast(event.source) or not event.source_port:
            return self.dropped(
                "source_not_unicast", "", event, now_ms
            )  # an answer would reach many, or nobody
        try:
            received = mip.unpack(event.data)
        except Malformed as e:
            if event.data[:1] == TUNNEL_DATA:
                return self.half_bound.arrived(event, now_ms)
            return self.dropped("request_malformed", str(e), event, now_ms)
        takes = self._takes.get(type(received.message))
        if takes is None:
            return self.dropped("not_a_request", "", event, now_ms)
        return takes(received, event, now_ms)

    def _verified(self, event, now_ms):
        return self.questions.verified(event, now_ms)

    def _authenticated(self, event, now_ms):
        return self.questions.authenticated(event, now_ms)

    def _home_length(self, node):
        """See AgentPaths."""
        if not node.policy.broadcast:
            return None
        if self.home_link is not None and self.home_link.is_on_link(node):
            return self.home_link.advertiser.prefix_length
        return self.nodes.home_length(node.home_address) or self.agent.home_prefix_length

    def _serves(self, address):
        """Is it one of our home addresses?"""
        return self.nodes.find(address) is not None

    def dropped(self, name, detail, event, now_ms, request=None):
        """Not worth an answer: counted, noted for who asks why, and told to whoever debugs."""
        source = ipv4.address_text(event.source)
        who = "-" if request is None else ipv4.address_text(request.home_address)
        identification = 0 if request is None else request.identification
        self.refusals.note(now_ms, name, who, event.source, None, 0, identification)
        text = "from %s: %s" % (source, why(name)) + (": " + detail if detail else "")
        return [Count(name), Log("debug", name, text), Contents(name, event.data), REFUSED]

    # -- Bindings

    def bindings_changed(self, node, before, request, now_ms):
        """After a request, what it ended without the other end's doing; and the home link."""
        actions = []
        for binding in before:
            # Who ends a binding by its care-of address does so through the agent there.
            by_its_agent = not node.bindings and binding.care_of == request.care_of_address
            if binding not in node.bindings and not by_its_agent:
                actions += self.revocations.moved(node, binding, now_ms)
        if self.home_link is None:
            return actions
        if bool(before) != bool(node.bindings):
            actions += self.home_link.bindings_changed(node, now_ms)
        if not node.bindings:
            actions += self.home_link.came_home(node, request.identification, now_ms)
        return actions

    def revoke(self, node, now_ms):
        """An administrator ends all bindings of a node."""
        actions, ended = [], list(node.bindings)
        self.bindings.forget(node)
        for binding in ended:
            actions += self.revocations.ended(node, binding, True, now_ms)
        return self._ended(node, ended, now_ms) + actions

    def drop_binding(self, node, binding, now_ms):
        """This one ended at its other end."""
        before = list(node.bindings)
        self.bindings.drop(node, binding)
        return self._ended(node, before, now_ms)

    def _ended(self, node, before, now_ms):
        self.touched(node, now_ms)
        actions = self.paths.changed(node, now_ms) + [Log("notice", "binding", node.describe())]
        actions.append(Changed("bindings", node.home_address))
        if not node.bindings and before and self.home_link is not None:
            actions += self.home_link.bindings_changed(node, now_ms)
        return actions

    def touched(self, node, now_ms, renewed=False):
        """Something of the node changed: it is saved before long. renewed: no more than for how long."""
        if not renewed:
            self.leases.touched(node)
            node.bound_or_not(now_ms)
        self._state.touched(node, now_ms)

    def own_addresses(self):
        """Addresses of this machine that we know of: no node's."""
        found = [self.agent.address]
        if self.home_link is not None and self.home_link.advertiser.address is not None:
            found.append(self.home_link.advertiser.address)
        return found

    # -- Life

    def _wall_clock_set(self, event, now_ms):
        self.unix_offset_ms = event.offset_ms
        self._state.clock_set(event.offset_ms, now_ms)
        return []

    def _started(self, event, now_ms):
        self._unstarted = [node for node in self.nodes if node.bindings]
        return self._state.started(now_ms) + self._ground() + self._start_on(now_ms)

    def _start_on(self, now_ms):
        """Hold again what was restored, for some nodes at a time: who asks meanwhile is served as well."""
        actions, piece = [], self._unstarted[-SWEEP_NODES:]
        del self._unstarted[-SWEEP_NODES:]
        for node in piece:
            if node.bindings:
                node.bound_or_not(now_ms)
                actions += self.paths.changed(node, now_ms)
        self._start_ms = now_ms if self._unstarted else None
        return actions if self._unstarted else actions + [Settled()]

    def _ground(self):
        """What is held whether or not anyone is registered."""
        agent = self.agent
        actions = [
            Hold(("tun",), tunneld.SetTun(bytes(4), agent.packet_size)),
            self._open(),
        ]
        return actions + [hold_deliver(prefix) for prefix in self._delivered()]

    def _delivered(self):
        """What the kernel hands to us whoever is registered: home networks, and outside of them what sections
        have, but addresses that are at home. With a home link, those of the pool may be, too."""
        delivered = set(self.agent.home_network)
        if self.home_link is None:
            delivered.update(self.agent.address_pool)
        for node in self.nodes.sections():
            at_home = self.home_link is not None and not node.bindings and self.home_link.is_on_link(node)
            delivered.update(self.nodes.outside(node.networks if at_home else node.prefixes()))
        return delivered

    def _time_passed(self, event, now_ms):
        actions = []
        if self._retry_ms is not None and self._retry_ms <= now_ms:
            actions.append(self._open())
        for node in self.bindings.expire(now_ms):
            actions += self.paths.changed(node, now_ms)
            if not node.bindings and self.home_link is not None:
                actions += self.home_link.bindings_changed(node, now_ms)
            actions += [Count("binding_expired"), Log("notice", "binding", node.describe() + " (expired)")]
            actions.append(Changed("bindings", node.home_address))
            self.touched(node, now_ms)
        if self._start_ms is not None:
            actions += self._start_on(now_ms)
        if self._sweep_ms is not None:
            actions += self._sweep(now_ms)
        if self.home_link is not None:
            actions += self.home_link.due(now_ms)
        actions += self.revocations.due(now_ms)
        return actions + self.paths.graces_over(now_ms) + self._state.due(now_ms)

    def _link_changed(self, event, now_ms):
        if self.home_link is None:
            return []
        actions = self.home_link.link_changed(event, now_ms)
        if event.device == self.home_link.device:
            for node in self.nodes:
                actions += self.home_link.bindings_changed(node, now_ms)
        return actions

    def _link_is_up(self, event, now_ms):
        return self.home_link.link_is_up(event, now_ms) if self.home_link is not None else []

    def _frame_came(self, event, now_ms):
        return self.home_link.frame_came(event, now_ms) if self.home_link is not None else []

    def _restored(self, event, now_ms):
        return self._state.restore(event, now_ms)

    def _reconfigured(self, event, now_ms):
        """Take over what changed; a node that is still there keeps its bindings."""
        agent, delivered = event.options.agent, self._delivered()
        self.peers = peers_of(event.options)
        self.paths.own_address = agent.address
        resized, self.agent = agent.packet_size != self.agent.packet_size, agent
        self.bindings.bindings_max, self.bindings.lifetime_max_s = agent.max_bindings, agent.lifetime_max_s
        self.sources.configure(agent.max_bindings)
        gone, moved = self.nodes.configure(event.options)
        actions = []
        if self.home_link is not None or agent.home_device is not None:
            actions += self._home_link_reconfigured(agent)
        for node in gone:
            actions += self._node_gone(node, now_ms)
        for node in self.leases.configure(agent.address_pool):
            actions += self._node_gone(node, now_ms)
            self.nodes.readdress(node, None)
        for node, networks in moved:
            actions += self.paths.networks_changed(node, networks, now_ms)
        for node in self.nodes.sections():
            actions += self._associations_changed(node, now_ms)
        after = self._delivered()
        actions += [release_deliver(prefix) for prefix in delivered if prefix not in after]
        if resized:
            actions += self.paths.resized(agent.packet_size)
        return actions + self._ground() + self._sweep(now_ms)

    def _sweep(self, now_ms):
        """Carry another table out for some more of its nodes."""
        actions = []
        for node, networks in self.nodes.sweep(SWEEP_NODES):
            if networks is None:
                actions += self._node_gone(node, now_ms)
                continue
            if networks != node.routed:
                actions += self.paths.networks_changed(node, networks, now_ms)
            actions += self.paths.deliver(node) + self._associations_changed(node, now_ms)
        self._sweep_ms = now_ms if self.nodes.unswept() else None
        return actions

    def _associations_changed(self, node, now_ms):
        """Bindings made with associations that it has no more end."""
        ended = self.bindings.drop_others(node, node.associations)
        self.touched(node, now_ms)
        if not ended:
            return self.paths.listen(node)
        return self.paths.changed(node, now_ms) + [Changed("bindings", node.home_address)]

    def _node_gone(self, node, now_ms):
        """The configuration has it, or its home address, no more."""
        ended, actions = list(node.bindings), []
        self.bindings.forget(node)
        for binding in ended:
            actions += self.revocations.ended(node, binding, True, now_ms)
        actions += self.paths.forget(node)
        if ended:
            actions.append(Changed("bindings", node.home_address))
        if ended and self.home_link is not None:
            actions += self.home_link.bindings_changed(node, now_ms)
        return actions + self._state.forget(node)

    def _home_link_reconfigured(self, agent):
        """Its advertisements follow; another device is too much of another agent."""
        if self.home_link is None or self.home_link.device != agent.home_device:
            return [Log("warning", "configuration", "home_device changed: restart careofd")]
        self.home_link.advertiser.settings = agent
        return []

    def _commanded(self, event, now_ms):
        if event.name == "stop":
            return self._state.flush() + [Stop()]
        if event.name == "revoke":
            return self.revocations.commanded(event, now_ms)
        return []

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
            "addresses": "%d of %d leased" % (self.leases.count, self.leases.pool.size)
            if self.leases.pool.size
            else None,
            "bound": rows[:STATUS_ROWS_MAX],
            "last_refusal": self.refusals.last_row(now_ms),
        }

    def facts(self, now_ms):
        return self.view.facts(now_ms)

    def rows(self, table, after, now_ms):
        return self.view.rows(table, after, now_ms)

    def rows_about(self, table, key, now_ms):
        return self.view.rows_about(table, key, now_ms)

    def _refused(self, event, now_ms):
        """Our address may not be there yet, when the machine has only just started: try again."""
        message, ours = event.message, False
        self.forwarding.refused(message)
        if self.home_link is not None:
            again = self.home_link.refused(message, now_ms)
            if again:
                return again + [Log("notice", "tunneld", "%s: %s" % (self.home_link.device, event.text))]
        if isinstance(message, tunneld.SetUplink):
            if message.uplink != self.uplink:
                return []
            self._retry_ms, ours = now_ms + UPLINK_RETRY_MS, True
        text = "refused %s: %s" % (type(message).__name__, event.text)
        level = "debug" if text == self._refusal or event.error == ENOENT else "error"  # it was not there
        self._refusal = text
        return [Log(level, "tunneld", text)] + ([Release(("uplink", self.uplink))] if ours else [])

    def _confirmed(self, event, now_ms):
        return self.forwarding.confirmed(event, now_ms)

    def _tunneld_gone(self, event, now_ms):
        self.forwarding.forget()
        return []

    def _open(self):
        self._retry_ms = None
        uplink = tunneld.SetUplink(self.uplink, "", self.agent.address, MIP_PORT)
        return Hold(("uplink", self.uplink), uplink)


def peers_of(options):
    """{address: the section of the association that we share with the agent there}"""
    return {
        peer.address: options.associations[peer.association] for peer in options.peers if peer.association
    }


RULES = {
    events.Link: HomeAgent._link_changed,
    events.LinkUp: HomeAgent._link_is_up,
    events.Frame: HomeAgent._frame_came,
    events.Datagram: HomeAgent._datagram_arrived,
    events.Verified: HomeAgent._verified,
    events.Authenticated: HomeAgent._authenticated,
    events.Late: HomeAgent._time_passed,
    events.WallClock: HomeAgent._wall_clock_set,
    events.Restored: HomeAgent._restored,
    events.Start: HomeAgent._started,
    events.Refused: HomeAgent._refused,
    events.Confirmed: HomeAgent._confirmed,
    events.TunneldDown: HomeAgent._tunneld_gone,
    events.Reconfigured: HomeAgent._reconfigured,
    events.Command: HomeAgent._commanded,
}
