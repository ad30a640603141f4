"""What no option of a configuration shows alone: references, addresses and devices that are somebody else's.

Each check is given the reading of a whole file (options), and tells it what it finds, each with its line.
"""

from ..wire import ipv4
from ..wire.messages import NAME_SIZE_MAX
from .option_table import DEFAULTS, SECTIONS

TUN = "careof0"


def _check_references(reading):
    for row in SECTIONS:
        for option in row.options:
            if option.refers is None:
                continue
            for record in reading.records(row.kind):
                value = getattr(record, option.name)
                for name in value if option.many else (value,):
                    if name is not None and name not in reading.found[option.refers]:
                        line = reading.entry_line(row.kind, record, option.name, name)
                        text = "'%s' '%s': there is no config %s '%s'" % (
                            option.name,
                            name,
                            option.refers,
                            name,
                        )
                        reading.mistake(line, text)


def _check_routers(reading):
    for router in reading.records("mobile_router"):
        spis = {}
        for name in router.uplink:
            if name not in reading.found["uplink"]:
                continue
            uplink, section = reading.found["uplink"][name]
            association = uplink.association or router.association
            if association is None:
                reading.mistake(
                    section.line,
                    "config uplink '%s': option 'association' is missing: expected here or in "
                    "mobile_router '%s'" % (name, router.name),
                )
            else:
                _check_spi(reading, spis, association, section.line)
        _check_identity(reading, router)
        contact, elsewhere = router.contact, router.home_agent is not None
        elsewhere = elsewhere and contact is not None and contact[0] != router.home_agent
        if router.encapsulation == "ipip" and elsewhere:
            line = reading.entry_line("mobile_router", router, "encapsulation")
            reading.mistake(
                line, "option 'encapsulation' 'ipip': expected auto or udp: the contact is not the home agent"
            )
        _check_networks(reading, "mobile_router", [router])
        _check_lan_devices(reading, router)


def _check_lan_devices(reading, router):
    """What comes in by an uplink is from anywhere."""
    owners = {uplink.device: "of uplink '%s'" % uplink.name for uplink in reading.records("uplink")}
    owners[TUN] = "the tunnels'"
    for device in router.lan_device:
        if device in owners:
            line = reading.entry_line("mobile_router", router, "lan_device", device)
            text = "list 'lan_device' '%s': it is %s: expected the device of a mobile network"
            reading.mistake(line, text % (device, owners[device]))


def _check_identity(reading, router):
    """What is not configured has to be learnt, and there must be a way to."""
    missing = "config mobile_router '%s': option '%s' is missing: expected %s"

    def lacks(name):
        return getattr(router, name) is None and not reading.is_said("mobile_router", router, name)

    line = reading.entry_line("mobile_router", router, "home_agent")
    uplinks = [reading.found["uplink"][name][0] for name in router.uplink if name in reading.found["uplink"]]
    alone = all([uplink.attachment == "own" for uplink in uplinks])  # no foreign agent knows one for us
    everybody = router.home_prefix_length is not None and not lacks("home_address") and lacks("contact")
    reached = everybody or not (lacks("contact") and alone)
    if lacks("home_agent") and not (reached and (everybody or not lacks("nai"))):
        reading.mistake(line, missing % (router.name, "home_agent", "it, or a contact and a nai to get one"))
    if lacks("home_address") and lacks("nai"):
        reading.mistake(line, missing % (router.name, "home_address", "it, or a nai to get one"))
    networks = bool(router.mobile_network) or reading.is_said("mobile_router", router, "mobile_network")
    if networks != (router.network_mode == "explicit") and router.network_mode in ("explicit", "implicit"):
        line = reading.entry_line("mobile_router", router, "network_mode")
        expected = "a" if router.network_mode == "explicit" else "no"
        why = "option 'network_mode' '%s': expected %s mobile_network" % (router.network_mode, expected)
        reading.mistake(line, why)


def _check_spi(reading, spis, name, line):
    found = reading.found["association"].get(name)
    if found is None or found[0].spi is None:
        return
    other = spis.setdefault(found[0].spi, name)
    if other != name:
        reading.mistake(
            line, "association '%s': SPI %d is that of '%s': expected another" % (name, found[0].spi, other)
        )


def _check_networks(reading, kind, records):
    seen = []
    for record in records:
        for network in record.mobile_network:
            for other, owner in seen:
                if ipv4.overlap(network, other):
                    text = ipv4.prefix_text(network)
                    line = reading.entry_line(kind, record, "mobile_network", text)
                    reading.mistake(
                        line,
                        "list 'mobile_network' '%s': it overlaps %s of '%s'"
                        % (text, ipv4.prefix_text(other), owner.name),
                    )
            seen.append((network, record))


def _check_nodes(reading):
    nodes = reading.records("mobile_node")
    pools = [prefix for agent in reading.records("home_agent") for prefix in agent.address_pool]
    for name in ("home_address", "nai"):
        _check_differs(reading, "mobile_node", nodes, name)
    for node in nodes:
        if node.home_address is None and (node.nai is None or not pools):
            line = reading.entry_line("mobile_node", node, "home_address")
            why = "option 'home_address' is missing: expected here, or a nai and a home_agent's address_pool"
            if not reading.is_said("mobile_node", node, "home_address"):
                reading.mistake(line, "config mobile_node '%s': %s" % (node.name, why))
        spis = {}
        for name in node.association:
            _check_spi(reading, spis, name, reading.entry_line("mobile_node", node, "association", name))
    _check_networks(reading, "mobile_node", nodes)
    for node in nodes:
        group = reading.found["node_group"].get(node.group)
        for network in node.mobile_network if group is not None else ():
            if not is_within(network, group[0].network_within):
                text = ipv4.prefix_text(network)
                line = reading.entry_line("mobile_node", node, "mobile_network", text)
                reading.mistake(
                    line,
                    "list 'mobile_network' '%s': expected one within the network_within of node_group '%s'"
                    % (text, node.group),
                )


def is_within(network, prefixes):
    """Does the network lie in one of these prefixes? Without any, it may be anywhere."""
    if not prefixes:
        return True
    return any([network[1] >= prefix[1] and ipv4.covers(prefix, network[0]) for prefix in prefixes])


def _check_differs(reading, kind, records, name):
    """No two of them have the same value of an option."""
    owners = {}
    for record in records:
        value = getattr(record, name)
        if value is None:
            continue
        if owners.setdefault(value, record.name) != record.name:
            line = reading.entry_line(kind, record, name)
            reading.mistake(line, "option '%s': it is that of '%s'" % (name, owners[value]))


def _check_pools(reading):
    """A pool's addresses are nobody else's."""
    taken = [
        (network, "mobile_network of mobile_node '%s'" % node.name)
        for node in reading.records("mobile_node")
        for network in node.mobile_network
    ]
    for agent in reading.records("home_agent"):
        for pool in agent.address_pool:
            text = ipv4.prefix_text(pool)
            for other, owner in taken:
                if ipv4.overlap(pool, other):
                    line = reading.entry_line("home_agent", agent, "address_pool", text)
                    why = "it overlaps %s, %s" % (ipv4.prefix_text(other), owner)
                    reading.mistake(line, "list 'address_pool' '%s': %s" % (text, why))
            taken.append((pool, "address_pool of home_agent '%s'" % agent.name))
        if agent.redirect is not None and agent.redirect == agent.address:
            line = reading.entry_line("home_agent", agent, "redirect")
            reading.mistake(line, "option 'redirect': expected another address than the agent's own")


def _check_keys(reading):
    """Who has no key here must have one there."""
    provider = (reading.records("globals") or [DEFAULTS])[0].key_provider
    for association in reading.records("association"):
        section = reading.found["association"][association.name][1]
        if provider == "soft" and association.key is None and not section.all("key"):
            reading.mistake(
                section.line,
                "config association '%s': option 'key' is missing: expected here, or in careof-keyd's file "
                "and option key_provider 'keyd' in config globals" % association.name,
            )
        if len(association.name) > NAME_SIZE_MAX:
            reading.mistake(
                section.line, "config association: a name of %d characters: expected %d at most"
                % (len(association.name), NAME_SIZE_MAX))  # fmt: skip


def _check_devices(reading):
    devices = {}
    for uplink in reading.records("uplink"):
        other = devices.setdefault(uplink.device, uplink.name)
        if uplink.device and other != uplink.name:
            line = reading.entry_line("uplink", uplink, "device")
            reading.mistake(line, "option 'device' '%s': it is that of uplink '%s'" % (uplink.device, other))


def _check_foreign_agents(reading):
    routers_devices = {}
    for router in reading.records("mobile_router"):
        for name in router.uplink:
            if name in reading.found["uplink"]:
                routers_devices[reading.found["uplink"][name][0].device] = router.name
    taken = {}
    for agent in reading.records("foreign_agent"):
        outside = agent.uplink_device
        if agent.care_of_address is None and (outside is None or (outside == TUN and not routers_devices)):
            line = reading.entry_line("foreign_agent", agent, "care_of_address")
            reading.mistake(
                line,
                "config foreign_agent '%s': expected option care_of_address, or an uplink_device that has one"
                % agent.name,
            )
        if outside in routers_devices:
            line = reading.entry_line("foreign_agent", agent, "uplink_device")
            text = "option 'uplink_device' '%s': it is an uplink of mobile_router '%s': expected %s"
            reading.mistake(line, text % (outside, routers_devices[outside], TUN))
        for device in agent.device or ():
            if (
                device == outside
                or device in routers_devices
                or taken.setdefault(device, agent.name) != agent.name
            ):
                line = reading.entry_line("foreign_agent", agent, "device", device)
                reading.mistake(line, "list 'device' '%s': expected a device of visitors alone" % device)


def _check_peers(reading):
    addresses = {}
    known = [peer.address for peer in reading.records("agent_peer")]
    for agent in reading.records("foreign_agent"):
        if agent.home_agent is not None and agent.home_agent not in known and not agent.any_home_agent:
            line = reading.entry_line("foreign_agent", agent, "home_agent")
            reading.mistake(line, "option 'home_agent': expected the address of a config agent_peer")
    for peer in reading.records("agent_peer"):
        if peer.address and addresses.setdefault(peer.address, peer.name) != peer.name:
            line = reading.entry_line("agent_peer", peer, "address")
            reading.mistake(line, "option 'address': it is that of '%s'" % addresses[peer.address])
    names = {}
    for visitor in reading.records("visitor"):
        if visitor.home_address is None and visitor.nai is None:
            line = reading.entry_line("visitor", visitor, "home_address")
            reading.mistake(line, "config visitor '%s': expected home_address or nai" % visitor.name)
        for name in (visitor.home_address, visitor.nai):
            if name is not None and names.setdefault(name, visitor.name) != visitor.name:
                line = reading.entry_line("visitor", visitor, "home_address")
                reading.mistake(line, "config visitor '%s': it is '%s' again" % (visitor.name, names[name]))


CHECKS = (
    _check_references,
    _check_routers,
    _check_nodes,
    _check_pools,
    _check_keys,
    _check_devices,
    _check_foreign_agents,
    _check_peers,
)
