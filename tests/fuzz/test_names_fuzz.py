"""Whoever has the key may say anything: genuine replies to a router that learns, genuine requests to a home
agent that leases. Neither falls over, and what the router believes could be true."""

import json

from careof.agent import events
from careof.wire import ipv4, mip, mip_extensions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_home_agent_names import Home, nai
from test_router_identity import Learner

settings.register_profile("smoke", max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("smoke")

U8, U32 = st.integers(0, 255), st.integers(0, (1 << 32) - 1)
LIKELY = ("0.0.0.0", "255.255.255.255", "127.0.0.1", "224.0.0.1", "10.77.1.0", "10.80.0.3", "198.51.100.10")
ADDRESS = st.one_of(st.sampled_from(LIKELY).map(ipv4.parse_address), st.binary(min_size=4, max_size=4))
CODES = st.one_of(st.sampled_from((0, 0, 0, 1, 129, 130, 133, 136, 143, 147, 148)), U8)
REQUESTED = st.builds(mip_extensions.MobileNetworkRequest, ADDRESS, st.one_of(U8, st.integers(0, 32)))
TOLD = st.builds(
    mip_extensions.MobileNetworkReply,
    *(st.sampled_from((1, 2)), st.integers(0, 5), ADDRESS, st.one_of(U8, st.integers(0, 32))),
)
HOST = st.builds(mip_extensions.host_configuration, st.integers(0, 9), st.binary(max_size=40))
WORDS = st.builds(mip_extensions.MessageString, st.sampled_from((1, 2)), st.binary(min_size=1, max_size=40))
AGENTS = st.builds(mip_extensions.DynamicHomeAgent, st.sampled_from((1, 2)), ADDRESS)
CRITICAL = st.builds(mip_extensions.CriticalVendor, U32, U8, st.binary(max_size=8))
AT_MOST = {mip_extensions.MessageString: 2, mip_extensions.DynamicHomeAgent: 2, mip_extensions.Nai: 1}


def legal(extensions):
    """No more of each than a message may have."""
    kept = []
    for extension in extensions:
        most = AT_MOST.get(type(extension), 8)
        if len([other for other in kept if type(other) is type(extension)]) < most:
            kept.append(extension)
    return kept


REPLY = st.tuples(
    *(CODES, ADDRESS, ADDRESS),
    st.lists(st.one_of(TOLD, HOST, WORDS, AGENTS), max_size=6),
    st.lists(CRITICAL, max_size=1),
)
MODES = st.sampled_from(("implicit", "explicit"))
LAN = ipv4.parse_prefix("10.77.1.0/24")


@given(MODES, st.lists(REPLY, min_size=1, max_size=5))
def test_whatever_a_home_agent_says_a_router_stands(mode, said):
    router = Learner(mode=mode, networks=(LAN,) if mode == "explicit" else ()).link()
    now_ms = 20
    for code, home, agent, extensions, critical in said:
        router.reply(code, home=home, agent=agent, now_ms=now_ms, extensions=legal(extensions) + critical)
        now_ms += 700000
        router.tell(events.Late(), now_ms)
    shown = router.role.snapshot(now_ms)
    json.dumps(shown)
    for address in (router.role.router.home_address, router.role.router.home_agent):
        assert address is None or (0 < address[0] < 224 and address[0] != 127)
    networks = router.role.router.mobile_network
    assert all(length for _, length in networks) and (mode == "implicit" or set(networks) <= {LAN})
    resolv = [action for action in router.order if isinstance(action, events.Resolv)]
    assert all(len(server) == 4 for action in resolv for server in action.servers)
    assert all(action.suffix is None or action.suffix.isprintable() for action in resolv)
    again = Learner(mode=mode, networks=(LAN,) if mode == "explicit" else ())
    kept = [action for action in router.order if isinstance(action, events.Save)][-1]
    again.role.state.restored(events.Restored(kept.name, json.loads(json.dumps(kept.value))))
    assert not [a for a in again.role.state.restore(now_ms) if isinstance(a, events.Count)]
    assert again.role.router.saved() == router.role.router.saved()


ASKED = st.tuples(
    *(st.integers(0, 3), ADDRESS, ADDRESS, ADDRESS, st.sampled_from((0, 1, 600, 0xFFFF))),
    st.sampled_from((0, mip.FLAG_D, mip.FLAG_D | mip.FLAG_T, mip.FLAG_T, mip.FLAG_T | mip.FLAG_S)),
    st.lists(st.one_of(REQUESTED, HOST, AGENTS, CRITICAL), max_size=4),
)


@given(st.lists(ASKED, min_size=1, max_size=6))
def test_whatever_a_node_asks_for_a_home_agent_stands(asked):
    home = Home(nodes=3)
    for number, address, agent, care_of, lifetime_s, flags, extensions in asked:
        extensions = [mip_extensions.Nai(nai(number).encode()), *legal(extensions)]
        data = home.request(flags, lifetime_s, address, care_of, extensions, agent)
        home.datagram(data, care_of)
    leased = [node.home_address for node in home.role.nodes if node.home_address is not None]
    assert len(leased) == len(set(leased)) == home.role.leases.count
    assert all(home.role.leases.pool.has(address) for address in leased)
    for key, message in home.held.items():
        if key[0] == "route":
            assert message.paths, key
    again = Home(nodes=3, saved=json.loads(json.dumps(home.kept())))
    assert [node.home_address for node in again.role.nodes] == [n.home_address for n in home.role.nodes]
