#include "state.h"

#include <stdlib.h>
#include <string.h>

#include "messages.h"

void state_begin(struct state *state, uint64_t secret)
{
    map_begin(&state->uplinks, UPLINKS_MAX, secret);
    map_begin(&state->links, LINKS_MAX, secret);
    map_begin(&state->tunnels, TUNNELS_MAX, secret);
    map_begin(&state->paths, PATHS_MAX, secret);
    map_begin(&state->sources, SOURCES_MAX, secret);
    map_begin(&state->routes, ROUTES_MAX, secret);
    map_begin(&state->kernel_rows, KERNEL_ROWS_MAX, secret);
    map_begin(&state->arrivals, TUNNELS_MAX, secret);
    map_begin(&state->shared_rows, KERNEL_ROWS_MAX, secret);
    map_begin(&state->row_index, INNER_ROWS_MAX, secret);
    state->earliest_expiry_us = UINT64_MAX;
}

static void *named(struct map *map, uint32_t id, size_t size)
{
    struct name *name = map_get(map, id);
    if (name)
        return name;
    name = calloc(1, size);
    if (!name)
        return NULL;
    name->id = id;
    if (map_put(map, id, name))
        return name;
    free(name);
    return NULL;
}

struct uplink *state_uplink(struct state *state, uint32_t id)
{
    struct uplink *uplink = map_get(&state->uplinks, id);
    if (uplink || state->uplink_slots == UINT64_MAX)
        return uplink;
    uplink = named(&state->uplinks, id, sizeof *uplink);
    if (uplink) {
        uplink->udp.fd = -1;
        for (int i = 0; i < RAW_PROTOCOLS; i++) {
            uplink->raw[i].watcher.fd = -1;
            uplink->raw[i].uplink = uplink;
        }
        uplink->raw[RAW_IPIP].wanted = uplink->raw[RAW_ICMP].wanted = true;
        uplink->slot = (uint8_t)__builtin_ctzll(~state->uplink_slots);
        state->uplink_slots |= 1ull << uplink->slot;
    }
    return uplink;
}

struct tunnel *state_tunnel(struct state *state, uint32_t id)
{
    return named(&state->tunnels, id, sizeof(struct tunnel));
}

struct path *state_path(struct state *state, uint32_t id)
{
    return named(&state->paths, id, sizeof(struct path));
}

struct link *state_link(struct state *state, uint32_t id)
{
    struct link *link = map_get(&state->links, id);
    if (link)
        return link;
    link = named(&state->links, id, sizeof *link);
    if (link)
        link->packet.fd = -1;
    return link;
}

int state_device(struct state *state, const char *name)
{
    if (!name[0])
        return 0;
    for (int i = 1; i < DEVICES_MAX; i++) {
        if (!state->devices[i][0])
            memcpy(state->devices[i], name, IFNAMSIZ);
        if (memcmp(state->devices[i], name, IFNAMSIZ) == 0)
            return i;
    }
    return -1;
}

static void release(struct map *map, struct name *name)
{
    if (name->set || name->references)
        return;
    map_remove(map, name->id);
    free(name);
}

void state_release_uplink(struct state *state, struct uplink *uplink)
{
    if (!uplink->name.set && !uplink->name.references)
        state->uplink_slots &= ~(1ull << uplink->slot);
    release(&state->uplinks, &uplink->name);
}

void state_release_link(struct state *state, struct link *link)
{
    release(&state->links, &link->name);
}

void state_release_tunnel(struct state *state, struct tunnel *tunnel)
{
    release(&state->tunnels, &tunnel->name);
}

void state_release_path(struct state *state, struct path *path)
{
    release(&state->paths, &path->name);
}

/* -- Routes ---------------------------------------------------------------------------------------- */

static uint64_t route_key(const struct source *source, uint32_t prefix, uint8_t length)
{
    return (uint64_t)source->id << 40 | prefix_key(prefix, length);
}

static struct route *of_source(const struct state *state, const struct source *source, uint32_t destination)
{
    for (uint64_t lengths = source->route_lengths; lengths;) {
        uint8_t length = (uint8_t)(63 - __builtin_clzll(lengths));
        struct route *route = state_route(state, source, destination & mask_of(length), length);
        if (route)
            return route;
        lengths &= ~(1ull << length);
    }
    return NULL;
}

/* One hash probe for each length in use, longest first, of sources and then of destinations: an agent has any
 * source, host routes and a few networks; a router its own sources and a default. So it is a handful of
 * probes whatever the number of routes. */
struct route *state_route_to(const struct state *state, uint32_t from, uint32_t destination)
{
    for (uint64_t lengths = state->source_lengths; lengths;) {
        uint8_t length = (uint8_t)(63 - __builtin_clzll(lengths));
        const struct source *source = state_source(state, from & mask_of(length), length);
        struct route *route = source ? of_source(state, source, destination) : NULL;
        if (route)
            return route;
        lengths &= ~(1ull << length);
    }
    return NULL;
}

struct source *state_source(const struct state *state, uint32_t prefix, uint8_t length)
{
    return map_get(&state->sources, prefix_key(prefix, length));
}

struct source *state_make_source(struct state *state, uint32_t prefix, uint8_t length)
{
    struct source *source = state_source(state, prefix, length);
    if (source)
        return source;
    source = calloc(1, sizeof *source);
    if (!source)
        return NULL;
    source->prefix = prefix;
    source->length = length;
    if (!map_put(&state->sources, prefix_key(prefix, length), source)) {
        free(source);
        return NULL;
    }
    source->id = state->source_ids_free ? state->free_source_ids[--state->source_ids_free] : state->source_ids_used++;
    state->sources_of_length[length]++;
    state->source_lengths |= 1ull << length;
    return source;
}

void state_release_source(struct state *state, struct source *source)
{
    if (source->route_count)
        return;
    map_remove(&state->sources, prefix_key(source->prefix, source->length));
    state->free_source_ids[state->source_ids_free++] = (uint16_t)source->id;
    if (--state->sources_of_length[source->length] == 0)
        state->source_lengths &= ~(1ull << source->length);
    free(source);
}

struct route *state_route(const struct state *state, const struct source *source, uint32_t prefix, uint8_t length)
{
    return map_get(&state->routes, route_key(source, prefix, length));
}

bool state_add_route(struct state *state, struct route *route)
{
    struct source *source = route->source;
    if (!map_put(&state->routes, route_key(source, route->prefix, route->length), route))
        return false;
    source->route_count++;
    source->routes_of_length[route->length]++;
    source->route_lengths |= 1ull << route->length;
    return true;
}

void state_remove_route(struct state *state, struct route *route)
{
    struct source *source = route->source;
    map_remove(&state->routes, route_key(source, route->prefix, route->length));
    if (--source->routes_of_length[route->length] == 0)
        source->route_lengths &= ~(1ull << route->length);
    source->route_count--;
    state_release_source(state, source);
}

/* -- What may come by a tunnel ---------------------------------------------------------------------- */

/* Few rows are walked; of many, one is found by a hash probe for each pair of lengths: behind an agent's tunnel are
 * thousands of home addresses, all of one length. A probe only proposes: the row itself decides. */
enum { ROWS_WALKED = 8 };

static uint64_t row_key(const struct tunnel *tunnel, const struct inner_row *row)
{
    uint64_t source = (uint64_t)row->source_mask << 32 | row->source;
    uint64_t destination = (uint64_t)row->destination_mask << 32 | row->destination;
    return (source * 0x9e3779b97f4a7c15ull ^ destination) * 0xbf58476d1ce4e5b9ull + tunnel->name.id;
}

static bool same_row(const struct inner_row *one, const struct inner_row *other)
{
    return one->source == other->source && one->source_mask == other->source_mask &&
           one->destination == other->destination && one->destination_mask == other->destination_mask;
}

struct inner_row *state_row(const struct state *state, const struct tunnel *tunnel, const struct inner_row *wanted)
{
    uintptr_t index = (uintptr_t)map_get(&state->row_index, row_key(tunnel, wanted));
    if (!index || index > tunnel->row_count || !same_row(&tunnel->rows[index - 1], wanted))
        return NULL;
    return &tunnel->rows[index - 1];
}

static struct inner_row *by_lengths(const struct state *state, const struct tunnel *tunnel, uint32_t source,
                                    uint32_t destination)
{
    for (uint64_t sources = tunnel->source_lengths; sources; sources &= sources - 1) {
        uint32_t source_mask = mask_of((uint8_t)__builtin_ctzll(sources));
        for (uint64_t lengths = tunnel->destination_lengths; lengths; lengths &= lengths - 1) {
            uint32_t mask = mask_of((uint8_t)__builtin_ctzll(lengths));
            struct inner_row wanted = {.source = source & source_mask,
                                       .source_mask = source_mask,
                                       .destination = destination & mask,
                                       .destination_mask = mask};
            struct inner_row *row = state_row(state, tunnel, &wanted);
            if (row)
                return row;
        }
    }
    return NULL;
}

struct inner_row *state_row_for(const struct state *state, const struct tunnel *tunnel, uint32_t source,
                                uint32_t destination)
{
    if (tunnel->row_count > ROWS_WALKED)
        return by_lengths(state, tunnel, source, destination);
    for (uint32_t i = 0; i < tunnel->row_count; i++) {
        struct inner_row *row = &tunnel->rows[i];
        if ((source & row->source_mask) == row->source && (destination & row->destination_mask) == row->destination)
            return row;
    }
    return NULL;
}

bool state_add_row(struct state *state, struct tunnel *tunnel, const struct inner_row *row)
{
    if (tunnel->row_count == tunnel->row_room) {
        uint32_t room = tunnel->row_room ? tunnel->row_room * 2 : 2;
        struct inner_row *rows = realloc(tunnel->rows, room * sizeof *rows);
        if (!rows)
            return false;
        tunnel->rows = rows;
        tunnel->row_room = room;
    }
    uint64_t key = row_key(tunnel, row);
    if (map_get(&state->row_index, key) || !map_put(&state->row_index, key, (void *)(uintptr_t)(tunnel->row_count + 1)))
        return false;
    tunnel->rows[tunnel->row_count++] = *row;
    tunnel->source_lengths |= 1ull << __builtin_popcount(row->source_mask);
    tunnel->destination_lengths |= 1ull << __builtin_popcount(row->destination_mask);
    return true;
}

void state_remove_row(struct state *state, struct tunnel *tunnel, struct inner_row *row)
{
    struct inner_row *last = &tunnel->rows[--tunnel->row_count];
    map_remove(&state->row_index, row_key(tunnel, row));
    if (row != last) {
        *row = *last; /* in the slot that its entry has */
        map_put(&state->row_index, row_key(tunnel, row), (void *)(uintptr_t)(row - tunnel->rows + 1));
    }
    if (!tunnel->row_count)
        tunnel->source_lengths = tunnel->destination_lengths = 0;
}

struct tunnel *state_arrival(const struct state *state, uint8_t kind, const struct uplink *uplink, uint32_t peer,
                             uint16_t port)
{
    return map_get(&state->arrivals, arrival_key(kind, uplink, peer, port));
}

int state_socket(const struct tunnel *tunnel, uint8_t kind)
{
    const struct uplink *uplink = tunnel->uplink;
    switch (kind) {
    case WIRE_KIND_LINK:
        return tunnel->link->packet.fd;
    case WIRE_KIND_IPIP:
        return uplink->raw[RAW_IPIP].watcher.fd;
    case WIRE_KIND_GRE:
        return uplink->raw[RAW_GRE].watcher.fd;
    case WIRE_KIND_MINIMAL:
        return uplink->raw[RAW_MINIMAL].watcher.fd;
    default:
        return uplink->udp.fd;
    }
}
