"""One foreign agent with many visitors, in this process: run by agent.py on each interpreter.

    foreign_subject.py VISITORS SECONDS -> one JSON object

Everything that careofd does for a registration is done, but for the sockets: the visitor's request relayed,
the home agent's reply relayed, and what tunneld should hold. Both are made before the clock starts; the
visitors renew in turn.
"""

import gc
import json
import sys

from agent_subject import allocated, ticks_us
from careof.agent import events
from careof.limits import STATUS_ROWS_MAX
from careof.wire import mip, tunneld, udp
from foreign import AGENT, CARE_OF, FIRST, HOME, LAN, LINK, NODE_SPI, Foreign

ROUND, ROUND_MS = 250, 1000


def home_of(number):
    return HOME[:2] + bytes((number >> 8, number & 255))


class Bench(Foreign):
    def __init__(self, visitors):
        self.number = self.relayed = self.answered = 0
        super().__init__(max_visitors=visitors, max_pending=1000)

    def _perform(self, action, waiting):
        """As main does, with nothing kept of what leaves."""
        kind = type(action)
        if kind in (events.Send, events.SendFrame, events.Hold):
            self.number = self.number + 1 & 0xFFFF
            if kind is events.Send:
                self.relayed += 1
                tunneld.pack(tunneld.SendSignal(*action), self.number)
            elif kind is events.SendFrame:
                self.answered += 1
                tunneld.pack(tunneld.SendFrame(*action), self.number)
            else:
                tunneld.pack(action.message, self.number)
        elif kind not in (events.Log, events.Contents, events.Save, events.Changed):
            super()._perform(action, waiting)

    def exchange(self, number):
        """(the frame with a visitor's request, the datagram with its reply)"""
        home, mac = home_of(number), b"\x02\0\0\0" + bytes((number >> 8, number & 255))
        data = self.request(home=home)
        packet = udp.pack_packet(udp.Datagram(home, 5434, LINK, 434, 255, data))
        identification = mip.unpack(data).message.identification
        reply = mip.pack_to_sign(
            mip.RegistrationReply(0, 600, home, AGENT, identification, []), NODE_SPI, 16
        ) + bytes(16)
        return events.Frame(LAN, mac, 0, packet), events.Datagram(FIRST, AGENT, 434, CARE_OF, 60, reply)

    def run(self, exchanges, now_ms):
        """Seconds that these take."""
        gc.collect()
        begun_us = ticks_us()
        for request, reply in exchanges:
            self.tell(request, now_ms)
            self.tell(reply, now_ms)
            late_ms = self.role.deadline()
            if late_ms is not None and late_ms <= now_ms:
                self.tell(events.Late(), now_ms)
        return (ticks_us() - begun_us) / 1e6


def main(visitors, seconds):
    bench, now_ms = Bench(visitors), 0
    before = allocated()
    for number in range(visitors):
        bench.run([bench.exchange(number)], now_ms)
    size = (allocated() - before) / visitors
    here = len(bench.visitors(now_ms))
    spent_s = done = 0
    while spent_s < seconds:
        now_ms += ROUND_MS
        batch = [bench.exchange((done + i) % visitors) for i in range(ROUND)]
        spent_s += bench.run(batch, now_ms)
        done += ROUND
    if bench.relayed < done + visitors or here < min(visitors, STATUS_ROWS_MAX):
        raise RuntimeError("%d visitors, %d relayed" % (here, bench.relayed))
    print(json.dumps({"rate": done / spent_s, "octets_a_binding": size}))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
