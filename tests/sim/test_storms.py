"""Anything may happen at any time; when it is over, all is well again.

Each seed is a story of its own: cables, silence, forgotten NAT mappings, loss, copies, late packets, kills of
every process, commands and reloads, in any order. Afterwards the network is left in peace, and then

    the best uplink carries, and data passes
    the home agent has that one binding, and both tunnelds hold its tunnel and no other
    no association's identification was ever used twice
    no uplink was asked for something twice in a second, but after a link came or went (RFC 5944 3.6, 3.6.3)

A failed seed prints itself and its story: run Storm(seed) to see it again.
"""

from careof.agent import events
from careof.proto.registration import BIND, IDLE
from careof.wire import mip
from office import NAMES, WAN, Office, router_options

SEEDS = 40
STEPS = 25
PEACE_MS = 400000  # penalties of what flapped are over, and the better uplink is returned to


class Storm:
    def __init__(self, seed):
        self.seed = seed
        replay = "nonces" if seed % 3 == 0 else "timestamps"
        self.options = {
            "shared": "branch-wan" if seed % 4 == 0 else None,
            "replay": replay,
            "simultaneous": seed % 5 != 0,
        }
        self.office = Office(seed=seed, router=router_options(**self.options), replay=replay)
        self.office.open("wan0", "wwan0", "lte0")
        self.world = self.office.world

    def run(self):
        for _ in range(STEPS):
            happenings = HAPPENINGS[self.world.chance.below(len(HAPPENINGS))]
            happenings(self)
            self.world.run((0, 15, 300, 1500, 8000, 20000)[self.world.chance.below(6)])
        self.peace()
        return self

    def device(self):
        return NAMES[self.world.chance.below(len(NAMES))] + "0"

    # -- What may happen

    def cable(self):
        device = self.device()
        self.office.router.cable(device, not self.office.wires[device].up)

    def silence(self):
        device = self.device()
        self.office.router.silence(device, not self.office.wires[device].silent)

    def forget(self):
        for wire in self.office.wires.values():
            if wire.nat:
                wire.nat.forget()

    def trouble(self):
        wire = self.office.wires[self.device()]
        wire.loss, wire.copies = 0.1 * self.world.chance.below(3), 0.1 * self.world.chance.below(3)
        wire.jitter_ms = 30 * self.world.chance.below(3)

    def kill_router(self):
        if self.office.router.role is not None:
            self.office.router.kill()
            self.world.after(self.world.chance.below(3000), self.office.router.start)

    def kill_agent(self):
        if self.office.agent.role is not None:
            self.office.agent.kill()
            self.world.after(self.world.chance.below(3000), self.office.agent.start)

    def kill_tunneld(self):
        for machine in (self.office.router, self.office.agent):
            if machine.tunneld.up and self.world.chance.below(2):
                machine.kill_tunneld(self.world.chance.below(500))

    def command(self):
        self.office.router.command("move", self.device()[:-1])

    def reload(self):
        lifetime_s = (600, 60, 20)[self.world.chance.below(3)]
        self.office.options = router_options(lifetime_s=lifetime_s, **self.options)
        self.office.router.tell(events.Reconfigured(self.office.options))

    # -- And then

    def peace(self):
        self.world.run(5000)
        for device, wire in self.office.wires.items():
            wire.silent, wire.loss, wire.copies, wire.jitter_ms = False, 0.0, 0.0, 0
            if not wire.up:
                self.office.router.cable(device, True)
        role = self.office.router.role
        if role.moves.chosen is not None:
            self.office.router.command("move", "wan")
        self.world.run(PEACE_MS)
        self.office.session.begin()
        self.world.run(3000)

    def wrong(self):
        """What is not as it should be, or None."""
        office = self.office
        if office.carrying() != "wan":
            return "carried by %s" % office.carrying()
        if office.session.lost() or office.session.copies():
            return "%d lost, %d copies" % (office.session.lost(), office.session.copies())
        if office.bindings() != [WAN]:
            return "bindings %s" % office.bindings()
        for machine in (office.router, office.agent):
            tunnels = [key for key in machine.tunneld.held if key[0] == "tunnel"]
            if len(tunnels) != 1:
                return "tunnels %s of %s" % (tunnels, machine.role.name)
            if machine.tunneld.held != machine.held:
                return "%s holds something else" % machine.role.name
        for uplink in office.router.role.uplinks:
            asking = uplink.registration.state != IDLE and uplink.registration.ask.kind == BIND
            if asking and uplink.name != "wan":
                return "%s is still asked for a binding" % uplink.name
        return self._twice() or self._too_soon()

    def _twice(self):
        seen = {}
        for wire in self.office.wires.values():
            for at_ms, packet in wire.passed["out"]:
                received = mip.unpack(packet.payload)
                key = (received.authentication.spi, received.message.identification)
                same = seen.setdefault(key, packet.payload)
                if same != packet.payload:
                    return "identification used twice at %d ms" % at_ms
        return None

    def _too_soon(self):
        router, last_ms = self.office.router, {}
        for at_ms, uplink in router.sent:
            before_ms = last_ms.get(uplink, -1000)
            last_ms[uplink] = at_ms
            if at_ms - before_ms >= 1000:
                continue
            if not [told_ms for told_ms in router.told if before_ms - 1000 <= told_ms <= at_ms]:
                return "asked twice in %d ms at %d ms by uplink %d" % (at_ms - before_ms, at_ms, uplink)
        return None


HAPPENINGS = (
    Storm.cable,
    Storm.cable,
    Storm.silence,
    Storm.silence,
    Storm.forget,
    Storm.trouble,
    Storm.kill_router,
    Storm.kill_agent,
    Storm.kill_tunneld,
    Storm.command,
    Storm.reload,
)


def test_after_any_storm_all_is_well():
    for seed in range(1, SEEDS + 1):
        storm = Storm(seed).run()
        wrong = storm.wrong()
        if wrong:
            print("\n".join(storm.world.log[-80:]))
        assert wrong is None, "seed %d: %s" % (seed, wrong)


if __name__ == "__main__":
    from runner import main

    main(globals())
