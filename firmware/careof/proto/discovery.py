"""A mobile node's side of agent discovery on one link (RFC 5944 2.4): who is heard, and which agent to be at.

    heard       an advertisement: the agent's entry is made or renewed, for its lifetime (2.4.2.1)
    expired     not heard again in time: gone
    restarted   a sequence number below 256 that is less than the last one: it lost its visitors (2.4.4)
    denied      it refused us: left alone for a while
    home        our own home agent is heard: we are at home (2.4.3), and need nobody else

Movement is found by lifetime and by prefix (2.4.2.1, 2.4.2.2). Lazy: an agent is kept for as long as it is
heard. Eager: an agent that was first heard later, and is on another prefix, is moved to at once; without
prefix lengths on both sides nothing is known about prefixes, and eager is lazy in this. On return to an agent
that is still known, eager is this: the current one is overdue by an eighth of its interval (a third of what
its advertisement holds), it is asked for, and in a moment another one has answered, and it has not.

Nobody is believed: what is heard only orders attempts, and a registration proves the rest. The table is
bounded, and a flood of new agents takes no place from those that are there, unless they serve nobody or were
tried in vain; but the home agent has one.

Solicitations (2.4): when a link comes up, and while no agent is heard: three a second apart, then with
doubled intervals up to a minute; each up to an eighth sooner.
"""

from ..limits import (
    AGENT_ANSWER_MS,
    AGENT_OVERDUE_DENOMINATOR,
    AGENT_OVERDUE_NUMERATOR,
    AGENTS_HEARD_MAX,
    DENIALS_DOUBLED_MAX,
    DENIED_BY_AGENT_MS,
    SOLICITATION_GAP_MAX_MS,
    SOLICITATION_GAP_MS,
    SOLICITATION_JITTER,
    SOLICITATIONS_FIRST,
)
from ..wire import ipv4
from ..wire import router_discovery as wire
from .visiting import is_unicast


class Heard:
    """One agent on the link."""

    __slots__ = (
        "address",
        "advertised_s",
        "care_of",
        "challenge",
        "denials",
        "denied_ms",
        "expires_ms",
        "first_ms",
        "flags",
        "heard_ms",
        "is_home",
        "lifetime_s",
        "link_address",
        "prefix",
        "refused",
        "sequence",
    )

    def __init__(self, address, link_address, now_ms):
        self.address, self.link_address = address, link_address
        self.first_ms = self.heard_ms = now_ms
        self.flags, self.care_of, self.lifetime_s, self.prefix = 0, (), 0, None
        self.is_home = False
        self.advertised_s = 0  # how long an advertisement holds
        self.expires_ms = now_ms
        self.denied_ms = None  # until when it is left alone
        self.denials = 0  # how often it was left alone
        self.refused = False  # us, and it was all that there was
        self.challenge = None  # the last one that it sent (RFC 4721)
        self.sequence = None

    def serves(self):
        """Can one be at it?"""
        return self.is_home or (bool(self.flags & wire.AGENT_F) and bool(self.care_of))

    def overdue_ms(self):
        """When it should have been heard again."""
        return self.heard_ms + self.advertised_s * 1000 * AGENT_OVERDUE_NUMERATOR // AGENT_OVERDUE_DENOMINATOR

    def saved(self):
        """Plain JSON values, for restored()."""
        prefix = None if self.prefix is None else [self.prefix[0].hex(), self.prefix[1]]
        return {
            "address": self.address.hex(),
            "link_address": self.link_address.hex(),
            "flags": self.flags,
            "care_of": [address.hex() for address in self.care_of],
            "lifetime_s": self.lifetime_s,
            "prefix": prefix,
            "is_home": self.is_home,
            "advertised_s": self.advertised_s,
            "challenge": None if self.challenge is None else self.challenge.hex(),
            "sequence": self.sequence,
        }


def restored(row, now_ms):
    """The Heard that was saved, as if it was heard just now. Raises as JSON values do."""
    agent = Heard(bytes.fromhex(row["address"]), bytes.fromhex(row["link_address"]), now_ms)
    agent.flags, agent.lifetime_s, agent.is_home = row["flags"], row["lifetime_s"], row["is_home"]
    agent.care_of = tuple([bytes.fromhex(address) for address in row["care_of"]])
    if row["prefix"] is not None:
        agent.prefix = bytes.fromhex(row["prefix"][0]), row["prefix"][1]
    if row["challenge"] is not None:
        agent.challenge = bytes.fromhex(row["challenge"])
    agent.sequence, agent.advertised_s = row["sequence"], min(row["advertised_s"], 0xFFFF)
    agent.expires_ms = now_ms + agent.advertised_s * 1000
    return agent


class Discovery:
    """Of one link. home_agent: the address whose advertisements mean that we are at home."""

    def __init__(self, eager, home_agent, random):
        self.eager, self.home_agent = eager, home_agent
        self.agents = []
        self.current = None  # the one to be at
        self.restarted = False  # had the one that was heard last lost its visitors?
        self._random = random
        self._solicit_ms = None
        self._solicited = 0
        self._doubt_ms = None  # since when the current one is overdue,
        self._decide_ms = 0  # and when it has had the time to answer

    def deadline(self):
        """When time_passed() or solicits() may have something to do, in ms, or None."""
        times = [agent.expires_ms for agent in self.agents]
        times += [agent.denied_ms for agent in self.agents if agent.denied_ms is not None]
        if self._solicit_ms is not None:
            times.append(self._solicit_ms)
        if self.eager and self.current is not None:
            times.append(self.current.overdue_ms() if self._doubt_ms is None else self._decide_ms)
        return min(times) if times else None

    def link_up(self, now_ms):
        """Another link, as far as anyone knows."""
        self.agents, self.current, self._doubt_ms = [], None, None
        self._solicited, self._solicit_ms = 0, now_ms

    def link_down(self):
        self.agents, self.current, self._solicit_ms, self._doubt_ms = [], None, None, None

    def was_at(self, agent):
        """After a restart: this one is heard, as far as anyone knows."""
        self.agents, self.current, self._solicit_ms = [agent], agent, None

    def heard(self, source, link_address, message, now_ms):
        """An advertisement. True: what the current agent registered is void, or another one is current."""
        self.restarted = False
        if message.agent is None or not is_unicast(source) or message.lifetime_s == 0:
            return False
        agent = self._entry(source, link_address, now_ms)
        if agent is None:
            return False
        known = agent.sequence is not None
        self.restarted = restarted = known and message.agent.sequence < min(agent.sequence, 256)
        moved = known and (agent.link_address, agent.care_of) != (link_address, message.agent.care_of)
        agent.link_address, agent.sequence = link_address, message.agent.sequence
        agent.flags, agent.lifetime_s = message.agent.flags, message.agent.lifetime_s
        agent.care_of = message.agent.care_of
        agent.is_home = source == self.home_agent and bool(agent.flags & wire.AGENT_H)
        agent.prefix = _prefix_of(message)
        agent.advertised_s = message.lifetime_s
        agent.heard_ms, agent.expires_ms = now_ms, now_ms + message.lifetime_s * 1000
        if agent is self.current:
            self._doubt_ms = None
        if message.challenge is not None:
            agent.challenge = message.challenge
        before = self.current
        self._choose(now_ms)
        if self.current is not None:
            self._solicit_ms = None
        void = (restarted and not agent.is_home) or moved
        return self.current is not before or (void and agent is self.current)

    def _entry(self, source, link_address, now_ms):
        for agent in self.agents:
            if agent.address == source:
                return agent
        if len(self.agents) >= AGENTS_HEARD_MAX and source != self.home_agent and not self._made_room():
            return None
        agent = Heard(source, link_address, now_ms)
        self.agents.append(agent)
        return agent

    def _made_room(self):
        """Who serves nobody or was tried in vain goes: of those, who was silent for longest."""
        found = None
        for agent in self.agents:
            in_vain = agent is not self.current and (agent.denials or not agent.serves())
            if in_vain and (found is None or agent.heard_ms < found.heard_ms):
                found = agent
        if found is not None:
            self.agents.remove(found)
        return found is not None

    def leave_alone(self, agent, now_ms):
        """It refused us: not again for a while, a longer one each time. True: another one is current."""
        until_ms = now_ms + (DENIED_BY_AGENT_MS << min(agent.denials, DENIALS_DOUBLED_MAX))
        if not self.denied(agent, until_ms, now_ms):
            return False
        agent.denials += 1
        return True

    def denied(self, agent, until_ms, now_ms):
        """Until when it is left alone, or None. True: another one is current."""
        agent.denied_ms = until_ms
        before = self.current
        self._choose(now_ms)
        return self.current is not before

    def time_passed(self, now_ms):
        """True: another one is current."""
        self.agents = [agent for agent in self.agents if agent.expires_ms > now_ms]
        for agent in self.agents:
            if agent.denied_ms is not None and agent.denied_ms <= now_ms:
                agent.denied_ms = None
        before = self.current
        self._doubt(now_ms)
        self._choose(now_ms)
        if self.current is None and before is not None:
            self._solicited, self._solicit_ms = 0, now_ms
        return self.current is not before

    def solicits(self, now_ms):
        """Is it time to ask? It counts as done."""
        if self._solicit_ms is None or now_ms < self._solicit_ms:
            return False
        self._solicited += 1
        doubled = max(0, self._solicited - SOLICITATIONS_FIRST)
        gap_ms = min(SOLICITATION_GAP_MS << min(doubled, 16), SOLICITATION_GAP_MAX_MS)
        self._solicit_ms = now_ms + gap_ms - gap_ms * self._random(1)[0] // (256 * SOLICITATION_JITTER)
        return True

    def wants_registration(self):
        """Does an agent here require it, even with an address of one's own (2.4.1)?"""
        return any([bool(agent.flags & wire.AGENT_R) for agent in self.agents])

    def _doubt(self, now_ms):
        """Is the current one overdue? Ask for it, or whoever is there."""
        if not self.eager or self.current is None or now_ms < self.current.overdue_ms():
            return
        if self._doubt_ms is None:
            self._doubt_ms, self._decide_ms = now_ms, now_ms + AGENT_ANSWER_MS
            self._solicited, self._solicit_ms = 0, now_ms
        elif now_ms >= self._decide_ms:
            self._decide_ms = self.current.expires_ms  # whoever answers from now on is at once moved to

    def _in_place(self, usable, now_ms):
        """Those who answered when the current one did not."""
        waits = self._doubt_ms is None or now_ms < self._doubt_ms + AGENT_ANSWER_MS
        if waits or self.current not in usable:
            return []
        others = [agent for agent in usable if agent is not self.current]
        return [agent for agent in others if agent.heard_ms >= self._doubt_ms]

    def _choose(self, now_ms):
        before = self.current
        usable = [agent for agent in self.agents if self._may_be_at(agent, now_ms)]
        in_place = self._in_place(usable, now_ms)
        if in_place:  # the current one is gone
            self.agents.remove(before)
            usable = in_place
        home = [agent for agent in usable if agent.is_home]
        if home:
            self.current = home[0]
        elif self.current not in usable:
            self.current = _latest(usable)
        elif self.eager:
            later = [agent for agent in usable if self._is_elsewhere(agent)]
            self.current = _latest(later) if later else self.current
        if self.current is not before:
            self._doubt_ms = None

    def _may_be_at(self, agent, now_ms):
        if not agent.serves() or agent.expires_ms <= now_ms or agent.denied_ms is not None:
            return False
        return agent.is_home or agent is self.current or not agent.flags & wire.AGENT_B

    def _is_elsewhere(self, agent):
        current = self.current
        known = agent.prefix is not None and current.prefix is not None
        return known and agent.prefix != current.prefix and agent.first_ms > current.first_ms


def _prefix_of(message):
    if not message.prefix_lengths or not message.routers:
        return None
    length = message.prefix_lengths[0]
    return ipv4.masked(message.routers[0][0], length), length


def _latest(agents):
    found = None
    for agent in agents:
        if found is None or agent.first_ms > found.first_ms:
            found = agent
    return found
