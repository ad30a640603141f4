"""From a file to a Configuration (option_table has what there is to configure).

Every mistake is reported, with file:line, option, value and what was expected; either the whole is usable or
nothing of it is taken.
"""

from ..limits import TUNNEL_HEADERS_MAX
from . import uci
from .option_checks import CHECKS, TUN
from .option_table import BY_KIND, DEFAULTS, LATER, REQUIRED, SECTIONS, Configuration, MobileRouter, Uplink
from .option_types import MIP_PORT


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
        in_force = section.in_force(option.name)
        if not in_force:
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
        if len(in_force) > option.many:
            self.mistake(in_force[option.many].line, "list '%s': at most %d" % (option.name, option.many))
        values = []
        for entry in in_force[: option.many]:
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
    for check in CHECKS:
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
    names += [node.aaa_association for node in nodes if node.aaa_association]
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
