/* What careofd told tunneld to hold, and nothing that tunneld made up (wire/tunneld.py says what each is).
 *
 *     route --paths--> path --tunnel--> tunnel --uplink--> uplink --sockets--> the outside
 *                                         ^-- arrivals: (uplink, peer, port) -> tunnel -- inner rows
 *
 * Objects are named by numbers and refer to one another by name: one that is dropped while another
 * refers to it stays as an empty name (`set` false) until nobody does, and comes to life again when it
 * is set again. Whatever is set carries the replay it was last set in; the end of a replay drops what was
 * not set again. */
#ifndef CAREOF_STATE_H
#define CAREOF_STATE_H

#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "limits.h"
#include "loop.h"
#include "map.h"

struct name {
    uint32_t id;
    uint32_t references;
    uint32_t replay;
    bool set;
};

/* Raw sockets of an uplink, one for each protocol number. That of IP in IP is always there: it is also what an
 * uplink's minimal encapsulation falls back to; and that of ICMP, which hears errors. The others are opened for the
 * first tunnel of their kind. */
enum raw_protocol { RAW_IPIP, RAW_GRE, RAW_MINIMAL, RAW_ICMP, RAW_PROTOCOLS };

struct raw_socket {
    struct watcher watcher;
    struct uplink *uplink;
    uint32_t ifindex;
    bool wanted;
};

struct uplink {
    struct name name; /* first in each object */
    struct watcher udp;
    struct raw_socket raw[RAW_PROTOCOLS];
    uint32_t address, ifindex; /* address: host order, 0: any */
    uint16_t port;
    uint8_t slot; /* below UPLINKS_MAX, of its own: short enough for a key */
    char device[IFNAMSIZ];
    bool udp_segment; /* until a send says that it does not work here */
};

struct shared_row {
    uint32_t tunnels; /* that have this row: with more than one, packets may come twice */
    uint64_t copies_until_us; /* and for a while after: the slower tunnel's are still on their way */
};

struct inner_row {
    uint32_t source, source_mask, destination, destination_mask;
    uint32_t replay;
    struct shared_row *shared;
};

struct traffic {
    uint64_t out_packets, out_octets, in_packets, in_octets;
};

struct tunnel {
    struct name name;
    struct uplink *uplink;
    struct link *link; /* of KIND_LINK, which has no uplink */
    uint32_t peer; /* host order */
    uint16_t peer_port;
    uint8_t kind;
    uint8_t header_size;
    uint8_t header[HEADROOM_MAX];
    bool has_key;
    uint32_t key;
    uint32_t row_count, row_room;
    struct inner_row *rows;
    uint64_t source_lengths, destination_lengths; /* bit n: there was such a row since there were none */
    union {
        struct sockaddr_in ip;
        struct sockaddr_ll link;
    } to;
    struct traffic traffic;
    uint64_t last_in_us;
    uint64_t error_at_us; /* when ICMP last said, and did not say of what packet, that its end is unreachable; or 0 */
    uint8_t error_code;
    uint32_t unanswered_paths; /* that wait for something to come by this tunnel */
};

struct path {
    struct name name;
    struct tunnel *tunnel;
    uint16_t packet_size;
    uint64_t patience_us; /* 0: not watched */
    uint64_t waiting_since_us;
    bool waiting, unanswered;
    struct path *watch_next, **watch_link; /* in the list of those that wait or are unanswered */
};

struct held_packet;

struct hold_queue {
    struct held_packet *first, **last;
    uint32_t count;
};

/* The routes of one source prefix. */
struct source {
    uint32_t prefix; /* host order */
    uint32_t id;     /* in the keys of its routes */
    uint32_t routes_of_length[33];
    uint32_t route_count;
    uint64_t route_lengths; /* bit n: there are routes of length n */
    uint8_t length;
};

struct route {
    struct source *source;
    uint32_t prefix; /* host order */
    uint32_t replay;
    uint64_t valid_until_us; /* UINT64_MAX: does not run out */
    uint8_t length;
    uint8_t gate;
    uint8_t path_count;
    bool expired_told;
    struct path *paths[PATHS_PER_ROUTE_MAX];
    struct hold_queue hold;
};

/* deliver, capture, spare, neighbour, proxy, on link, quiet, ingress: what the helper holds in the kernel. */
struct kernel_row {
    uint32_t verb, prefix, replay;
    uint8_t length;
    uint8_t device; /* its number in state.devices, 0: none */
};

/* A device whose discovery and signalling is handed up with link-layer addresses. */
struct link {
    struct name name;
    struct watcher packet;
    uint32_t ifindex;
    char device[IFNAMSIZ];
    uint8_t mac[6];
};

/* A node that hears its home network's broadcasts. Addresses in host order; outer: 0: as they are. */
struct listener {
    uint32_t home, mask, outer, replay;
};

struct probe {
    uint32_t replay;
    uint16_t identifier;
};

struct state {
    struct map uplinks, links, tunnels, paths, sources, routes, kernel_rows, arrivals, shared_rows, row_index;
    uint32_t sources_of_length[33];
    uint64_t source_lengths; /* bit n: there are sources of length n */
    uint32_t source_ids_used, source_ids_free; /* ids given out ever, and those of them that are free again */
    uint16_t free_source_ids[SOURCES_MAX];
    char devices[DEVICES_MAX][IFNAMSIZ]; /* names that kernel rows have; [0]: none */
    struct probe probes[PROBES_MAX];
    uint32_t probe_count;
    struct listener listeners[LISTENERS_MAX];
    uint32_t listener_count;
    uint32_t ingress_count; /* devices whose foreign sources are dropped: of the kernel rows */
    uint32_t replay;
    uint64_t uplink_slots; /* bit n: taken */
    uint32_t shared_count; /* rows that more than one tunnel has */
    uint64_t earliest_expiry_us;
    struct path *watched;
    uint32_t tun_address;
    uint16_t tun_size; /* its MTU */
};

static inline uint32_t mask_of(uint8_t length)
{
    return length ? 0xffffffffu << (32 - length) : 0;
}

static inline uint64_t prefix_key(uint32_t prefix, uint8_t length)
{
    return (uint64_t)length << 32 | prefix;
}

/* port: of the peer; 0 but for the UDP kinds. */
static inline uint64_t arrival_key(uint8_t kind, const struct uplink *uplink, uint32_t peer, uint16_t port)
{
    return (uint64_t)kind << 56 | (uint64_t)uplink->slot << 48 | (uint64_t)port << 32 | peer;
}

void state_begin(struct state *state, uint64_t secret);

/* The object of that name, made (not yet set) if there is none; NULL when the table is full. */
struct uplink *state_uplink(struct state *state, uint32_t id);
struct tunnel *state_tunnel(struct state *state, uint32_t id);
struct path *state_path(struct state *state, uint32_t id);

/* One reference less, or dropped: frees it if it is not set and nobody refers to it. */
void state_release_uplink(struct state *state, struct uplink *uplink);
void state_release_tunnel(struct state *state, struct tunnel *tunnel);
void state_release_path(struct state *state, struct path *path);

/* Of the longest source that holds `from` and has a route to `destination`, that of the longest prefix; or NULL. */
struct route *state_route_to(const struct state *state, uint32_t from, uint32_t destination);
struct source *state_source(const struct state *state, uint32_t prefix, uint8_t length);
struct route *state_route(const struct state *state, const struct source *source, uint32_t prefix, uint8_t length);

/* The source of that prefix, made if there is none; NULL when the table is full. It lives as long as it has routes. */
struct source *state_make_source(struct state *state, uint32_t prefix, uint8_t length);
void state_release_source(struct state *state, struct source *source);

/* A short number of that name, the same each time; 0 for no name, and -1 when there are too many. */
int state_device(struct state *state, const char *name);

struct link *state_link(struct state *state, uint32_t id);
void state_release_link(struct state *state, struct link *link);
bool state_add_route(struct state *state, struct route *route);
void state_remove_route(struct state *state, struct route *route);

/* The tunnel by which a packet of that origin came, or NULL. */
struct tunnel *state_arrival(const struct state *state, uint8_t kind, const struct uplink *uplink, uint32_t peer,
                             uint16_t port);

/* The tunnel's row with exactly these prefixes, or NULL. */
struct inner_row *state_row(const struct state *state, const struct tunnel *tunnel, const struct inner_row *wanted);

/* The row that lets this packet in, or NULL. */
struct inner_row *state_row_for(const struct state *state, const struct tunnel *tunnel, uint32_t source,
                                uint32_t destination);

/* Copies the row in, or takes it out; false: no memory, or too many. */
bool state_add_row(struct state *state, struct tunnel *tunnel, const struct inner_row *row);
void state_remove_row(struct state *state, struct tunnel *tunnel, struct inner_row *row);

/* The socket that a tunnel sends by when it encapsulates so, -1: it has none. */
int state_socket(const struct tunnel *tunnel, uint8_t kind);

#endif
