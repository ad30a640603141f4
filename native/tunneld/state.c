#include "state.h"

#include <stdlib.h>

void state_begin(struct state *state, uint64_t secret)
{
    map_begin(&state->uplinks, UPLINKS_MAX, secret);
    map_begin(&state->tunnels, TUNNELS_MAX, secret);
    map_begin(&state->paths, PATHS_MAX, secret);
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

void state_release_tunnel(struct state *state, struct tunnel *tunnel)
{
    release(&state->tunnels, &tunnel->name);
}

void state_release_path(struct state *state, struct path *path)
{
    release(&state->paths, &path->name);
}

/* One hash probe for each length in use, longest first: an agent has host routes and a few networks, a
 * router its default, so that is one to three probes whatever the number of routes. */
struct route *state_route_to(const struct state *state, uint32_t destination)
{
    for (uint64_t lengths = state->route_lengths; lengths;) {
        uint8_t length = (uint8_t)(63 - __builtin_clzll(lengths));
        struct route *route = map_get(&state->routes, prefix_key(destination & mask_of(length), length));
        if (route)
            return route;
        lengths &= ~(1ull << length);
    }
    return NULL;
}

struct route *state_route(struct state *state, uint32_t prefix, uint8_t length)
{
    return map_get(&state->routes, prefix_key(prefix, length));
}

bool state_add_route(struct state *state, struct route *route)
{
    if (!map_put(&state->routes, prefix_key(route->prefix, route->length), route))
        return false;
    state->routes_of_length[route->length]++;
    state->route_lengths |= 1ull << route->length;
    return true;
}

void state_remove_route(struct state *state, struct route *route)
{
    map_remove(&state->routes, prefix_key(route->prefix, route->length));
    if (--state->routes_of_length[route->length] == 0)
        state->route_lengths &= ~(1ull << route->length);
}

struct tunnel *state_arrival(const struct state *state, const struct uplink *uplink, uint32_t peer, uint16_t port)
{
    return map_get(&state->arrivals, arrival_key(uplink, peer, port));
}
