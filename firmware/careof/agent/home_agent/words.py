"""What a home agent's reply says beside the binding: host configuration, words for people, another agent.

    host configuration   of the home network, if the request asks for it and is granted (RFC 4332)
    a message            for whoever uses the node, with a grant, a refusal and a revocation (RFC 4917)
    redirection          a request that leaves the choice of the home agent to us is sent to another one, if
                         the options say so (RFC 4433 4.2, 5.3)

All of it stands before the node's authentication. Who has not shown that he is the node gets none of it: no
longer an answer than what he sent.
"""

from ...proto.visiting import ANYONE as ANY_HOME_AGENT
from ...wire import mip_codes, mip_extensions

REDIRECTED = 143  # RFC 4433 7


def redirection(agent, node, request):
    """The home agent that this request is sent to, or None: it is ours."""
    if request.home_agent not in ANY_HOME_AGENT or not request.lifetime_s:
        return None
    other = node.redirect or agent.redirect
    return None if other == agent.address else other


def beside(agent, node, request, code):
    """Extensions for the reply to a request that is genuine and fresh. agent: the options."""
    found = []
    accepted = mip_codes.accepts(code)
    if accepted and request.lifetime_s:
        found += _host_configuration(agent, request)
    elif code == REDIRECTED:
        other = redirection(agent, node, request)
        if other is not None:
            found.append(mip_extensions.DynamicHomeAgent(mip_extensions.HA_REDIRECTED, other))
    text = node.message or (agent.message_accepted if accepted else agent.message_refused)
    return found + (_message(text) if request.lifetime_s else [])


def with_revocation(agent, node):
    """Extensions for what tells that an administrator ended a binding of the node."""
    return _message(node.message or agent.message_refused)


def _message(text):
    if text is None:
        return []
    return [mip_extensions.MessageString(mip_extensions.MESSAGE_FROM_HOME_AGENT, text.encode())]


def _host_configuration(agent, request):
    if not request.extensions:
        return []
    if mip_extensions.HOST_REQUEST not in mip_extensions.host_configuration_of(request.extensions):
        return []
    items = (
        (mip_extensions.HOST_PREFIX_LENGTH, _octets(agent.home_prefix_length, 2)),
        (mip_extensions.HOST_DNS, b"".join(agent.dns_server)),
        (mip_extensions.HOST_GATEWAY, agent.gateway),
        (mip_extensions.HOST_DNS_SUFFIX, agent.dns_suffix and agent.dns_suffix.encode()),
        (mip_extensions.HOST_URL, agent.configuration_url and agent.configuration_url.encode()),
    )
    return [mip_extensions.host_configuration(kind, value) for kind, value in items if value]


def _octets(number, size):
    return None if number is None else number.to_bytes(size, "big")
