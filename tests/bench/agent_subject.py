"""One home agent under registrations, in this process: run by agent.py on each interpreter.

    agent_subject.py NODES SECONDS -> one JSON object

Everything that careofd does for a request is done, but for the socket: decode, find, verify, judge, bind,
encode, authenticate, and the message to tunneld that sends the reply. Requests are renewals of NODES
mobile nodes in turn, made before the clock starts.
"""

import gc
import json
import sys
import time
from collections import namedtuple

from careof.agent import events
from careof.agent.home_agent.role import HomeAgent
from careof.crypt import soft
from careof.system import memory
from careof.wire import mip, mip_extensions, tunneld

Agent = namedtuple(
    "Agent",
    "name address lifetime_max_s packet_size max_bindings udp_tunnelling keepalive_s home_device"
    " address_pool redirect message_accepted message_refused home_network",
)
Node = namedtuple(
    "Node", "name home_address nai mobile_network association redirect message group aaa_association"
)
Association = namedtuple("Association", "name spi algorithm key replay")

ADDRESS = bytes((198, 51, 100, 10))
ALGORITHM, KEY = "hmac-sha256", bytes(range(32))
UNIX_MS = 1700000000000
ROUND = 500  # requests made at a time, before the clock starts,
ROUND_MS = 100  # and the role's own time that passes with them: what it does in the background is due


def ticks_us():
    return time.ticks_us() if hasattr(time, "ticks_us") else time.perf_counter_ns() // 1000


def allocated():
    """Octets of the Python heap in use; 0 where the interpreter does not tell."""
    gc.collect()
    return gc.mem_alloc() if hasattr(gc, "mem_alloc") else resident()


def resident():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("RssAnon"):
                return int(line.split()[1]) * 1024
    return 0


class Bench:
    def __init__(self, nodes):
        self.count = nodes
        self.keys = soft.SoftProvider()
        associations, sections = {}, []
        for number in range(nodes):
            name = "a%d" % number
            associations[name] = Association(name, 256, ALGORITHM, KEY, "timestamps")
            self.keys.add_key(name, ALGORITHM, KEY)
            sections.append(
                Node("n%d" % number, self.home(number), None, (), (name,), None, None, None, None)
            )
        agent = Agent("bench", ADDRESS, 1800, 1400, nodes, True, 110, None, (), None, None, None, ())
        self.agent = HomeAgent(
            events.AgentOptions(agent, sections, [], associations, {}, None), self.random, 1
        )
        self.now_ms = 0
        self.sent = self.number = 0
        self.agent.handle(events.WallClock(UNIX_MS), 0)
        self.agent.handle(events.Start(), 0)

    @staticmethod
    def random(size):
        return bytes(range(size))

    @staticmethod
    def home(number):
        return bytes((10, 77, number >> 8, number & 255))

    def request(self, number, step):
        """A renewal by that node."""
        identification = mip_time(UNIX_MS + self.now_ms) + step
        request = mip.RegistrationRequest(
            mip.FLAG_D | mip.FLAG_T,
            1800,
            self.home(number),
            ADDRESS,
            bytes((203, 0, number >> 8, number & 255)),
            identification,
            [mip_extensions.UdpTunnelRequest(mip_extensions.UDP_FORCE, mip_extensions.ENCAPSULATION_IPIP)],
        )
        data = mip.pack_to_sign(request, 256, 32)
        data += self.keys.authenticate("a%d" % number, data)
        source = bytes((192, 0, number >> 8, number & 255))
        return events.Datagram(1, source, 434, ADDRESS, 60, data)

    def perform(self, actions):
        """What main does: answer the key provider's questions, encode what goes to tunneld."""
        while actions:
            answers = []
            for action in actions:
                kind = type(action)
                if kind is events.Verify:
                    genuine = self.keys.verify(action.key, action.data, action.authenticator)
                    answers.append(events.Verified(action.token, genuine))
                elif kind is events.Authenticate:
                    authenticator = self.keys.authenticate(action.key, action.data)
                    answers.append(events.Authenticated(action.token, authenticator))
                elif kind is events.Confirm:
                    answers.append(events.Confirmed(action.token))
                elif kind is events.Send:
                    self.number += 1
                    tunneld.pack(tunneld.SendSignal(*action), self.number & 0xFFFF)
                    self.sent += 1
                elif kind is events.Hold:
                    self.number += 1
                    tunneld.pack(action.message, self.number & 0xFFFF)
            actions = []
            for answer in answers:
                actions += self.agent.handle(answer, self.now_ms)

    def all_register(self):
        for number in range(self.count):
            self.perform(self.agent.handle(self.request(number, 0), self.now_ms))

    def run(self, seconds):
        """Renewals a second."""
        spent_us = done = at = 0
        while spent_us < seconds * 1000000:
            self.now_ms += ROUND_MS
            batch = [self.request((at + i) % self.count, i) for i in range(ROUND)]
            at += ROUND
            gc.collect()
            began_us = ticks_us()
            for datagram in batch:
                self.perform(self.agent.handle(datagram, self.now_ms))
                late_ms = self.agent.deadline()
                if late_ms is not None and late_ms <= self.now_ms:
                    self.perform(self.agent.handle(events.Late(), self.now_ms))
            spent_us += ticks_us() - began_us
            done += ROUND
        return done / (spent_us / 1e6)


def mip_time(unix_ms):
    """An identification by timestamp (RFC 5944 5.7.1)."""
    return (unix_ms // 1000 + 2208988800) % (1 << 32) << 32 | unix_ms % 1000 * 4294967


def main(nodes, seconds):
    memory.begin()
    bench = Bench(nodes)
    before = allocated()
    bench.all_register()
    answered = bench.sent
    after = allocated()
    rate = bench.run(seconds)
    if answered != nodes or bench.agent.bindings.count != nodes:
        raise RuntimeError("%d of %d registered" % (answered, nodes))
    print(json.dumps({"rate": rate, "octets_a_binding": (after - before) / nodes}))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
