"""From a file to a Configuration (option_table has what there is to configure).

Every mistake is reported, with file:line, option, value and what was expected; either the whole is usable or
nothing of it is taken.
"""

from ..limits import TUNNEL_HEADERS_MAX
from ..wire import ipv4
from . import uci
from .option_table import BY_KIND, LATER, REQUIRED, SECTIONS, Configuration, Globals, MobileRouter, Uplink
from .option_types import MIP_PORT

KEY_NAME_SIZE_MAX = 63  # wire/messages.NAME_SIZE_MAX
DEFAULTS = Globals("globals", *[option.default for option in BY_KIND["globals"].options])


class ConfigError(Exception):
    """A configuration that cannot be used: `messages`, and str() has one a line."""

    def __init__(self, messages):
        super().__init__("\n".join(messages))
        self.messages = messages


def nearest(word, known):
    """The known word that a human may have meant, or None."""
    best, best_distance = None, 3
    for candidate in sorted(known):
        distance = _distance(word, candidate)
        if distance < best_distance:
            best, best_distance = candidate, distance
    return best


def _distance(one, other):
    """Insertions, deletions and replacements between two words (Levenshtein)."""
    row = list(range(len(other) + 1))
    for i, character in enumerate(one):
        diagonal, row[0] = row[0], i + 1
        for j, wanted in enumerate(other):
            replaced = diagonal + (character != wanted)
            diagonal = row[j + 1]
            row[j + 1] = min(replaced, row[j] + 1, row[j + 1] + 1)
    return row[-1]


class _Reading:
    """One file's way to a Configuration, or to the list of its mistakes."""

    def __init__(self, document):
        self.path = document.path
        self.mistakes = []
        self.found = {row.kind: {} for row in SECTIONS}  # kind -> {name: (record, section)}
        self._order = {row.kind: [] for row in SECTIONS}
        for section in document.sections:
            self._read_section(section)

    def mistake(self, line, why):
        self.mistakes.append((line, "%s:%d: %s" % (self.path, line, why)))

    def records(self, kind):
        return [record for record, _ in self._order[kind]]

    def entry_line(self, kind, record, name, value=None):
        """The line where a section has this option (with this value); its own line if nowhere."""
        for other, section in self._order[kind]:
            if other is record:
                for entry in section.all(name):
                    if value is None or entry.value == value:
                        return entry.line
                return section.line
        return 1

    def is_said(self, kind, record, name):
        """Has a section this option at all, right or wrong?"""
        return any([other is record and bool(section.all(name)) for other, section in self._order[kind]])

    def _read_section(self, section):
        row = BY_KIND.get(section.kind)
        if row is None:
            self.mistake(section.line, "config %s: %s" % (section.kind, _expected(section.kind, BY_KIND)))
            return
        name = section.name
        if row.kind == "globals":
            name = "globals"
        elif not name:
            self.mistake(section.line, "config %s: expected a name after it" % row.kind)
            return
        if name in self.found[row.kind]:
            first = self.found[row.kind][name][1].line
            self.mistake(
                section.line, "config %s '%s': there is one already, at line %d" % (row.kind, name, first)
            )
            return
        known = {option.name: option for option in row.options}
        for entry in section.entries:
            if entry.name not in known:
                self.mistake(
                    entry.line, "%s '%s': %s" % (entry.word, entry.name, _expected(entry.name, known))
                )
        values = [self._read_option(section, option) for option in row.options]
        record = row.record(name, *values)
        self.found[row.kind][name] = (record, section)
        self._order[row.kind].append((record, section))

    def _read_option(self, section, option):
        entries = section.all(option.name)
        if not entries:
            if option.default is REQUIRED:
                word = "option" if option.many is None else "list"
                self.mistake(
                    section.line,
                    "config %s '%s': %s '%s' is missing: expected %s"
                    % (section.kind, section.name, word, option.name, option.type.text),
                )
                return None if option.many is None else ()
            return None if option.default is LATER else option.default
        if option.many is None:
            for entry in entries:
                if entry.word != "option":
                    self.mistake(entry.line, "list '%s': expected option: it has one value" % option.name)
            if len(entries) > 1:
                self.mistake(entries[-1].line, "option '%s': there is one already, at line %d"
                             % (option.name, entries[0].line))  # fmt: skip
            return self._read_value(entries[-1], option)
        if len(entries) > option.many:
            self.mistake(entries[option.many].line, "list '%s': at most %d" % (option.name, option.many))
        values = []
        for entry in entries[: option.many]:
            value = self._read_value(entry, option)
            if value in values:
                self.mistake(
                    entry.line, "%s '%s' '%s': it is there already" % (entry.word, option.name, entry.value)
                )
            elif value is not None:
                values.append(value)
        return tuple(values)

    def _read_value(self, entry, option):
        try:
            return option.type.read(entry.value)
        except ValueError:
            shown = "(%d characters)" % len(entry.value) if option.secret else "'%s'" % entry.value
            why = "%s '%s' %s: expected %s" % (entry.word, option.name, shown, option.type.text)
            self.mistake(entry.line, why)
            return None


def _expected(word, known):
    meant = nearest(word, known)
    if meant:
        return "not known: did you mean '%s'?" % meant
    return "not known: expected one of %s" % ", ".join(sorted(known))


# -- What no option shows alone -------------------------------------------------------------------------


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
        if len(association.name) > KEY_NAME_SIZE_MAX:
            reading.mistake(
                section.line, "config association: a name of %d characters: expected %d at most"
                % (len(association.name), KEY_NAME_SIZE_MAX))  # fmt: skip


def _check_devices(reading):
    devices = {}
    for uplink in reading.records("uplink"):
        other = devices.setdefault(uplink.device, uplink.name)
        if uplink.device and other != uplink.name:
            line = reading.entry_line("uplink", uplink, "device")
            reading.mistake(line, "option 'device' '%s': it is that of uplink '%s'" % (uplink.device, other))


TUN = "careof0"


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


def _completed(router):
    """With what its absent options mean."""
    names = [option.name for option in BY_KIND["mobile_router"].options]
    values = dict(zip(names, router[1:]))
    if router.contact is None and router.home_agent is not None:
        values["contact"] = (router.home_agent, MIP_PORT)
    if router.network_mode is None:
        known = router.home_address is not None or router.mobile_network
        values["network_mode"] = "configured" if known else "implicit"
    if router.host_configuration is None:
        values["host_configuration"] = router.home_address is None
    return MobileRouter(router.name, *[values[name] for name in names])


def read(document):
    """The Configuration in a uci.Document. Raises ConfigError with every mistake."""
    reading = _Reading(document)
    checks = (
        _check_references,
        _check_routers,
        _check_nodes,
        _check_pools,
        _check_keys,
        _check_devices,
        _check_foreign_agents,
        _check_peers,
    )
    for check in checks:
        check(reading)
    if reading.mistakes:
        raise ConfigError([text for _, text in sorted(reading.mistakes)])
    fields = {row.kind: tuple(reading.records(row.kind)) for row in SECTIONS}
    fields["globals"] = (fields["globals"] or (DEFAULTS,))[0]
    fields["mobile_router"] = tuple([_completed(router) for router in fields["mobile_router"]])
    return Configuration(*[fields[row.kind] for row in SECTIONS])


def load(path):
    """The Configuration in a file. Raises ConfigError, also when there is no such file."""
    try:
        return read(uci.load(path))
    except uci.UciError as e:
        raise ConfigError([str(e)])
    except OSError as e:
        raise ConfigError(["%s: cannot be read: %s" % (path, e)])


# -- What the roles take from it ------------------------------------------------------------------------


def associations(configuration):
    """{name: association}"""
    return {association.name: association for association in configuration.association}


def _some(configuration, names):
    known = associations(configuration)
    return {name: known[name] for name in names}


def routers(configuration):
    """[(mobile_router, its uplinks in its order, {name: association that they use})]"""
    found = []
    uplinks = {uplink.name: uplink for uplink in configuration.uplink}
    for router in configuration.mobile_router:
        mine = []
        for name in router.uplink:
            uplink = uplinks[name]
            association = uplink.association or router.association
            mine.append(Uplink(uplink.name, uplink.device, uplink.preference, association, *uplink[4:]))
        names = [uplink.association for uplink in mine]
        for name in (router.agent_association, router.aaa_association):
            if name is not None:
                names.append(name)
        found.append((router, mine, _some(configuration, names)))
    return found


def agents(configuration):
    """[(home_agent, mobile nodes, agent peers, {name: association that they use}, {name: node_group})]"""
    nodes = list(configuration.mobile_node)
    peers = list(configuration.agent_peer)
    names = [name for node in nodes for name in node.association]
    names += [peer.association for peer in peers if peer.association]
    groups = {group.name: group for group in configuration.node_group}
    return [(agent, nodes, peers, _some(configuration, names), groups) for agent in configuration.home_agent]


def foreign_agents(configuration):
    """[(foreign_agent, its peers, visitors, {name: association that they use})]"""
    peers, visitors = configuration.agent_peer, configuration.visitor
    names = [section.association for section in peers + visitors if section.association]
    return [
        (_with_care_of(agent, configuration), list(peers), list(visitors), _some(configuration, names))
        for agent in configuration.foreign_agent
    ]


def _with_care_of(agent, configuration):
    """Behind a mobile router of this machine: the care-of address is the one that it keeps; tunnels lie in
    its own."""
    if agent.uplink_device != TUN or not configuration.mobile_router:
        return agent
    router = configuration.mobile_router[0]
    values = dict(zip([option.name for option in BY_KIND["foreign_agent"].options], agent[1:]))
    if agent.care_of_address is None:
        values["care_of_address"] = router.home_address
    values["packet_size"] = min(agent.packet_size, router.packet_size - TUNNEL_HEADERS_MAX)
    return type(agent)(agent.name, *[values[option.name] for option in BY_KIND["foreign_agent"].options])


def devices(configuration):
    """The devices that matter, each once."""
    found = [uplink.device for uplink in configuration.uplink]
    found += [agent.home_device for agent in configuration.home_agent if agent.home_device]
    for agent in configuration.foreign_agent:
        found += list(agent.device)
        if agent.uplink_device is not None:
            found.append(agent.uplink_device)
    return [device for index, device in enumerate(found) if device not in found[:index]]
