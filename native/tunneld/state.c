#include "state.h"

#include <stdlib.h>
#include <string.h>

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
        uplink->udp.fd = uplink->raw.fd = -1;
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

struct tunnel *state_arrival(const struct state *state, const struct uplink *uplink, uint32_t peer, uint16_t port)
{
    return map_get(&state->arrivals, arrival_key(uplink, peer, port));
}
