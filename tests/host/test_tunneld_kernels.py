"""careof-tunneld where the kernel, or its rights, lack something: it does without, or says what it needs."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest
from careof.wire import tunneld as wire
from namespaces import Namespace
from tunneld_process import BINARY, cannot_run
from tunneld_world import World, good

OLD = (sys.executable, str(Path(__file__).with_name("old_kernel.py")))
pytestmark = [
    pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run())),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="old_kernel.py is of x86-64"),
]
ALL = wire.OFFLOAD_TUN_TSO | wire.OFFLOAD_TUN_USO | wire.OFFLOAD_UDP_SEGMENT | wire.OFFLOAD_UDP_GRO
WITHOUT = {
    "": 0,
    "uso": wire.OFFLOAD_TUN_USO,
    "tso": wire.OFFLOAD_TUN_USO | wire.OFFLOAD_TUN_TSO,
    "udp_segment": wire.OFFLOAD_UDP_SEGMENT,
    "udp_gro": wire.OFFLOAD_UDP_GRO,
    "tso,udp_segment,udp_gro,seccomp": ALL,
    "seccomp": 0,
}

HERE = []  # the offloads of this kernel


@pytest.fixture(scope="module", autouse=True)
def this_kernel():
    world = World()
    world.client.send(wire.Hello(wire.VERSION))
    HERE.append(world.client.wait_for(wire.HelloBack).offloads)
    world.remove()


@pytest.fixture
def namespace():
    made = Namespace("router")
    yield made
    made.remove()


def start(namespace, *before, after=()):
    """(exit status, what it said) of one that is not expected to come up."""
    command = ("ip", "netns", "exec", namespace.name, *before, str(BINARY), "--socket", "/nowhere/x", *after)
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    return done.returncode, done.stderr


@pytest.mark.parametrize("lacks", WITHOUT, ids=lambda lacks: lacks or "nothing")
def test_what_only_makes_it_faster_is_done_without(lacks):
    world = World(launcher=(*OLD, lacks))
    try:
        world.client.send(wire.Hello(wire.VERSION))
        offloads = world.client.wait_for(wire.HelloBack).offloads
        assert offloads == HERE[0] & ~WITHOUT[lacks]
        world.out(b"out")
        assert bytes(world.received().lastlayer()) == b"out"
        world.route(wire.GATE_OPEN, 2)
        world.out(b"by IP in IP")
        assert world.raw.recv(2000).endswith(b"by IP in IP")
        assert world.delivered(good(b"in"))
        log = world.tunneld.log()
        said = log.count("this kernel cannot filter system calls: going on without")
        assert said == (2 if "seccomp" in lacks else 0), log  # of both processes
        assert "error" not in log
    finally:
        world.remove()


def test_what_it_cannot_do_without_is_named(namespace):
    status, said = start(namespace, *OLD, "vnet_hdr")
    assert status == 5 and "no TUN: careof0: make it a TUN with offload headers: Invalid argument" in said
    assert "the kernel is too old" in said
    assert start(namespace)[0] == 3  # the control: this kernel has it, and the socket is what fails


def test_a_device_of_that_name_is_told(namespace):
    namespace.ip("link", "add", "careof0", "type", "veth", "peer", "name", "other0")
    status, said = start(namespace)
    assert status == 5 and "no TUN: careof0: " in said and "(there is a device of that name)" in said


@pytest.mark.parametrize("right", ["net_admin", "net_raw", "net_bind_service", "setuid", "setpcap"])
def test_root_without_its_rights_is_told_which(namespace, right):
    status, said = start(namespace, "setpriv", f"--bounding-set=-{right}")
    assert status == 4 and f"root without: CAP_{right.upper()}" in said and said.count("\n") == 1
    two = start(namespace, "setpriv", "--bounding-set=-net_raw,-net_admin")
    assert two[0] == 4 and "root without: CAP_NET_ADMIN CAP_NET_RAW" in two[1]
