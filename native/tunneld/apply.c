#include "apply.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "buf.h"
#include "hold.h"
#include "kernel_rows.h"
#include "broadcast.h"
#include "links.h"
#include "log.h"
#include "objects.h"
#include "tunneld.h"
#include "uplinks.h"

static struct outcome set_tun(struct tunneld *tunneld, const struct message_set_tun *set)
{
    struct helper_request request = {.verb = HELPER_SET_TUN, .length = 32, .address = set->address, .size = set->mtu};
    struct helper_answer answer;
    struct outcome outcome = outcome_of_helper(tunneld, &request, &answer, NULL);
    if (!outcome.error) {
        tunneld->state.tun_address = set->address;
        tunneld->state.tun_size = set->mtu;
    }
    return outcome;
}

/* -- Links ---------------------------------------------------------------------------------------- */

static struct outcome set_link(struct tunneld *tunneld, const struct message_set_link *set)
{
    const struct link *link = map_get(&tunneld->state.links, set->link);
    struct helper_request request = {.verb = HELPER_OPEN_LINK, .length = 32};
    struct helper_answer answer;
    int fd = -1;
    if (!set->device[0])
        return outcome_of(EINVAL);
    memcpy(request.device, set->device, sizeof request.device);
    request.again = link && link->packet.fd >= 0 && strcmp(link->device, set->device) == 0;
    request.ifindex = link ? link->ifindex : 0;
    struct outcome outcome = outcome_of_helper(tunneld, &request, &answer, &fd);
    if (outcome.error)
        return outcome;
    if (fd < 0 && !answer.unchanged)
        return outcome_of(EPROTO);
    return outcome_of(links_set(tunneld, set, &answer, fd));
}

/* -- Probes --------------------------------------------------------------------------------------- */

static struct outcome set_probe(struct state *state, uint16_t identifier)
{
    for (uint32_t i = 0; i < state->probe_count; i++) {
        if (state->probes[i].identifier == identifier) {
            state->probes[i].replay = state->replay;
            return outcome_of(0);
        }
    }
    if (state->probe_count == PROBES_MAX)
        return outcome_of(ENOSPC);
    state->probes[state->probe_count++] = (struct probe){.identifier = identifier, .replay = state->replay};
    return outcome_of(0);
}

static struct outcome drop_probe(struct state *state, uint16_t identifier)
{
    for (uint32_t i = 0; i < state->probe_count; i++) {
        if (state->probes[i].identifier == identifier) {
            state->probes[i] = state->probes[--state->probe_count];
            return outcome_of(0);
        }
    }
    return outcome_of(ENOENT);
}

/* -- Replay --------------------------------------------------------------------------------------- */

static struct outcome replay_ended(struct tunneld *tunneld)
{
    struct state *state = &tunneld->state;
    objects_sweep(tunneld);
    uplinks_sweep(tunneld);
    kernel_rows_sweep(tunneld);
    links_sweep(tunneld);
    broadcast_sweep(state);
    for (uint32_t i = 0; i < state->probe_count;) {
        if (state->probes[i].replay != state->replay)
            drop_probe(state, state->probes[i].identifier);
        else
            i++;
    }
    struct helper_request request = {.verb = HELPER_SETTLED, .length = 32};
    struct helper_answer answer;
    return outcome_of_helper(tunneld, &request, &answer, NULL);
}

/* -- Questions and packets ------------------------------------------------------------------------ */

static struct outcome hello(struct tunneld *tunneld, const struct message_hello *hello)
{
    struct message_hello_back back = {
        .version = WIRE_VERSION, .epoch = tunneld->epoch, .offloads = tunneld->offloads};
    if (hello->version != WIRE_VERSION)
        log_line(LOG_WARNING, "careofd speaks version %u, this is %u", hello->version, WIRE_VERSION);
    control_tell(tunneld, MESSAGE_HELLO_BACK, &back);
    return outcome_of(0);
}

static struct outcome tell_counters(struct tunneld *tunneld)
{
    uint8_t octets[COUNTERS_COUNT * 8];
    struct writer writer = writer_of(octets, sizeof octets);
    for (int i = 0; i < COUNTERS_COUNT; i++)
        writer_uint(&writer, tunneld->counters[i], 8, counter_names[i]);
    struct message_counters counters = {.values = {.at = octets, .size = sizeof octets}};
    control_tell(tunneld, MESSAGE_COUNTERS, &counters);
    return outcome_of(0);
}

static struct outcome tell_tunnel(struct tunneld *tunneld, uint32_t id)
{
    const struct tunnel *tunnel = map_get(&tunneld->state.tunnels, id);
    if (!tunnel || !tunnel->name.set)
        return outcome_of(ENOENT);
    struct message_tunnel_counters counters = {
        .tunnel = id,
        .out_packets = tunnel->traffic.out_packets,
        .out_octets = tunnel->traffic.out_octets,
        .in_packets = tunnel->traffic.in_packets,
        .in_octets = tunnel->traffic.in_octets,
    };
    control_tell(tunneld, MESSAGE_TUNNEL_COUNTERS, &counters);
    return outcome_of(0);
}

static struct outcome send_signal(struct tunneld *tunneld, const struct message_send_signal *signal)
{
    static struct log_limit limit;
    const struct uplink *uplink = map_get(&tunneld->state.uplinks, signal->uplink);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(signal->destination_port),
                             .sin_addr.s_addr = htonl(signal->destination)};
    if (uplink && uplink->udp.fd >= 0 &&
        sendto(uplink->udp.fd, signal->data.at, signal->data.size, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to) >=
            0) {
        count(tunneld, COUNTER_SIGNALS_SENT, 1);
        return outcome_of(0);
    }
    count(tunneld, COUNTER_SIGNAL_SEND_ERROR, 1);
    log_limited(&limit, tunneld->now_us, LOG_INFO, "uplink %u: cannot send signalling: %s", signal->uplink,
                uplink && uplink->udp.fd >= 0 ? strerror(errno) : "it has no socket");
    return outcome_of(0); /* as lost under way: whoever sent it sends again */
}

static struct outcome send_inner(struct tunneld *tunneld, const struct message_send_inner *inner)
{
    struct path *path = map_get(&tunneld->state.paths, inner->path);
    if (path)
        out_inner(tunneld, path, inner->data.at, inner->data.size);
    else
        count(tunneld, COUNTER_OUT_NO_PATH, 1);
    return outcome_of(0);
}

/* -- The dispatch --------------------------------------------------------------------------------- */

static struct outcome apply_to_kernel(struct tunneld *tunneld, const struct message *message)
{
    switch (message->header.kind) {
    case MESSAGE_SET_TUN:
        return set_tun(tunneld, &message->as.set_tun);
    case MESSAGE_SET_UPLINK:
        return uplinks_set(tunneld, &message->as.set_uplink);
    case MESSAGE_DROP_UPLINK:
        return uplinks_drop(tunneld, message->as.drop_uplink.uplink);
    case MESSAGE_SET_LINK:
        return set_link(tunneld, &message->as.set_link);
    case MESSAGE_DROP_LINK:
        return outcome_of(links_drop(tunneld, message->as.drop_link.link));
    case MESSAGE_SET_NEIGHBOUR:
        return kernel_rows_set_neighbour(tunneld, &message->as.set_neighbour);
    case MESSAGE_SEND_FRAME:
        links_send(tunneld, &message->as.send_frame);
        return outcome_of(0); /* as lost under way */
    default:
        return kernel_rows_apply(tunneld, message); /* unknown: a row of the table that is for careofd */
    }
}

static struct outcome apply_one(struct tunneld *tunneld, const struct message *message)
{
    switch (message->header.kind) {
    case MESSAGE_HELLO:
        return hello(tunneld, &message->as.hello);
    case MESSAGE_REPLAY_BEGIN:
        tunneld->state.replay++;
        return outcome_of(0);
    case MESSAGE_REPLAY_END:
        return replay_ended(tunneld);
    case MESSAGE_SET_TUNNEL:
        return uplinks_set_tunnel(tunneld, &message->as.set_tunnel);
    case MESSAGE_SET_LINK_TUNNEL:
        return outcome_of(objects_set_link_tunnel(tunneld, &message->as.set_link_tunnel));
    case MESSAGE_DROP_TUNNEL:
        return outcome_of(objects_drop_tunnel(tunneld, message->as.drop_tunnel.tunnel));
    case MESSAGE_SET_PATH:
        return outcome_of(objects_set_path(tunneld, &message->as.set_path));
    case MESSAGE_DROP_PATH:
        return outcome_of(objects_drop_path(tunneld, message->as.drop_path.path));
    case MESSAGE_SET_ROUTE:
        return outcome_of(objects_set_route(tunneld, &message->as.set_route));
    case MESSAGE_DROP_ROUTE:
        return outcome_of(objects_drop_route(tunneld, &message->as.drop_route));
    case MESSAGE_SET_INNER:
        return outcome_of(objects_set_inner(tunneld, &message->as.set_inner));
    case MESSAGE_DROP_INNER:
        return outcome_of(objects_drop_inner(tunneld, &message->as.drop_inner));
    case MESSAGE_SET_PROBE:
        return set_probe(&tunneld->state, message->as.set_probe.identifier);
    case MESSAGE_DROP_PROBE:
        return drop_probe(&tunneld->state, message->as.drop_probe.identifier);
    case MESSAGE_SET_LISTENER:
        return outcome_of(broadcast_set(&tunneld->state, &message->as.set_listener));
    case MESSAGE_DROP_LISTENER:
        return outcome_of(broadcast_drop(&tunneld->state, message->as.drop_listener.home_address));
    case MESSAGE_SEND_SIGNAL:
        return send_signal(tunneld, &message->as.send_signal);
    case MESSAGE_SEND_INNER:
        return send_inner(tunneld, &message->as.send_inner);
    case MESSAGE_ASK_COUNTERS:
        return tell_counters(tunneld);
    case MESSAGE_ASK_TUNNEL:
        return tell_tunnel(tunneld, message->as.ask_tunnel.tunnel);
    default:
        return apply_to_kernel(tunneld, message);
    }
}

void apply(struct tunneld *tunneld, const struct message *message)
{
    struct outcome outcome = apply_one(tunneld, message);
    if (outcome.error)
        count(tunneld, COUNTER_CLIENT_REFUSED_VALUE, 1);
    else if (message->header.kind != MESSAGE_REPLAY_END)
        return;
    struct message_done done = {
        .of_number = message->header.number,
        .error = (uint16_t)outcome.error,
        .text = {.at = (const uint8_t *)outcome.text, .size = strlen(outcome.text)},
    };
    control_tell(tunneld, MESSAGE_DONE, &done);
}

uint64_t apply_expiries(struct tunneld *tunneld)
{
    struct state *state = &tunneld->state;
    if (tunneld->now_us < state->earliest_expiry_us)
        return state->earliest_expiry_us;
    uint64_t earliest_us = UINT64_MAX;
    for (uint32_t at = 0; at < map_slots(&state->routes); at++) {
        struct route *route = map_at(&state->routes, at);
        if (!route || route->expired_told)
            continue;
        if (route->valid_until_us > tunneld->now_us) {
            if (route->valid_until_us < earliest_us)
                earliest_us = route->valid_until_us;
            continue;
        }
        route->expired_told = true;
        hold_drop(tunneld, route, COUNTER_OUT_GATE_CLOSED);
        struct message_expired expired = {.destination = route->prefix,
                                          .length = route->length,
                                          .source = route->source->prefix,
                                          .source_length = route->source->length};
        control_tell(tunneld, MESSAGE_EXPIRED, &expired);
    }
    /* The table is walked once a second at most; a route that ran out is closed at once (out.c). */
    if (earliest_us != UINT64_MAX && earliest_us < tunneld->now_us + EXPIRY_CHECK_US)
        earliest_us = tunneld->now_us + EXPIRY_CHECK_US;
    state->earliest_expiry_us = earliest_us;
    return earliest_us;
}
