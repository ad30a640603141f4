/* Outbound: TUN -> route -> gate -> fit -> tunnel -> uplink (DESIGN section 5).
 *
 * The kernel forwarded the packet to the TUN and so has lowered its TTL once, as RFC 2003 section 3.1 asks of
 * tunnelling "as part of forwarding"; the outer TTL is fixed. */
#ifndef CAREOF_OUT_H
#define CAREOF_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/ipv4.h"

struct tunneld;
struct watcher;
struct route;
struct path;

struct out {
    uint8_t *read;    /* SEGMENT_READ_SIZE_MAX: one read of the TUN */
    uint8_t *scratch; /* IPV4_SIZE_MAX: a packet that must be fragmented, or a probe */
};

bool out_begin(struct tunneld *tunneld);
void out_tun_ready(void *owner, struct watcher *watcher, uint32_t events);

/* What one read of the TUN gave, by that route as if its gate were open. */
void out_by_route(struct tunneld *tunneld, struct route *route, uint8_t *read, size_t size);

/* A finished packet, by that path if it is usable, in fragments if it is too big and they are allowed. */
void out_whole(struct tunneld *tunneld, struct path *path, uint8_t *packet, size_t size);

/* "Unreachable", with that code, to who sent this packet. */
void out_answer_unreachable(struct tunneld *tunneld, const struct ipv4_view *view, uint8_t code);

/* A packet of careofd's own, by that path whatever its routes and gates. */
void out_inner(struct tunneld *tunneld, struct path *path, const uint8_t *packet, size_t size);

#endif
