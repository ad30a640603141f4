"""Ten times what a home agent can verify, in virtual time: who was served is served, and nothing grows.

flood (1,000 false authenticators a second) --+
a node that is registered, and renews        --+-- home agent -- key provider: 100 answers a second
a node that registers for the first time     --+
"""

from careof.agent import events
from careof.limits import PENDING_MAX, PENDING_RESERVE, QUESTION_FORGOTTEN_MS, QUESTION_SLOW_MS
from office import HOME, Node, agent_options
from test_home_agent import UNIX_MS, Agent

CAPACITY_PER_S, FLOOD_PER_S, SECONDS = 100, 1000, 20
SERVED, NEW, FORGER = bytes((203, 0, 113, 2)), bytes((203, 0, 113, 3)), bytes((192, 0, 2, 66))
NEW_HOME = bytes((10, 77, 0, 9))


class Slow(Agent):
    """Questions wait for their turn; what is lost is not answered."""

    def __init__(self):
        kept = agent_options()
        self.queue, self.replies = [], []  # of questions; (ms, destination, code)
        nodes = kept.nodes + [Node("new", NEW_HOME, (), ("branch-wan",))]
        super().__init__(type(kept)(kept.agent, nodes, [], kept.associations, {}, None))
        self.started()

    def tell(self, event, now_ms=0):
        for action in self.role.handle(event, now_ms):
            if isinstance(action, (events.Verify, events.Authenticate)):
                self.queue.append((now_ms, action))
            elif isinstance(action, events.Confirm):
                self.tell(events.Confirmed(action.token), now_ms)
            elif isinstance(action, events.Count):
                self.counts[action.name] = self.counts.get(action.name, 0) + 1
            elif isinstance(action, events.Send):
                self.replies.append((now_ms, action.destination, action.data[1]))
        return self

    def ask(self, source, now_ms, home=HOME):
        self.tell(events.WallClock(UNIX_MS - now_ms))  # identifications of these tests are of one second
        self.datagram(self.request(home=home, care_of=source), source, now_ms=now_ms)

    def answer(self, now_ms):
        """The key provider's next answer."""
        while self.queue and now_ms - self.queue[0][0] > QUESTION_FORGOTTEN_MS:
            self.queue.pop(0)
        if not self.queue:
            return
        asked = self.queue.pop(0)[1]
        if isinstance(asked, events.Verify):
            genuine = self.keys.verify(asked.key, asked.data, asked.authenticator)
            self.tell(events.Verified(asked.token, genuine), now_ms)
        else:
            octets = self.keys.authenticate(asked.key, asked.data)
            self.tell(events.Authenticated(asked.token, octets), now_ms)

    def accepted(self, source):
        return [at_ms for at_ms, destination, code in self.replies if destination == source and code == 0]


def flooded(invented):
    """The agent after the flood, with how many questions waited at most."""
    agent = Slow()
    agent.ask(SERVED, 0)
    for _ in range(4):
        agent.answer(0)
    assert agent.accepted(SERVED) == [0]
    false = agent.request()[:-16] + bytes(16)
    waiting = sent = 0
    for now_ms in range(1, SECONDS * 1000):
        if now_ms % (1000 // FLOOD_PER_S) == 0:
            sent += 1
            source = bytes((100, sent >> 16 & 255, sent >> 8 & 255, sent & 255)) if invented else FORGER
            agent.datagram(false, source, now_ms=now_ms)
        if now_ms % 3000 == 0:
            agent.ask(SERVED, now_ms)
        if now_ms in (1500, 2500, 4500, 8500, 16500):  # as RFC 5944 3.6.3 has it sent again
            agent.ask(NEW, now_ms, NEW_HOME)
        if now_ms % (1000 // CAPACITY_PER_S) == 0:
            agent.answer(now_ms)
        waiting = max(waiting, len(agent.queue))
    return agent, waiting


def test_a_flood_of_one_source_reaches_nobody_else():
    agent, waiting = flooded(invented=False)
    assert agent.counts["source_limited"] > 0.9 * FLOOD_PER_S * (SECONDS - 2)
    assert waiting < CAPACITY_PER_S
    assert len(agent.accepted(SERVED)) == 7 and agent.accepted(NEW)[0] < 3000


def test_a_flood_of_invented_sources_reaches_nobody_who_was_served():
    agent, waiting = flooded(invented=True)
    assert agent.counts["unproven_limited"] + agent.counts["questions_behind"] > 0.8 * FLOOD_PER_S * SECONDS
    assert waiting <= PENDING_MAX + PENDING_RESERVE
    renewed = agent.accepted(SERVED)[1:]
    assert len(renewed) == 6  # all, and in the time that the provider's queue takes
    assert max([at_ms % 3000 for at_ms in renewed]) < 5 * QUESTION_SLOW_MS
    assert HOME in [node.home_address for node in agent.role.nodes if node.bindings]
    # The control: who is new has to be lucky.
    assert len(agent.accepted(NEW)) < 5


if __name__ == "__main__":
    from runner import main

    main(globals())
