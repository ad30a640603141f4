"""The roles that a configuration asks for, made of what the agent room has."""

from .agent import events
from .system import options

NUMBERS_OF_A_ROLE = 1 << 24  # uplink, tunnel and path numbers: each role has its own range


def _not_there(kind):
    """Each role can be left out of an installation (packaging)."""
    package = "careof-" + kind.replace("_", "-")
    return options.ConfigError(["config %s: this role is not installed (%s)" % (kind, package)])


def make_roles(configuration, tables, random):
    """[(role, its options)] that are configured; a role that is not is not imported."""
    roles = []
    first = 1
    agents, routers = options.agents(configuration), options.routers(configuration)
    if agents:
        try:
            from .agent.home_agent.role import HomeAgent
        except ImportError:
            raise _not_there("home_agent")

        for agent in agents:
            chosen = events.AgentOptions(*agent, tables.get(agent[0].name))
            roles.append((HomeAgent(chosen, random, first), chosen))
            first += NUMBERS_OF_A_ROLE
    if routers:
        try:
            from .agent.mobile_router.role import MobileRouter
        except ImportError:
            raise _not_there("mobile_router")

        for router in routers:
            chosen = events.RouterOptions(*router)
            roles.append((MobileRouter(chosen, random, first), chosen))
            first += NUMBERS_OF_A_ROLE
    foreign = options.foreign_agents(configuration)
    if foreign:
        try:
            from .agent.foreign_agent.role import ForeignAgent
        except ImportError:
            raise _not_there("foreign_agent")

        for agent in foreign:
            chosen = events.ForeignOptions(*agent)
            roles.append((ForeignAgent(chosen, random, first), chosen))
            first += NUMBERS_OF_A_ROLE
    return roles
