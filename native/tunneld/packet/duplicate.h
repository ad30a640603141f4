/* Copies of one packet that come by several paths (simultaneous bindings, RFC 5944 3.3): all but the
 * first are dropped. A packet is known by a keyed hash of what the tunnels leave alone (addresses, total length,
 * identification, fragment field, protocol, the first 64 octets behind the header); TOS, TTL and
 * header checksum may differ by path. The same packet by the same path is the sender's affair, and so
 * is one more than 2 s later.
 *
 * Fixed size, no chains: a set of WAYS entries, newest first, takes the packets that hash to it and
 * the oldest makes room. The key is random, so no sender can choose which packets collide. */
#ifndef CAREOF_PACKET_DUPLICATE_H
#define CAREOF_PACKET_DUPLICATE_H

#include <stdbool.h>
#include <stdint.h>

#include "ipv4.h"

enum {
    DUPLICATE_ENTRIES = 4096, /* 2 s at 2,000 packets a second, or 20 ms of skew at 200,000 */
    DUPLICATE_WAYS = 8,
    DUPLICATE_WINDOW_MS = 2000,
    DUPLICATE_PAYLOAD_SIZE = 64,
    DUPLICATE_PATHS = 4, /* bindings that a home agent of ours lets a node have; a fifth path brings copies only */
};

struct duplicate_entry {
    uint64_t hash; /* 0: free */
    uint32_t time_ms;
    uint32_t paths[DUPLICATE_PATHS]; /* that brought it, the first of all first */
    uint8_t path_count;
};

struct duplicate_table {
    uint64_t key[2];
    struct duplicate_entry entries[DUPLICATE_ENTRIES];
};

/* key: 16 random octets. Forgets all. */
void duplicate_begin(struct duplicate_table *table, const uint8_t key[16]);

/* True if other paths brought the same packet within the window and this one did not: each path's is a copy
 * once, so that of a packet sent n times n copies by each path are dropped. Else this one is remembered. */
bool duplicate_seen(struct duplicate_table *table, const struct ipv4_view *view, uint32_t path, uint64_t now_ms);

#endif
