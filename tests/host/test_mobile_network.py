"""A router with a network behind it on links with foreign agents (RFC 5177 7), which know of its home address
alone. Topology: roaming.py; the network is on the laptop's lo."""

import subprocess

import pytest
from careof_office import INTERPRETERS
from roaming import CARE_OF, HOME_SIDE, LAPTOP, SERVER, Roaming
from tunneld_process import cannot_run

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))
NETWORK, BEHIND = "10.77.5.0/24", "10.77.5.1"


def configured(delivery):
    network = f"\tlist mobile_network '{NETWORK}'\n"
    return {
        "laptop": LAPTOP.replace("\tlist uplink", network + "\tlist uplink").replace(
            "\toption attachment", f"\toption delivery '{delivery}'\n\toption attachment"
        ),
        "home": HOME_SIDE.replace(
            "\tlist association 'laptop_key'", network + "\tlist association 'laptop_key'"
        ),
    }


@pytest.fixture(params=[("MicroPython", "direct"), ("CPython", "encapsulating")], ids="-".join)
def roaming(request):
    interpreter, delivery = request.param
    assert interpreter in INTERPRETERS
    made = Roaming(interpreter, **configured(delivery))
    made.spaces["laptop"].ip("address", "add", f"{BEHIND}/24", "dev", "lo")
    yield made
    made.remove()


def ping_from_behind(roaming, count=5):
    command = ("ping", "-q", "-i", "0.05", "-c", str(count), "-W", "1", "-I", BEHIND, SERVER)
    ping = roaming.spaces["laptop"].start(*command, stdout=subprocess.PIPE, text=True)
    out, _ = ping.communicate(timeout=60)
    return int(out.split(" received")[0].split()[-1])


def test_the_network_goes_with_its_router(roaming):
    for bridge in ("a", "b", "home", "a"):
        roaming.plug(bridge, told=True)
        roaming.settles(bridge)
        if bridge != "home":
            assert ping_from_behind(roaming) == 5, bridge
            assert roaming.ping("agent", BEHIND, 5) == 5, bridge
            tunnels = {row["care_of"] for row in roaming.ends["agent"].status()["bound"]}
            assert tunnels == {CARE_OF[bridge]}
    large = ("ping", "-q", "-c", "3", "-i", "0.05", "-W", "1", "-s", "3000", "-I", BEHIND, SERVER)
    ping = roaming.spaces["laptop"].start(*large, stdout=subprocess.PIPE, text=True)
    assert " 3 received" in ping.communicate(timeout=60)[0]  # in fragments, each with two headers around it
