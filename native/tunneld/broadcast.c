#include "broadcast.h"

#include <errno.h>
#include <string.h>

#include "packet/bytes.h"
#include "packet/checksum.h"
#include "packet/fields.h"
#include "tunneld.h"

enum {
    LINK_LOCAL = 0xe00000,    /* 224.0.0.x: never forwarded (RFC 5771 section 4) */
    NETWORK_LENGTH_MAX = 30,     /* a longer prefix has no broadcast address */
    OUTER_SIZE = 20,
};

static struct listener *find(struct state *state, uint32_t home)
{
    for (uint32_t i = 0; i < state->listener_count; i++)
        if (state->listeners[i].home == home)
            return &state->listeners[i];
    return NULL;
}

int broadcast_set(struct state *state, const struct message_set_listener *set)
{
    if (!set->length || set->length > NETWORK_LENGTH_MAX)
        return EINVAL;
    struct listener *listener = find(state, set->home_address);
    if (!listener) {
        if (state->listener_count == LISTENERS_MAX)
            return ENOSPC;
        listener = &state->listeners[state->listener_count++];
    }
    *listener = (struct listener){
        .home = set->home_address, .mask = mask_of(set->length), .outer = set->outer, .replay = state->replay};
    return 0;
}

int broadcast_drop(struct state *state, uint32_t home)
{
    struct listener *listener = find(state, home);
    if (!listener)
        return ENOENT;
    *listener = state->listeners[--state->listener_count];
    return 0;
}

void broadcast_sweep(struct state *state)
{
    for (uint32_t i = 0; i < state->listener_count;) {
        if (state->listeners[i].replay != state->replay)
            state->listeners[i] = state->listeners[--state->listener_count];
        else
            i++;
    }
}

/* Of its home network, and not from itself: what all or several there get. */
static bool hears(const struct listener *listener, const struct ipv4_view *view)
{
    if (view->source == listener->home)
        return false;
    if (view->destination == (listener->home | ~listener->mask))
        return true;
    if ((view->source & listener->mask) != (listener->home & listener->mask))
        return false;
    return view->destination == UINT32_MAX || /* RFC 919: this network, whichever it is */
           (ipv4_is_multicast(view->destination) && view->destination >> 8 != LINK_LOCAL);
}

bool broadcast_is_heard(const struct state *state, const struct ipv4_view *view)
{
    for (uint32_t i = 0; i < state->listener_count; i++)
        if (hears(&state->listeners[i], view))
            return true;
    return false;
}

/* IP in IP to the home address (RFC 2003 3.1), before the tunnel adds its own. */
static size_t wrap(const struct listener *listener, const struct ipv4_view *view, uint8_t *out)
{
    size_t size = OUTER_SIZE + (size_t)view->size;
    memset(out, 0, OUTER_SIZE);
    out[0] = 0x45;
    out[1] = view->tos;
    store_be16(out + 2, (uint16_t)size);
    out[8] = TUNNEL_TTL;
    out[9] = PROTOCOL_IPIP;
    store_be32(out + 12, listener->outer);
    store_be32(out + 16, listener->home);
    store_raw16(out + 10, checksum_finish(checksum_sum(out, OUTER_SIZE)));
    memcpy(out + OUTER_SIZE, view->at, view->size);
    return size;
}

static void copy_to(struct tunneld *tunneld, const struct listener *listener, const struct ipv4_view *view)
{
    uint8_t copy[OUTER_SIZE + BROADCAST_SIZE_MAX];
    size_t size = view->size;
    if (listener->outer)
        size = wrap(listener, view, copy);
    else
        memcpy(copy, view->at, size);
    struct route *route = state_route_to(&tunneld->state, view->source, listener->home);
    if (!route || route->gate != WIRE_GATE_OPEN || route->valid_until_us <= tunneld->now_us)
        return;
    for (uint32_t i = 0; i < route->path_count; i++) {
        out_whole(tunneld, route->paths[i], copy, size);
        count(tunneld, COUNTER_BROADCAST_COPIES, 1);
    }
}

void broadcast_send(struct tunneld *tunneld, const struct ipv4_view *view)
{
    if (view->size > BROADCAST_SIZE_MAX) {
        count(tunneld, COUNTER_OUT_TOO_BIG, 1);
        return;
    }
    if (!limiter_take(&tunneld->broadcast_limit, tunneld->now_us, BROADCASTS_PER_S, BROADCASTS_BURST)) {
        count(tunneld, COUNTER_BROADCAST_LIMITED, 1);
        return;
    }
    for (uint32_t i = 0; i < tunneld->state.listener_count; i++)
        if (hears(&tunneld->state.listeners[i], view))
            copy_to(tunneld, &tunneld->state.listeners[i], view);
}
