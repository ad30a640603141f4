#include "objects.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>

#include "hold.h"
#include "packet/fit.h"
#include "packet/gre.h"
#include "packet/minimal.h"
#include "tunneld.h"
#include "watch.h"

enum {
    OUTER_SIZE_MAX = 65507, /* one UDP datagram */
};

static bool prefix_is_sound(uint32_t address, uint8_t length)
{
    return length <= 32 && (address & ~mask_of(length)) == 0;
}

/* -- Tunnels -------------------------------------------------------------------------------------- */

static void unlink_tunnel(struct state *state, struct tunnel *tunnel)
{
    if (tunnel->link) {
        tunnel->link->name.references--;
        state_release_link(state, tunnel->link);
        tunnel->link = NULL;
    }
    if (!tunnel->uplink)
        return;
    map_remove(&state->arrivals, arrival_key(tunnel->kind, tunnel->uplink, tunnel->peer, tunnel->peer_port));
    tunnel->uplink->name.references--;
    state_release_uplink(state, tunnel->uplink);
    tunnel->uplink = NULL;
    tunnel->error_at_us = 0; /* it was about another end */
}

static bool is_in_udp(uint8_t kind)
{
    return kind == WIRE_KIND_MIP_UDP || kind == WIRE_KIND_MIP_UDP_GRE;
}

static void write_header(struct tunnel *tunnel)
{
    bool gre = tunnel->kind == WIRE_KIND_GRE || tunnel->kind == WIRE_KIND_MIP_UDP_GRE;
    size_t size = 0;
    if (is_in_udp(tunnel->kind)) {
        const uint8_t header[] = {TUNNEL_DATA, gre ? PROTOCOL_GRE : PROTOCOL_IPIP, 0, 0}; /* RFC 3519 3.3 */
        memcpy(tunnel->header, header, sizeof header);
        size = sizeof header;
    }
    if (gre)
        size += gre_write(tunnel->header + size, tunnel->has_key, tunnel->key);
    if (tunnel->kind == WIRE_KIND_MINIMAL)
        size = MINIMAL_HEADER_SIZE_MAX; /* room: it is another one for each packet */
    tunnel->header_size = (uint8_t)size;
}

static bool tunnel_is_sound(const struct message_set_tunnel *set)
{
    bool gre = set->kind == WIRE_KIND_GRE || set->kind == WIRE_KIND_MIP_UDP_GRE;
    bool known = gre || set->kind == WIRE_KIND_IPIP || set->kind == WIRE_KIND_MINIMAL || set->kind == WIRE_KIND_MIP_UDP;
    if (!known || !set->peer || set->has_key > 1 || (set->has_key && !gre) || (set->key && !set->has_key))
        return false;
    return true;
}

int objects_set_tunnel(struct tunneld *tunneld, const struct message_set_tunnel *set)
{
    struct state *state = &tunneld->state;
    uint16_t port = is_in_udp(set->kind) ? set->peer_port : 0;
    if (!tunnel_is_sound(set))
        return EINVAL;
    struct uplink *uplink = state_uplink(state, set->uplink);
    struct tunnel *tunnel = uplink ? state_tunnel(state, set->tunnel) : NULL;
    int error = tunnel ? 0 : ENOSPC;
    if (!error) {
        uint64_t key = arrival_key(set->kind, uplink, set->peer, port);
        struct tunnel *other = map_get(&state->arrivals, key);
        if (other && other != tunnel)
            error = EEXIST;
        else if (!map_put(&state->arrivals, key, tunnel))
            error = ENOSPC;
    }
    if (!error) {
        uplink->name.references++;
        if (tunnel->link || tunnel->uplink != uplink || tunnel->kind != set->kind || tunnel->peer != set->peer ||
            tunnel->peer_port != port)
            unlink_tunnel(state, tunnel);
        else
            uplink->name.references--;
        tunnel->name.set = true;
        tunnel->name.replay = state->replay;
        tunnel->uplink = uplink;
        tunnel->kind = set->kind;
        tunnel->peer = set->peer;
        tunnel->peer_port = port;
        tunnel->has_key = set->has_key;
        tunnel->key = set->key;
        tunnel->to.ip = (struct sockaddr_in){
            .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(set->peer)};
        write_header(tunnel);
    } else if (tunnel) {
        state_release_tunnel(state, tunnel);
    }
    if (error && uplink)
        state_release_uplink(state, uplink);
    return error;
}

int objects_set_link_tunnel(struct tunneld *tunneld, const struct message_set_link_tunnel *set)
{
    struct state *state = &tunneld->state;
    struct link *link = state_link(state, set->link);
    struct tunnel *tunnel = link ? state_tunnel(state, set->tunnel) : NULL;
    if (!tunnel) {
        if (link)
            state_release_link(state, link);
        return ENOSPC;
    }
    if (tunnel->link != link) {
        link->name.references++;
        unlink_tunnel(state, tunnel);
        tunnel->link = link;
    }
    tunnel->name.set = true;
    tunnel->name.replay = state->replay;
    tunnel->kind = WIRE_KIND_LINK;
    tunnel->peer = 0;
    tunnel->peer_port = 0;
    write_header(tunnel);
    tunnel->to.link = (struct sockaddr_ll){
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_halen = MESSAGE_MAC_SIZE};
    memcpy(tunnel->to.link.sll_addr, set->link_address, MESSAGE_MAC_SIZE);
    return 0;
}

/* -- What may come by a tunnel ---------------------------------------------------------------------- */

/* Two rows that share a key by chance are only looked at for copies that cannot be there. */
static uint64_t shared_key(const struct inner_row *row)
{
    uint64_t source = (uint64_t)row->source_mask << 32 | row->source;
    uint64_t destination = (uint64_t)row->destination_mask << 32 | row->destination;
    return (source * 0x9e3779b97f4a7c15ull) ^ destination;
}

static void remove_row(struct tunneld *tunneld, struct tunnel *tunnel, struct inner_row *row)
{
    row->shared->copies_until_us = tunneld->now_us + DUPLICATE_WINDOW_MS * 1000;
    if (--row->shared->tunnels == 0)
        free(map_remove(&tunneld->state.shared_rows, shared_key(row)));
    state_remove_row(&tunneld->state, tunnel, row);
}

static struct shared_row *share_row(struct state *state, const struct inner_row *row)
{
    struct shared_row *shared = map_get(&state->shared_rows, shared_key(row));
    if (shared)
        return shared;
    shared = calloc(1, sizeof *shared);
    if (shared && map_put(&state->shared_rows, shared_key(row), shared))
        return shared;
    free(shared);
    return NULL;
}

static int add_row(struct state *state, struct tunnel *tunnel, struct inner_row *row)
{
    row->shared = share_row(state, row);
    if (!row->shared)
        return ENOSPC;
    if (!state_add_row(state, tunnel, row)) {
        if (!row->shared->tunnels)
            free(map_remove(&state->shared_rows, shared_key(row)));
        return ENOSPC;
    }
    row->shared->tunnels++;
    return 0;
}

int objects_set_inner(struct tunneld *tunneld, const struct message_set_inner *set)
{
    struct state *state = &tunneld->state;
    struct tunnel *tunnel = map_get(&state->tunnels, set->tunnel);
    if (!prefix_is_sound(set->source, set->source_length) ||
        !prefix_is_sound(set->destination, set->destination_length))
        return EINVAL;
    if (!tunnel || !tunnel->name.set)
        return ENOENT;
    struct inner_row row = {
        .source = set->source,
        .source_mask = mask_of(set->source_length),
        .destination = set->destination,
        .destination_mask = mask_of(set->destination_length),
        .replay = state->replay,
    };
    struct inner_row *found = state_row(state, tunnel, &row);
    if (!found)
        return add_row(state, tunnel, &row);
    found->replay = state->replay;
    return 0;
}

int objects_drop_inner(struct tunneld *tunneld, const struct message_drop_inner *drop)
{
    struct tunnel *tunnel = map_get(&tunneld->state.tunnels, drop->tunnel);
    if (drop->source_length > 32 || drop->destination_length > 32)
        return EINVAL;
    struct inner_row wanted = {
        .source = drop->source,
        .source_mask = mask_of(drop->source_length),
        .destination = drop->destination,
        .destination_mask = mask_of(drop->destination_length),
    };
    struct inner_row *row = tunnel ? state_row(&tunneld->state, tunnel, &wanted) : NULL;
    if (row)
        remove_row(tunneld, tunnel, row);
    return 0; /* with the tunnel its rows went: to drop them again is no mistake */
}

static void drop_tunnel(struct tunneld *tunneld, struct tunnel *tunnel)
{
    struct state *state = &tunneld->state;
    while (tunnel->row_count)
        remove_row(tunneld, tunnel, &tunnel->rows[tunnel->row_count - 1]);
    free(tunnel->rows);
    tunnel->rows = NULL;
    tunnel->row_room = 0;
    unlink_tunnel(state, tunnel);
    tunnel->name.set = false;
    state_release_tunnel(state, tunnel);
}

int objects_drop_tunnel(struct tunneld *tunneld, uint32_t id)
{
    struct tunnel *tunnel = map_get(&tunneld->state.tunnels, id);
    if (!tunnel || !tunnel->name.set)
        return ENOENT;
    drop_tunnel(tunneld, tunnel);
    return 0;
}

/* -- Paths ---------------------------------------------------------------------------------------- */

static void unlink_path(struct tunneld *tunneld, struct path *path)
{
    watch_forget(tunneld, path);
    if (!path->tunnel)
        return;
    path->tunnel->name.references--;
    state_release_tunnel(&tunneld->state, path->tunnel);
    path->tunnel = NULL;
}

int objects_set_path(struct tunneld *tunneld, const struct message_set_path *set)
{
    struct state *state = &tunneld->state;
    if (set->tunnels.count != TUNNELS_PER_PATH_MAX || set->packet_size < FIT_PACKET_SIZE_MIN ||
        set->packet_size > OUTER_SIZE_MAX - HEADROOM_MAX)
        return EINVAL;
    struct tunnel *tunnel = state_tunnel(state, message_list_at(set->tunnels, 0));
    struct path *path = tunnel ? state_path(state, set->path) : NULL;
    if (!path) {
        if (tunnel)
            state_release_tunnel(state, tunnel);
        return ENOSPC;
    }
    if (path->tunnel != tunnel) {
        tunnel->name.references++;
        unlink_path(tunneld, path);
        path->tunnel = tunnel;
    }
    path->name.set = true;
    path->name.replay = state->replay;
    path->packet_size = set->packet_size;
    path->patience_us = (uint64_t)set->patience_ms * 1000;
    if (!path->patience_us)
        watch_forget(tunneld, path);
    return 0;
}

static void drop_path(struct tunneld *tunneld, struct path *path)
{
    unlink_path(tunneld, path);
    path->name.set = false;
    state_release_path(&tunneld->state, path);
}

int objects_drop_path(struct tunneld *tunneld, uint32_t id)
{
    struct path *path = map_get(&tunneld->state.paths, id);
    if (!path || !path->name.set)
        return ENOENT;
    drop_path(tunneld, path);
    return 0;
}

/* -- Routes --------------------------------------------------------------------------------------- */

static void release_paths(struct state *state, struct path **paths, uint8_t count)
{
    for (uint8_t i = 0; i < count; i++) {
        paths[i]->name.references--;
        state_release_path(state, paths[i]);
    }
}

/* The named paths, one reference each; false: nothing is referred to. */
static bool refer_to_paths(struct state *state, struct message_list ids, struct path **paths)
{
    for (uint16_t i = 0; i < ids.count; i++) {
        paths[i] = state_path(state, message_list_at(ids, i));
        if (!paths[i]) {
            release_paths(state, paths, (uint8_t)i);
            return false;
        }
        paths[i]->name.references++;
    }
    return true;
}

static struct route *make_route(struct state *state, const struct message_set_route *set)
{
    struct source *source = state_make_source(state, set->source, set->source_length);
    if (!source)
        return NULL;
    struct route *route = state_route(state, source, set->destination, set->length);
    if (route)
        return route;
    route = calloc(1, sizeof *route);
    if (route) {
        *route = (struct route){.source = source, .prefix = set->destination, .length = set->length};
        if (state_add_route(state, route))
            return route;
    }
    free(route);
    state_release_source(state, source);
    return NULL;
}

int objects_set_route(struct tunneld *tunneld, const struct message_set_route *set)
{
    struct state *state = &tunneld->state;
    struct path *paths[PATHS_PER_ROUTE_MAX];
    if (!prefix_is_sound(set->destination, set->length) || !prefix_is_sound(set->source, set->source_length) ||
        set->gate > WIRE_GATE_OPEN || set->paths.count > PATHS_PER_ROUTE_MAX)
        return EINVAL;
    if (!refer_to_paths(state, set->paths, paths))
        return ENOSPC;
    struct route *route = make_route(state, set);
    if (!route) {
        release_paths(state, paths, (uint8_t)set->paths.count);
        return ENOSPC;
    }
    release_paths(state, route->paths, route->path_count);
    memcpy(route->paths, paths, set->paths.count * sizeof *paths);
    route->path_count = (uint8_t)set->paths.count;
    route->gate = set->gate;
    route->replay = state->replay;
    route->expired_told = false;
    route->valid_until_us =
        set->valid_s == WIRE_FOREVER_S ? UINT64_MAX : tunneld->now_us + (uint64_t)set->valid_s * 1000000;
    if (route->valid_until_us < state->earliest_expiry_us)
        state->earliest_expiry_us = route->valid_until_us;
    if (route->gate == WIRE_GATE_OPEN)
        hold_open(tunneld, route);
    else if (route->gate == WIRE_GATE_CLOSED)
        hold_drop(tunneld, route, COUNTER_OUT_GATE_CLOSED);
    return 0;
}

static void drop_route(struct tunneld *tunneld, struct route *route)
{
    hold_drop(tunneld, route, COUNTER_OUT_NO_ROUTE);
    release_paths(&tunneld->state, route->paths, route->path_count);
    state_remove_route(&tunneld->state, route);
    free(route);
}

int objects_drop_route(struct tunneld *tunneld, const struct message_drop_route *drop)
{
    struct state *state = &tunneld->state;
    if (drop->length > 32 || drop->source_length > 32)
        return EINVAL;
    struct source *source = state_source(state, drop->source, drop->source_length);
    struct route *route = source ? state_route(state, source, drop->destination, drop->length) : NULL;
    if (!route)
        return ENOENT;
    drop_route(tunneld, route);
    return 0;
}

/* -- The end of a replay -------------------------------------------------------------------------- */

static void sweep_rows(struct tunneld *tunneld, struct tunnel *tunnel)
{
    for (uint32_t i = 0; i < tunnel->row_count;) {
        if (tunnel->rows[i].replay != tunneld->state.replay)
            remove_row(tunneld, tunnel, &tunnel->rows[i]);
        else
            i++;
    }
}

/* Whoever refers goes before what is referred to. What is removed may leave its slot to a neighbour: the same
 * slot is looked at again. */
void objects_sweep(struct tunneld *tunneld)
{
    struct state *state = &tunneld->state;
    for (uint32_t at = 0; at < map_slots(&state->routes);) {
        struct route *route = map_at(&state->routes, at);
        if (route && route->replay != state->replay)
            drop_route(tunneld, route);
        else
            at++;
    }
    for (uint32_t at = 0; at < map_slots(&state->paths);) {
        struct path *path = map_at(&state->paths, at);
        bool stale = path && path->name.set && path->name.replay != state->replay;
        bool stays = !stale || path->name.references;
        if (stale)
            drop_path(tunneld, path);
        at += stays;
    }
    for (uint32_t at = 0; at < map_slots(&state->tunnels);) {
        struct tunnel *tunnel = map_at(&state->tunnels, at);
        bool stale = tunnel && tunnel->name.set && tunnel->name.replay != state->replay;
        bool stays = !stale || tunnel->name.references;
        if (stale)
            drop_tunnel(tunneld, tunnel);
        else if (tunnel)
            sweep_rows(tunneld, tunnel);
        at += stays;
    }
}
