"""One careofd's share of keyd's questions, on either interpreter: run by keyd.py, which prints what it says.

    keyd_subject.py SOCKET SECONDS

As many questions as a busy agent has under way are kept asked, half of them Verify, half Authenticate.
"""

import json
import sys
import time

from careof.crypt import HandedKeys
from careof.system import clock, keyd, loop

UNDER_WAY = 256
NAME, DATA, AUTHENTICATOR = "node-10.77.0.2-256", bytes(60), bytes(32)


class Asker:
    def __init__(self, path):
        self.clock = clock.Clock()
        self.loop = loop.Loop(self.clock)
        self.client = keyd.KeydClient(
            self.loop, path, lambda up, text: None, sys.stderr.write, lambda name, by=1: None
        )
        keys = HandedKeys()
        keys.add_key(NAME, "hmac-sha256", bytes(16))
        self.client.set_keys(keys)
        self.answered = 0

    def ask(self, _=None):
        self.answered += 1
        if self.answered % 2:
            self.client.verify(NAME, DATA, AUTHENTICATOR, self.ask)
        else:
            self.client.authenticate(NAME, DATA, self.ask)

    def run(self, seconds):
        while self.client.state != "up":
            self.loop.turn(10)
        for _ in range(UNDER_WAY):
            self.ask()
        self.answered, began_ms = 0, self.clock.now_ms()
        began_cpu = process_s()
        while self.clock.now_ms() - began_ms < seconds * 1000:
            self.loop.turn(10)
        cpu_us = (process_s() - began_cpu) * 1e6 / self.answered if began_cpu is not None else None
        rate = self.answered * 1000 / (self.clock.now_ms() - began_ms)
        return {"rate": rate, "cpu_us": cpu_us}


def process_s():
    """Processor time of this process, where the interpreter tells it."""
    return time.process_time() if hasattr(time, "process_time") else None


print(json.dumps(Asker(sys.argv[1]).run(float(sys.argv[2]))))
