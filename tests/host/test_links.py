"""What careofd is told of a real device, by the kernel's own events."""

import time

import pytest
from careof.system import clock as clocks
from careof.system.links import Links
from careof.system.loop import Loop
from namespaces import Namespace, join
from tunneld_process import cannot_run, ip

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))


PATIENCE_S = 5  # the kernel tells of a device's carrier once a second


class Watched:
    """Links of up0 in a namespace, whose other end is plugged in and out."""

    def __init__(self):
        self.router, self.other = Namespace("router"), Namespace("other")
        join(self.router, "up0", "192.0.2.2/24", self.other, "out0", "192.0.2.1/24")
        self.router.ip("route", "add", "default", "via", "192.0.2.1")
        self.told, self.pictures, self.counts = [], [], []
        self.clock = clocks.Clock()
        self.loop = Loop(self.clock)
        self.links = self.router.inside(lambda: Links(self.loop, self._changed, self.counts.append))
        self.links.watch(["up0"])

    def _changed(self, device, carrier, address, prefix_length, gateway):
        self.told.append(carrier)
        self.pictures.append((carrier, address, gateway))

    def carriers(self, last, wait_s=PATIENCE_S):
        """What was told of the carrier since the last call, until it is this."""
        end = time.monotonic() + wait_s
        while time.monotonic() < end and self.told[-1:] != [last]:
            self.loop.turn(20)
        told, self.told = self.told, []
        return told

    def at_the_other_end(self, folder, *steps):
        batch = folder / "batch"
        batch.write_text("".join(f"link set out0 {step}\n" for step in steps))
        self.other.ip("-batch", str(batch))

    def remove(self):
        self.links.close()
        self.router.remove()
        self.other.remove()


@pytest.fixture
def watched():
    made = Watched()
    yield made
    made.remove()


def test_a_cable_that_goes_and_comes(watched, tmp_path):
    assert watched.carriers(True)[-1] is True
    watched.at_the_other_end(tmp_path, "down")
    assert watched.carriers(False) == [False]
    watched.at_the_other_end(tmp_path, "up")
    assert watched.carriers(True)[-1] is True


def test_a_carrier_that_was_away_for_less_than_an_event_takes(watched, tmp_path):
    """Whether the kernel makes one event of it or two, it is told that it went, and that it is back."""
    watched.carriers(True)
    for _ in range(5):
        watched.at_the_other_end(tmp_path, "down", "up")
        told = watched.carriers(True)
        assert told and told[0] is False and told[-1] is True, told
    assert watched.carriers(None, 0.3) == []


def test_with_an_address_its_gateway_goes(watched):
    """The kernel forgets the route without a word: with another address the old gateway is no way."""
    watched.carriers(True)
    watched.router.ip("address", "flush", "dev", "up0", "scope", "global")
    watched.carriers(None, 0.3)
    watched.router.ip("address", "add", "198.51.100.2/24", "dev", "up0")
    watched.carriers(None, 0.3)
    watched.router.ip("route", "add", "default", "via", "198.51.100.1", "dev", "up0")
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and watched.pictures[-1] != (True, ip("198.51.100.2"), ip("198.51.100.1")):
        watched.loop.turn(20)
    seen = [(address, gateway) for _, address, gateway in watched.pictures if address and gateway]
    assert seen == [
        (ip("192.0.2.2"), ip("192.0.2.1")),
        (ip("198.51.100.2"), ip("198.51.100.1")),
    ]


def test_a_gateway_that_another_address_reaches_stays(watched):
    watched.router.ip("address", "add", "192.0.2.9/24", "dev", "up0")
    watched.carriers(True)
    watched.router.ip("address", "delete", "192.0.2.9/24", "dev", "up0")
    watched.carriers(None, 0.5)
    assert watched.pictures[-1] == (True, ip("192.0.2.2"), ip("192.0.2.1"))
    assert "192.0.2.1" in watched.router.ip("route", "show", "default")
