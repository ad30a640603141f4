"""The lab: a branch office, three access networks, an internet and a home site, as namespaces on one machine.

topology    the drawing, the addresses, and the namespaces made from them
access      one access network: its gateway, NAT, shaping and delay, and everything that can go wrong with it
remains     what a lab leaves on the machine, and how all of it goes away again, whatever happens
process     commands and services in a namespace
traffic     sessions of programs that were not written here: OpenSSH, nginx and curl, iperf3, ping
measure     interruption, loss and duplication, from ping's own lines
product     careof in the lab: configuration, processes, what it says of itself
failover    what a user has today: NAT on every uplink and a script that follows a tracking address
visited     the other drawing: a laptop between home, two visited branches, and one that moves itself
agents      careof in that one: the home agent, the foreign agents, the laptop
scenarios   what the laptop lives through: `./dev lab scenarios`
story       the moves, one after the other, and what became of the sessions
view        what is shown while it happens, and the table at its end
report      the page with the timeline
demo        all of that: `./dev demo`
keep        a lab to explore by hand: `./dev lab`
relay.c     a line with a length, for kernels that cannot delay
"""
