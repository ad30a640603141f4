"""What careofd keeps by itself, without keyd: and what it does when the machine does not let it."""

import os

import scratch
from careof import keepers
from careof.crypt.soft import SoftProvider
from careof.system import again
from fakes import Counts, FakeLoop

FOLDER = scratch.path("keeper")


class World:
    def __init__(self):
        self.loop, self.counts, self.troubles = FakeLoop(), Counts(), []
        self.keeper = keepers.SoftKeeper(self.loop, FOLDER, self.troubles.append, self.counts)
        self.keeper.set_keys(SoftProvider())
        self.full = False
        self._save, self.tried = self.keeper._store.save, []
        self.keeper._store.save = self._try

    def _try(self, name, value):
        self.tried.append((name, value))
        if self.full:
            raise OSError(28, "No space left on device")
        self._save(name, value)

    def tick(self, ms):
        self.loop.clock.ms += ms
        for timer in self.loop.timers:
            if timer.deadline() is not None and timer.deadline() <= self.loop.clock.ms:
                timer.late(self.loop.clock.ms)

    def restored(self):
        found = []
        keepers.SoftKeeper(FakeLoop(), FOLDER, self.troubles.append, self.counts).restore(found.append)
        return found[0].values


def world():
    made = World()
    for name in os.listdir(FOLDER):
        os.remove(FOLDER + "/" + name)
    return made


def test_what_cannot_be_written_is_tried_again_later_each_time():
    here = world()
    here.keeper.save("a", 1)
    here.full = True
    here.keeper.save("a", 2)
    assert here.keeper.trouble()["unsaved"] == here.keeper.trouble()["refused"] == 1
    assert "No space left" in here.keeper.trouble()["why"] and here.counts["state_unwritable"] == 1
    here.keeper.save("a", 3)  # waits with the other
    assert len(here.tried) == 2
    gap_ms = again.RETRY_MS
    for tries in range(3, 7):
        here.tick(gap_ms - 1)
        assert len(here.tried) == tries - 1
        here.tick(1)
        assert len(here.tried) == tries
        gap_ms *= 2
    assert here.restored() == {"a": 1} and len(here.troubles) == 1
    here.full = False
    here.tick(gap_ms)
    assert here.restored() == {"a": 3} and here.keeper.trouble()["why"] is None
    here.keeper.save("a", 4)
    assert here.restored() == {"a": 4}


def test_when_there_is_room_again_all_follow_at_once():
    here = world()
    here.full = True
    for number in range(2 * again.TRIED):
        here.keeper.save("n%d" % number, number)
    here.full = False
    here.tick(again.RETRY_MS)
    here.tick(0)
    assert len(here.restored()) == 2 * again.TRIED and here.keeper.trouble()["refused"] == 0


if __name__ == "__main__":
    from runner import main

    main(globals())
