"""What a role is told and what it asks for: the seam between `agent` and everything else.

A role has `handle(event, now_ms) -> [actions]` and `deadline() -> ms or None`. Time is a monotonic
clock's, in ms; wall-clock time comes as an offset (WallClock) so that a run can be replayed. `main`
(and the simulator, a second main) turns actions into messages and timers. Addresses are bytes of 4.

A role is made with MobileRouter(RouterOptions, random) or HomeAgent(AgentOptions, random), where
random(size) gives that many octets of good randomness. It has `name`, and for status, all plain JSON values:

    snapshot(now_ms)                what `careof status` shows
    facts(now_ms)                   what the MIB's scalars are made of, beside the counters (status.mib)
    rows(table, after, now_ms)      (rows, after) of a table, in the order of their addresses as numbers: some
                                    behind `after` (-1: from the first), and how to go on; None: that was all
    rows_about(table, key, now_ms)  the rows that a Changed with this key is about

Its first events are, in this order: WallClock; Restored for every value ever saved under a name that begins
with "<role.name>.", those with shorter names first; Start; then Link for each device and all the others.

After careofd was restarted, tunneld still holds what it held. The client sends ReplayBegin, passes on
every Hold as it comes, and sends ReplayEnd (which removes what was not held again) only when every role
has said Settled: so nothing stops that forwards before its successor stands. A new tunneld
(TunneldUp after TunneldDown, another epoch) is given all that is held at once, Settled or not.
"""

from collections import namedtuple

# -- Options: sections of `system.options`; associations: {name: section} ---------------------------
RouterOptions = namedtuple("RouterOptions", "router uplinks associations")  # uplinks: in the router's order
# groups: {name: node_group section}. table: of many more nodes, or None; table.row(key: home address as a
# number, or the NAI of a node without one) is (name of its group, SPIs, networks) or None, table.named(NAI)
# the key of its row or None, table.nai(number) the NAI beside a home address or None, len() their number.
AgentOptions = namedtuple("AgentOptions", "agent nodes peers associations groups table")
ForeignOptions = namedtuple("ForeignOptions", "agent peers visitors associations")

# -- Events ---------------------------------------------------------------------------------------
Restored = namedtuple("Restored", "name value")  # what Save kept, before careofd was restarted
Start = namedtuple("Start", "")  # all that was saved has been restored
Late = namedtuple("Late", "")  # deadline() has passed
WallClock = namedtuple(
    "WallClock", "offset_ms"
)  # Unix time in ms = now_ms + offset_ms; told again after a step
# A datagram on a signalling port, as tunneld handed it up. uplink: the number given in Hold(SetUplink).
Datagram = namedtuple("Datagram", "uplink source source_port destination ttl data")
Inner = namedtuple("Inner", "tunnel data")  # an inner packet for us (an answered probe)
# ICMP said that what was sent there did not arrive: its type and code (kind, code), and as much of the
# datagram as it quotes. Anyone may have made it.
Unreachable = namedtuple("Unreachable", "uplink destination port kind code data")
# What the machine's netlink says of a device; told at the start and whenever any of it changes.
# address: the first global IPv4 address or None; gateway: next hop of its default route or None.
Link = namedtuple("Link", "device carrier address prefix_length gateway")
Unanswered = namedtuple("Unanswered", "path since_ms")
Answered = namedtuple("Answered", "path")
# tunneld closed this route by itself
Expired = namedtuple("Expired", "destination length source source_length")
# What came on a link (Hold(SetLink)): a whole IPv4 packet, from that link-layer address. group: it was sent
# to several. LinkUp: the link works, and this is our own link-layer address.
Frame = namedtuple("Frame", "link link_address group data")
LinkUp = namedtuple("LinkUp", "link link_address")
Refused = namedtuple("Refused", "message error text")  # tunneld could not do this Hold
TunneldUp = namedtuple("TunneldUp", "offloads")  # (again) connected; what was held has been replayed
TunneldDown = namedtuple("TunneldDown", "")
Authenticated = namedtuple(
    "Authenticated", "token authenticator"
)  # of Authenticate; None: there is no such key
Verified = namedtuple("Verified", "token genuine")  # answer to Verify
Confirmed = namedtuple("Confirmed", "token")  # answer to Confirm, after any Refused
Command = namedtuple("Command", "name arguments")  # from the status socket; "move", "stop", ...
Reconfigured = namedtuple("Reconfigured", "options")  # the new options of this role

# -- Actions --------------------------------------------------------------------------------------
Send = namedtuple("Send", "uplink destination port data")  # a datagram from that uplink's signalling port
# To one link-layer address or a group of them. ethertype: ETHERTYPE_... of wire.link
SendFrame = namedtuple("SendFrame", "link link_address ethertype data")
SendInner = namedtuple("SendInner", "path data")  # an inner packet by that path
# State that tunneld should hold from now on: `message` is a Set... of wire.tunneld, `key` names the
# object; the client in `system` sends it, and again after tunneld was restarted, in the order of first
# Hold. Release sends the matching Drop.
Hold = namedtuple("Hold", "key message")
Release = namedtuple("Release", "key")
# Say Confirmed when tunneld has done, or refused, all that it was told so far; at once if it is not there.
Confirm = namedtuple("Confirm", "token")
Authenticate = namedtuple("Authenticate", "token key data")  # key: the name of an association's key
Verify = namedtuple("Verify", "token key data authenticator")
Log = namedtuple("Log", "level tag text")  # level: "error", "warning", "notice", "info", "debug"
# The octets of what was discarded under this name, for whoever debugs (RFC 5944 1.7); no more than their
# beginning, and nothing at all is done with them at any other level.
Contents = namedtuple("Contents", "name data")
Count = namedtuple("Count", "name")  # one more under this name
# Something of a table is another now: for who follows it (`careof bindings --follow`). key: what rows_about()
# takes.
Changed = namedtuple("Changed", "table key")
REFUSED = Changed("registrations", None)  # the last refusal is another (agent.refusals)
Moved = namedtuple("Moved", "role from_uplink to_uplink why")  # for status, hooks and the console
Answer = namedtuple("Answer", "command value")  # the JSON value that answers a Command
# Keep this plain JSON value over a restart (tmp + rename, off the hot path); None forgets the name.
Save = namedtuple("Save", "name value")
# Name servers that a router learnt, for other programs; no servers: forget them
Resolv = namedtuple("Resolv", "name servers suffix")
Settled = namedtuple("Settled", "")  # all that should be held has been; said once
Stop = namedtuple("Stop", "")  # the role has said goodbye; careofd may end
