/* Every bound and interval of careof-tunneld, with its unit and where it comes from. */
#ifndef CAREOF_TUNNELD_LIMITS_H
#define CAREOF_TUNNELD_LIMITS_H

enum {
    /* Tables. An agent of the data-centre size holds 100,000 bindings (DESIGN section 2); with
     * simultaneous ones and some room for those that come and go. */
    UPLINKS_MAX = 64,
    LINKS_MAX = 16,
    TUNNELS_MAX = 262144,
    PATHS_MAX = 262144,
    SOURCES_MAX = 16384,         /* prefixes of routers here, and visitors of a foreign agent */
    ROUTES_MAX = 524288,
    DEVICES_MAX = 64,            /* names of devices in kernel rows, of a life */
    KERNEL_ROWS_MAX = 524288,    /* of the helper, all verbs together */
    PATHS_PER_ROUTE_MAX = 8,     /* simultaneous bindings of one mobile node */
    TUNNELS_PER_PATH_MAX = 1,    /* stacks come with the protocols that make them */
    INNER_ROWS_MAX = 524288,     /* of all tunnels: home addresses and prefixes */
    PROBES_MAX = 16,
    LISTENERS_MAX = 256,         /* nodes away that get what is sent to all at home: each packet is copied so often */

    /* Fair turns: how much one ready descriptor may do before the next has its turn. */
    TUN_READS_PER_TURN = 16,
    UPLINK_RECEIVES_PER_TURN = 2,
    CLIENT_DATAGRAMS_PER_TURN = 4, /* of some hundred messages each, at most */
    LINK_FRAMES_PER_TURN = 16,

    /* Batches. */
    RECEIVE_MESSAGES = 8,          /* of one recvmmsg() */
    RECEIVE_SIZE = 65535,          /* of each: a full UDP_GRO buffer */
    SEND_MESSAGES = 32,            /* of one sendmmsg() */
    SEND_ARENA_SIZE = 256 * 1024,  /* their octets: three super-packets and their tunnel headers */

    /* Sockets. What a super-packet of 64 KB each way needs at 100 ms of somebody else's turn. */
    UPLINK_BUFFER_SIZE = 2 * 1024 * 1024,
    CLIENT_BUFFER_SIZE = 256 * 1024, /* messages up that wait for careofd */
    CLIENT_SIGNALS_SIZE = 128 * 1024, /* of these, at most this much signalling, */
    CLIENT_KNOWN_SIZE = 192 * 1024,   /* or this much with that of sources that a tunnel leads to */

    /* A gate on hold. */
    HOLD_PACKETS_MAX = 64,           /* for each route */
    HOLD_SIZE_MAX = 256 * 1024,      /* octets of all routes together */
    HOLD_AGE_US = 1000000,           /* older is no use to a TCP that has sent it again (RFC 6298, 1 s) */

    /* Signalling that is handed up: registrations (RFC 5944 3.6.3: at most one a second from a node), so
     * this is for hundreds of nodes behind one address, and what careofd can take in all. */
    SIGNAL_SOURCES = 1024,
    SIGNAL_SOURCE_PER_S = 200,
    SIGNAL_SOURCE_BURST = 400,
    SIGNAL_ALL_PER_S = 20000,
    SIGNAL_ALL_BURST = 4000,
    SIGNAL_SIZE_MAX = 4096,          /* longer is no registration: counted as malformed */

    /* Broadcasts and multicasts of home networks, before they are copied: a quiet network's, and no flood. */
    BROADCASTS_PER_S = 50,
    BROADCASTS_BURST = 50,
    BROADCAST_SIZE_MAX = 2048,

    /* ICMP errors made here (RFC 1812 4.3.2.8). */
    ICMP_PER_S = 200,
    ICMP_BURST = 50,

    /* ICMP errors that come: what a few broken paths make, and what a flood may cost. */
    ERRORS_PER_S = 200,
    ERRORS_BURST = 50,
    ERROR_DATA_SIZE_MAX = 512,       /* octets quoted of signalling: more than a registration has */
    ERROR_STANDS_US = 5000000,       /* a tunnel's end is said to be unreachable so long, if nothing comes from there */

    EXPIRY_CHECK_US = 1000000,       /* routes that ran out are reported this soon; they close at once */
    HELPER_ANSWER_S = 5,             /* then the helper counts as dead */

    MIP_PORT = 434,                  /* RFC 5944 3.3 */
    HEADROOM_MAX = 12,               /* octets of all tunnel headers of a path */
    TUNNEL_TTL = 64,                 /* of outer headers (RFC 1700's default) */
    RULE_TABLE = 434,                /* the kernel's routing table for captured sources: Mobile IP's port */
    RULE_PRIORITY = 4340,            /* and the four after it: behind the local table (0), before main (32766) */
    RULE_PROTOCOL = 202,             /* rtm_protocol and FRA_PROTOCOL: what a life of ours left behind */
    FENCE_PRIORITY = 4344,
    FENCE_PROTOCOL = 203,            /* and what it left on purpose, for the next one to remove */
};

#endif
