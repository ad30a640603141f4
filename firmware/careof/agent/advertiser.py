"""One link of an agent: its advertisements, and its answers to solicitations (RFC 5944 2.1 to 2.3).

    every interval, up to an eighth sooner    multicast, the next sequence number, a new challenge
    a solicitation                            unicast to its sender's link-layer address, at a bounded rate

Sequence numbers count all advertisements of the link: 0 first after a start, after 0xffff comes 256, so that
whoever hears a small one knows that the agent lost its visitors (2.3.2). restarted() begins at 0 again on
purpose: registrations through a care-of address that is gone must be made anew.
"""

from ..limits import (
    ADVERTISEMENT_GAP_MIN_MS,
    ADVERTISEMENT_JITTER,
    ADVERTISEMENTS_PER_S,
    INITIAL_ADVERTISEMENTS,
    INITIAL_INTERVAL_MS,
)
from ..proto.challenges import Challenges
from ..wire import ipv4
from ..wire import router_discovery as discovery
from ..wire.link import ETHERTYPE_IPV4
from .allowance import Allowance
from .events import Count, SendFrame

EVERYONE = b"\x01\x00\x5e\x00\x00\x01"  # 224.0.0.1 on Ethernet (RFC 1112 6.4)
LIFETIME_INTERVALS = 3  # 2.1: the interval is no longer than a third of the lifetime


def after(sequence):
    """The next sequence number (2.3.2)."""
    return discovery.SEQUENCE_AFTER_MAX if sequence == discovery.SEQUENCE_MAX else sequence + 1


class Advertiser:
    """What is said on one link. offer(): (flags, lifetime_s, care-of addresses), or None: nothing now."""

    def __init__(self, number, device, settings, offer, random, challenge_window):
        """settings: of the agent's options: interval_ms, and prefix_lengths: are they said."""
        self.number, self.device = number, device
        self.address = None  # ours on this link,
        self.prefix_length = 0
        self.challenge_window = 0  # no challenges
        self.challenges = None
        self._offer = offer
        self._random = random
        self.take(settings, challenge_window)
        self._sequence = 0
        self._sent = 0
        self._next_ms = None  # None: the link is down
        self._said_ms = None  # when everybody was told last
        self._allowance = Allowance(ADVERTISEMENTS_PER_S)

    def take(self, settings, challenge_window):
        """Other options. Challenges of another window begin anew; who answered one before stays."""
        self.settings = settings
        if challenge_window != self.challenge_window:
            self.challenge_window = challenge_window
            self.challenges = Challenges(challenge_window, self._random) if challenge_window else None

    def deadline(self):
        return self._next_ms

    def up(self, address, prefix_length, now_ms):
        """The link works, with this address of ours on it."""
        self.address, self.prefix_length = address, prefix_length
        self._sent = 0
        self._next_ms = now_ms

    def down(self):
        self._next_ms = None

    def restarted(self, now_ms):
        """What was registered here holds no more: say so at once."""
        self._sequence = self._sent = 0
        if self._next_ms is not None:
            self._next_ms = self._soon(now_ms)

    def goes_on(self):
        """Visitors were restored: this is no start to them."""
        self._sequence = discovery.SEQUENCE_AFTER_MAX

    def changed(self, now_ms):
        """Something of the offer is another: do not wait for the interval."""
        if self._next_ms is not None and self._sent:
            self._next_ms = min(self._next_ms, self._soon(now_ms))

    def _soon(self, now_ms):
        """2.3: what visitors make of the offer, coming and going, makes no flood of advertisements."""
        return now_ms if self._said_ms is None else max(now_ms, self._said_ms + ADVERTISEMENT_GAP_MIN_MS)

    def due(self, now_ms):
        """The periodic advertisement, if it is time."""
        if self._next_ms is None or now_ms < self._next_ms:
            return []
        self._said_ms, interval_ms = now_ms, self.settings.interval_ms
        if self._sent < INITIAL_ADVERTISEMENTS:
            interval_ms = min(interval_ms, INITIAL_INTERVAL_MS)
        self._next_ms = (
            now_ms + interval_ms - interval_ms * self._random(1)[0] // (256 * ADVERTISEMENT_JITTER)
        )
        challenge = self.challenges.to_advertise() if self.challenges else None
        return self._advertise(EVERYONE, discovery.ALL_SYSTEMS, challenge, 0)

    def solicited(self, link_address, source, now_ms):
        """Answer whoever asked, and nobody else (2.3: its address need not be of this link)."""
        if self._next_ms is None:
            return []
        if not self._allowance.take(now_ms):
            return [Count("solicitation_limited")]
        answer = self.to_node(link_address, source, 0)
        return [Count("solicitation")] + answer + ([Count("advertisement_solicited")] if answer else [])

    def to_node(self, link_address, address, more_flags):
        """To one node, with a challenge that it has not used (RFC 4721 2.1)."""
        destination = discovery.BROADCAST if address == bytes(4) else address
        challenge = self.challenges.for_node(link_address) if self.challenges else None
        return self._advertise(link_address, destination, challenge, more_flags)

    def revoked(self, link_address, address):
        """To a node that it is not registered here any more (RFC 3543 4.1): sequence 0, and busy."""
        sequence, self._sequence = self._sequence, 0
        actions = self.to_node(link_address, address, discovery.AGENT_B)
        self._sequence = sequence
        return actions

    def _advertise(self, link_address, destination, challenge, more_flags):
        offer = self._offer(self)
        if offer is None or self.address is None:
            return []
        flags, lifetime_s, care_of = offer
        agent = discovery.Agent(self._sequence, lifetime_s, flags | more_flags, care_of)
        self._sequence = after(self._sequence)
        self._sent += 1
        lengths = (self.prefix_length,) if self.settings.prefix_lengths else None
        lifetime_ms = LIFETIME_INTERVALS * self.settings.interval_ms
        message = discovery.Advertisement(
            discovery.CODE_ROUTES, (lifetime_ms + 999) // 1000, [(self.address, 0)], agent, lengths, challenge
        )
        packet = discovery.pack_packet(self.address, destination, message)
        return [SendFrame(self.number, link_address, ETHERTYPE_IPV4, packet), Count("advertisement_sent")]

    def row(self):
        """All of it, for `careof agents` and RFC 2006's maAdvConfigTable."""
        offer = self._offer(self)
        flags, lifetime_s, care_of = offer if offer is not None else (0, 0, ())
        row = self.snapshot()
        row["address"] = ipv4.address_text(self.address) if self.address else None
        row["flags"], row["lifetime_max_s"] = flags, lifetime_s
        row["care_of"] = [ipv4.address_text(address) for address in care_of]
        row["interval_ms"] = self.settings.interval_ms
        row["prefix_lengths"] = bool(self.settings.prefix_lengths)
        row["lifetime_ms"] = LIFETIME_INTERVALS * self.settings.interval_ms
        return row

    def snapshot(self):
        return {
            "device": self.device,
            "advertises": self._next_ms is not None and self._offer(self) is not None,
            "sequence": self._sequence,
        }
