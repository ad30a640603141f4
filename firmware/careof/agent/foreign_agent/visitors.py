"""A foreign agent's visitor list: who is registered through it, and who asked to be (RFC 5944 3.7.1).

A pending request is a record of its own beside the visitor's: what holds is changed by a reply of the home
agent and by nothing else. Both tables are bounded. A request is found again by what its reply has: the low
half of the identification, and the home address or, if that is zero, the NAI (RFC 2794 3).
"""

import heapq

from ...limits import LIFETIME_INFINITE_S, PENDING_REPLY_MS
from ...proto import kinds
from ...wire import ipv4, mip, mip_extensions
from ...wire.reader import printable
from ...wire.tunneld import FOREVER_S

_NEVER_MS = 1 << 62


def number_of(address):
    return int.from_bytes(address, "big")


def name_of(request):
    """Who a request or reply is about: (home address, NAI or b"")."""
    nai = mip_extensions.find(request.extensions, mip_extensions.Nai)
    return request.home_address, nai.name if nai is not None else b""


def text_of(home_address, nai):
    """For people: the home address, and the NAI if there is one."""
    text = ipv4.address_text(home_address)
    return "%s (%s)" % (printable(nai), text) if nai else text


class Pending:
    """One request on its way to the home agent."""

    def __init__(self, asked, verdict, now_ms):
        """asked: where it came from (see Asked in agent.foreign_agent)."""
        self.asked, self.verdict = asked, verdict
        lifetime_s = asked.received.message.lifetime_s
        waits_ms = min(PENDING_REPLY_MS, lifetime_s * 1000) if lifetime_s else PENDING_REPLY_MS
        self.gives_up_ms = now_ms + waits_ms  # 3.7.2.2: no longer than the lifetime that is asked for
        self.forged_reply = False
        self.unreachable = 0  # the code to refuse with, if ICMP said that its home agent cannot be reached

    def is_asked_by(self, reply):
        request = self.asked.received.message
        if (request.identification ^ reply.identification) & 0xFFFFFFFF:
            return False
        ours, theirs = name_of(request)[1], name_of(reply)[1]
        if request.home_address == bytes(4):
            return theirs in (ours, b"")  # none is refused, but it is the reply
        # 3.7.3.1: of two nodes with one home address, the one that the reply names
        return request.home_address == reply.home_address and (not ours or theirs in (ours, b""))


class Visitor:
    """One registered mobile node: where it is on the link, and where its home agent's tunnel ends."""

    __slots__ = (
        "advertiser",
        "care_of",
        "co_located",
        "delivery_number",
        "encapsulating",
        "end",
        "expires_ms",
        "flags",
        "held",
        "home_address",
        "home_agent",
        "identification",
        "keepalive_s",
        "lifetime_s",
        "link_address",
        "nai",
        "reverse",
        "revocable",
        "source",
        "tunnel",
    )

    def __init__(self, home_address, nai):
        self.home_address, self.nai = home_address, nai
        self.held = {}
        self.tunnel = self.delivery_number = None
        self.keepalive_s = 0  # 0: its tunnel is not in UDP
        self.source, self.flags, self.identification = home_address, 0, 0  # of its last request
        self.revocable = None  # the RevocationSupport of the last reply, or None

    def takes(self, pending, reply, end, lifetime_s, now_ms):
        """It is registered as its pending request asked and the reply granted."""
        asked, request = pending.asked, pending.asked.received.message
        self.advertiser, self.link_address = asked.advertiser, asked.link_address
        self.care_of, self.home_agent, self.end = request.care_of_address, reply.home_agent, end
        self.co_located = bool(request.flags & mip.FLAG_D)
        self.reverse = bool(request.flags & mip.FLAG_T)
        self.flags, self.identification = request.flags, request.identification
        if asked.datagram.source != bytes(4):  # a node that has no address yet says zero
            self.source = asked.datagram.source
        self.encapsulating = pending.verdict.encapsulating
        self.lasts(lifetime_s, now_ms)

    def lasts(self, lifetime_s, now_ms):
        self.lifetime_s = lifetime_s
        infinite = lifetime_s == LIFETIME_INFINITE_S
        self.expires_ms = _NEVER_MS if infinite else now_ms + lifetime_s * 1000

    def left_s(self, now_ms):
        """As a route says it."""
        if self.expires_ms == _NEVER_MS:
            return FOREVER_S
        return max(0, (self.expires_ms - now_ms + 999) // 1000)

    def text(self):
        return text_of(self.home_address, self.nai)

    def snapshot(self, now_ms):
        return {
            "home_address": ipv4.address_text(self.home_address),
            "nai": printable(self.nai) or None,
            "device": self.advertiser.device,
            "link_address": ":".join(["%02x" % octet for octet in self.link_address]),
            "home_agent": ipv4.address_text(self.home_agent),
            "care_of": ipv4.address_text(self.care_of),
            "tunnel": None if self.co_located else kinds.NAMES[self.end[0]],
            "delivery": ("encapsulating" if self.encapsulating else "direct") if self.reverse else None,
            "lifetime_left_s": None if self.expires_ms == _NEVER_MS else self.left_s(now_ms),
            "lifetime_s": self.lifetime_s,
            "source": ipv4.address_text(self.source),
            "flags": self.flags,
            "identification": self.identification,
        }


class Visitors:
    """The visitors and the pending requests of one foreign agent."""

    def __init__(self):
        self.pending = []  # the oldest first; few (RFC 5944 3.7.1)
        self._visitors = {}  # home address as a number -> Visitor
        self._order = None  # their sources' addresses, sorted, each with its home address; None: not known
        self._heap = []  # (due_ms, entry, visitor): due not after its expiry
        self._entries = 0

    def __iter__(self):
        return iter(self._visitors.values())

    def __len__(self):
        return len(self._visitors)

    def find(self, home_address):
        return self._visitors.get(int.from_bytes(home_address, "big"))

    def named(self, nai):
        """The visitor that said this NAI, or None."""
        for visitor in self:
            if nai and visitor.nai == nai:
                return visitor
        return None

    def knows(self, request):
        """Is this a request of a visitor that there is?"""
        home_address, nai = name_of(request)
        found = self.find(home_address) if home_address != bytes(4) else self.named(nai)
        return found is not None

    def add(self, visitor):
        """A new one, or one whose lifetime is another now."""
        self._order = None
        self._visitors[int.from_bytes(visitor.home_address, "big")] = visitor
        self._schedule(visitor)

    def remove(self, visitor):
        if self.find(visitor.home_address) is visitor:
            self._order = None
            del self._visitors[int.from_bytes(visitor.home_address, "big")]

    def behind(self, after, at_most):
        """The next ones in the order of the addresses that they asked from, from behind the number `after`;
        those of one address together."""
        if self._order is None:
            self._order = sorted([(number_of(v.source), number_of(v.home_address)) for v in self])
        found = []
        for source, home in self._order:
            if source > after:
                if len(found) >= at_most and source != number_of(found[-1].source):
                    break
                found.append(self._visitors[home])
        return found

    def deadline(self):
        at_ms = self._heap[0][0] if self._heap else None
        for pending in self.pending:
            if at_ms is None or pending.gives_up_ms < at_ms:
                at_ms = pending.gives_up_ms
        return at_ms

    def expired(self, now_ms):
        """Take out those whose lifetime is over."""
        gone = []
        while self._heap and self._heap[0][0] <= now_ms:
            _, _, visitor = heapq.heappop(self._heap)
            if self.find(visitor.home_address) is not visitor:
                continue
            if visitor.expires_ms > now_ms:
                self._schedule(visitor)
            else:
                self.remove(visitor)
                gone.append(visitor)
        return gone

    def timed_out(self, now_ms):
        """Take out the requests that no reply came to."""
        late = [pending for pending in self.pending if pending.gives_up_ms <= now_ms]
        self.pending = [pending for pending in self.pending if pending.gives_up_ms > now_ms]
        return late

    def asks(self, pending):
        """A request is on its way; one of the same node before it is not waited for any more."""
        self.pending = [other for other in self.pending if not _same_node(other, pending)]
        self.pending.append(pending)

    def repeats(self, asked):
        """Is a request of this node with the same challenge pending? (RFC 4721 3.2: a repetition)"""
        return any([_asks_for(pending.asked) == _asks_for(asked) for pending in self.pending])

    def asked_by(self, reply, source):
        """The pending request that this reply from that home agent answers, or None."""
        for pending in self.pending:
            if pending.verdict.home_agent == source and pending.is_asked_by(reply):
                return pending
        return None

    def sent_to(self, home_agent, data):
        """The pending request that went to that home agent and begins with these octets, or None."""
        for pending in self.pending:
            size = min(len(data), len(pending.asked.received.relayed))
            if (
                pending.verdict.home_agent == home_agent
                and pending.asked.received.relayed[:size] == data[:size]
            ):
                return pending
        return None

    def answered(self, pending):
        self.pending = [other for other in self.pending if other is not pending]

    def _schedule(self, visitor):
        self._entries += 1
        if visitor.expires_ms != _NEVER_MS:
            heapq.heappush(self._heap, (visitor.expires_ms, self._entries, visitor))
        if len(self._heap) > 4 * len(self._visitors) + 64:  # entries of renewals and of those who are gone
            self._heap = []
            for other in self:
                if other.expires_ms != _NEVER_MS:
                    self._entries += 1
                    self._heap.append((other.expires_ms, self._entries, other))
            heapq.heapify(self._heap)


def _asks_for(asked):
    request = asked.received.message
    wanted = (request.flags, request.home_agent, request.care_of_address)
    return asked.link_address, asked.challenge, name_of(request), wanted


def _same_node(one, other):
    same_name = name_of(one.asked.received.message) == name_of(other.asked.received.message)
    return same_name and one.asked.link_address == other.asked.link_address
