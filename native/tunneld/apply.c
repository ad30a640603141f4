#include "apply.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "buf.h"
#include "hold.h"
#include "in.h"
#include "links.h"
#include "log.h"
#include "objects.h"
#include "packet/gre.h"
#include "packet/ipv4.h"
#include "packet/minimal.h"
#include "tunneld.h"

enum { TEXT_SIZE = sizeof((struct helper_answer *)0)->text };

/* What went wrong, for Done. */
struct outcome {
    int error;
    char text[TEXT_SIZE];
};

static struct outcome failed(int error)
{
    struct outcome outcome = {.error = error};
    if (error)
        snprintf(outcome.text, sizeof outcome.text, "%s", strerror(error));
    return outcome;
}

/* -- What the helper does ------------------------------------------------------------------------- */

static struct outcome ask(struct tunneld *tunneld, const struct helper_request *request, struct helper_answer *answer,
                          int *descriptor)
{
    struct outcome outcome = {0};
    if (!helper_ask(&tunneld->helper, request, answer, descriptor)) {
        outcome = failed(errno);
        log_line(LOG_ERROR, "the helper does not answer: %s", strerror(errno));
        tunneld->exit_code = EXIT_HELPER;
    } else if (answer->error) {
        outcome.error = answer->error;
        memcpy(outcome.text, answer->text, sizeof outcome.text);
    }
    return outcome;
}

static struct outcome set_tun(struct tunneld *tunneld, const struct message_set_tun *set)
{
    struct helper_request request = {.verb = HELPER_SET_TUN, .length = 32, .address = set->address, .size = set->mtu};
    struct helper_answer answer;
    struct outcome outcome = ask(tunneld, &request, &answer, NULL);
    if (!outcome.error) {
        tunneld->state.tun_address = set->address;
        tunneld->state.tun_size = set->mtu;
    }
    return outcome;
}

/* One of an uplink's two sockets; the one that is held stays if it is still the right one. */
static struct outcome open_socket(struct tunneld *tunneld, struct uplink *uplink, struct watcher *watcher,
                                  uint32_t *ifindex, const struct helper_request *request)
{
    struct helper_answer answer;
    int fd = -1;
    struct outcome outcome = ask(tunneld, request, &answer, &fd);
    if (outcome.error || answer.unchanged)
        return outcome;
    if (fd < 0)
        return failed(EPROTO);
    loop_forget(&tunneld->loop, watcher);
    watcher->fd = fd;
    watcher->ready = request->verb == HELPER_OPEN_RAW ? in_raw_ready : in_udp_ready;
    *ifindex = answer.ifindex;
    uplink->udp_segment = tunneld->offloads & WIRE_OFFLOAD_UDP_SEGMENT;
    if (!loop_watch(&tunneld->loop, watcher, EPOLLIN))
        return failed(errno);
    return outcome;
}

/* The raw sockets that are wanted and, unless this is the same uplink again, not yet there. */
static struct outcome open_raw_sockets(struct tunneld *tunneld, struct uplink *uplink, struct helper_request *request,
                                       bool again)
{
    static const uint16_t protocols[RAW_PROTOCOLS] = {PROTOCOL_IPIP, PROTOCOL_GRE, PROTOCOL_MINIMAL};
    struct outcome outcome = {0};
    request->verb = HELPER_OPEN_RAW;
    for (int i = 0; i < RAW_PROTOCOLS && !outcome.error; i++) {
        struct raw_socket *raw = &uplink->raw[i];
        if (!raw->wanted)
            continue;
        request->size = protocols[i];
        request->again = again && raw->watcher.fd >= 0;
        request->ifindex = raw->ifindex;
        outcome = open_socket(tunneld, uplink, &raw->watcher, &raw->ifindex, request);
    }
    return outcome;
}

static struct helper_request at_uplink(const struct uplink *uplink)
{
    struct helper_request request = {.length = 32, .address = uplink->address, .port = uplink->port};
    memcpy(request.device, uplink->device, sizeof request.device);
    return request;
}

static struct outcome set_tunnel(struct tunneld *tunneld, const struct message_set_tunnel *set)
{
    struct outcome outcome = failed(objects_set_tunnel(tunneld, set));
    if (outcome.error)
        return outcome;
    struct tunnel *tunnel = map_get(&tunneld->state.tunnels, set->tunnel);
    struct uplink *uplink = tunnel->uplink;
    enum raw_protocol protocol = set->kind == WIRE_KIND_GRE       ? RAW_GRE
                                 : set->kind == WIRE_KIND_MINIMAL ? RAW_MINIMAL
                                                                  : RAW_IPIP;
    bool was_wanted = uplink->raw[protocol].wanted;
    uplink->raw[protocol].wanted = true;
    if (was_wanted || !uplink->name.set || uplink->udp.fd < 0)
        return outcome; /* it is open, or is opened with the uplink */
    struct helper_request request = at_uplink(uplink);
    return open_raw_sockets(tunneld, uplink, &request, true);
}

static void close_sockets(struct tunneld *tunneld, struct uplink *uplink)
{
    loop_forget(&tunneld->loop, &uplink->udp);
    for (int i = 0; i < RAW_PROTOCOLS; i++)
        loop_forget(&tunneld->loop, &uplink->raw[i].watcher);
}

/* A device that is not there (any more) leaves the uplink set but without sockets: what would leave by it is
 * counted, and it can be set again when the device is back. */
static struct outcome set_uplink(struct tunneld *tunneld, const struct message_set_uplink *set)
{
    struct uplink *uplink = state_uplink(&tunneld->state, set->uplink);
    if (!uplink)
        return failed(ENOSPC);
    bool again = uplink->name.set && uplink->address == set->address && uplink->port == set->port &&
                 strcmp(uplink->device, set->device) == 0;
    if (!again)
        close_sockets(tunneld, uplink);
    uplink->name.set = true;
    uplink->name.replay = tunneld->state.replay;
    uplink->address = set->address;
    uplink->port = set->port;
    memcpy(uplink->device, set->device, sizeof uplink->device);

    struct helper_request request = at_uplink(uplink);
    request.verb = HELPER_OPEN_UDP;
    request.again = again && uplink->udp.fd >= 0;
    request.ifindex = uplink->ifindex;
    struct outcome outcome = open_socket(tunneld, uplink, &uplink->udp, &uplink->ifindex, &request);
    if (!outcome.error)
        outcome = open_raw_sockets(tunneld, uplink, &request, again);
    if (outcome.error)
        close_sockets(tunneld, uplink);
    return outcome;
}

static struct outcome drop_uplink(struct tunneld *tunneld, uint32_t id)
{
    struct uplink *uplink = map_get(&tunneld->state.uplinks, id);
    if (!uplink || !uplink->name.set)
        return failed(ENOENT);
    close_sockets(tunneld, uplink);
    uplink->name.set = false;
    state_release_uplink(&tunneld->state, uplink);
    return failed(0);
}

static uint64_t kernel_key(uint32_t verb, uint32_t device, uint32_t prefix, uint8_t length)
{
    return (uint64_t)verb << 56 | (uint64_t)device << 40 | prefix_key(prefix, length);
}

/* request: verb, address, length, device and mac. */
static struct outcome set_kernel_row(struct tunneld *tunneld, struct helper_request *request)
{
    struct map *rows = &tunneld->state.kernel_rows;
    int device = state_device(&tunneld->state, request->device);
    if (device < 0)
        return failed(ENOSPC);
    uint64_t key = kernel_key(request->verb, (uint32_t)device, request->address, request->length);
    struct kernel_row *row = map_get(rows, key);
    struct helper_answer answer;
    struct kernel_row *fresh = NULL;
    request->add = true;
    request->again = row != NULL;
    if (!row) {
        fresh = calloc(1, sizeof *fresh);
        if (!fresh || !map_put(rows, key, fresh)) {
            free(fresh);
            return failed(ENOSPC);
        }
        *fresh = (struct kernel_row){.verb = request->verb,
                                     .prefix = request->address,
                                     .length = request->length,
                                     .device = (uint8_t)device};
        row = fresh;
    }
    row->replay = tunneld->state.replay;
    struct outcome outcome = ask(tunneld, request, &answer, NULL);
    if (outcome.error && fresh)
        free(map_remove(rows, key));
    return outcome;
}

static struct outcome drop_kernel_row(struct tunneld *tunneld, struct helper_request *request)
{
    int device = state_device(&tunneld->state, request->device);
    struct kernel_row *row = NULL;
    if (device >= 0)
        row = map_remove(&tunneld->state.kernel_rows,
                         kernel_key(request->verb, (uint32_t)device, request->address, request->length));
    struct helper_answer answer;
    if (!row)
        return failed(ENOENT);
    free(row);
    return ask(tunneld, request, &answer, NULL);
}

static struct helper_request about(uint32_t verb, uint32_t address, uint8_t length, const char *device)
{
    struct helper_request request = {.verb = verb, .length = length, .address = address};
    if (device)
        memcpy(request.device, device, sizeof request.device);
    return request;
}

static struct outcome set_neighbour(struct tunneld *tunneld, const struct message_set_neighbour *set)
{
    struct helper_request request = about(HELPER_NEIGHBOUR, set->address, 32, set->device);
    if (!set->device[0] || !set->address)
        return failed(EINVAL);
    memcpy(request.mac, set->link_address, sizeof request.mac);
    return set_kernel_row(tunneld, &request);
}

/* -- Links ---------------------------------------------------------------------------------------- */

static struct outcome set_link(struct tunneld *tunneld, const struct message_set_link *set)
{
    const struct link *link = map_get(&tunneld->state.links, set->link);
    struct helper_request request = about(HELPER_OPEN_LINK, 0, 32, set->device);
    struct helper_answer answer;
    int fd = -1;
    if (!set->device[0])
        return failed(EINVAL);
    request.again = link && link->packet.fd >= 0 && strcmp(link->device, set->device) == 0;
    request.ifindex = link ? link->ifindex : 0;
    struct outcome outcome = ask(tunneld, &request, &answer, &fd);
    if (outcome.error)
        return outcome;
    if (fd < 0 && !answer.unchanged)
        return failed(EPROTO);
    return failed(links_set(tunneld, set, &answer, fd));
}

/* -- Probes --------------------------------------------------------------------------------------- */

static struct outcome set_probe(struct state *state, uint16_t identifier)
{
    for (uint32_t i = 0; i < state->probe_count; i++) {
        if (state->probes[i].identifier == identifier) {
            state->probes[i].replay = state->replay;
            return failed(0);
        }
    }
    if (state->probe_count == PROBES_MAX)
        return failed(ENOSPC);
    state->probes[state->probe_count++] = (struct probe){.identifier = identifier, .replay = state->replay};
    return failed(0);
}

static struct outcome drop_probe(struct state *state, uint16_t identifier)
{
    for (uint32_t i = 0; i < state->probe_count; i++) {
        if (state->probes[i].identifier == identifier) {
            state->probes[i] = state->probes[--state->probe_count];
            return failed(0);
        }
    }
    return failed(ENOENT);
}

/* -- Replay --------------------------------------------------------------------------------------- */

static void sweep_uplinks(struct tunneld *tunneld)
{
    struct map *uplinks = &tunneld->state.uplinks;
    for (uint32_t at = 0; at < map_slots(uplinks);) {
        struct uplink *uplink = map_at(uplinks, at);
        if (uplink && uplink->name.set && uplink->name.replay != tunneld->state.replay) {
            at += uplink->name.references != 0;
            drop_uplink(tunneld, uplink->name.id);
        } else {
            at++;
        }
    }
}

static void sweep_kernel_rows(struct tunneld *tunneld)
{
    struct map *rows = &tunneld->state.kernel_rows;
    for (uint32_t at = 0; at < map_slots(rows);) {
        struct kernel_row *row = map_at(rows, at);
        if (row && row->replay != tunneld->state.replay) {
            struct helper_request request =
                about(row->verb, row->prefix, row->length, tunneld->state.devices[row->device]);
            drop_kernel_row(tunneld, &request);
        } else {
            at++;
        }
    }
}

static struct outcome replay_ended(struct tunneld *tunneld)
{
    struct state *state = &tunneld->state;
    objects_sweep(tunneld);
    sweep_uplinks(tunneld);
    sweep_kernel_rows(tunneld);
    links_sweep(tunneld);
    for (uint32_t i = 0; i < state->probe_count;) {
        if (state->probes[i].replay != state->replay)
            drop_probe(state, state->probes[i].identifier);
        else
            i++;
    }
    return failed(0);
}

/* -- Questions and packets ------------------------------------------------------------------------ */

static struct outcome hello(struct tunneld *tunneld, const struct message_hello *hello)
{
    struct message_hello_back back = {
        .version = WIRE_VERSION, .epoch = tunneld->epoch, .offloads = tunneld->offloads};
    if (hello->version != WIRE_VERSION)
        log_line(LOG_WARNING, "careofd speaks version %u, this is %u", hello->version, WIRE_VERSION);
    control_tell(tunneld, MESSAGE_HELLO_BACK, &back);
    return failed(0);
}

static struct outcome tell_counters(struct tunneld *tunneld)
{
    uint8_t octets[COUNTERS_COUNT * 8];
    struct writer writer = writer_of(octets, sizeof octets);
    for (int i = 0; i < COUNTERS_COUNT; i++)
        writer_uint(&writer, tunneld->counters[i], 8, counter_names[i]);
    struct message_counters counters = {.values = {.at = octets, .size = sizeof octets}};
    control_tell(tunneld, MESSAGE_COUNTERS, &counters);
    return failed(0);
}

static struct outcome tell_tunnel(struct tunneld *tunneld, uint32_t id)
{
    const struct tunnel *tunnel = map_get(&tunneld->state.tunnels, id);
    if (!tunnel || !tunnel->name.set)
        return failed(ENOENT);
    struct message_tunnel_counters counters = {
        .tunnel = id,
        .out_packets = tunnel->traffic.out_packets,
        .out_octets = tunnel->traffic.out_octets,
        .in_packets = tunnel->traffic.in_packets,
        .in_octets = tunnel->traffic.in_octets,
    };
    control_tell(tunneld, MESSAGE_TUNNEL_COUNTERS, &counters);
    return failed(0);
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
        return failed(0);
    }
    count(tunneld, COUNTER_SIGNAL_SEND_ERROR, 1);
    log_limited(&limit, tunneld->now_us, LOG_INFO, "uplink %u: cannot send signalling: %s", signal->uplink,
                uplink && uplink->udp.fd >= 0 ? strerror(errno) : "it has no socket");
    return failed(0); /* as lost under way: whoever sent it sends again */
}

static struct outcome send_inner(struct tunneld *tunneld, const struct message_send_inner *inner)
{
    struct path *path = map_get(&tunneld->state.paths, inner->path);
    if (path)
        out_inner(tunneld, path, inner->data.at, inner->data.size);
    else
        count(tunneld, COUNTER_OUT_NO_PATH, 1);
    return failed(0);
}

/* -- The dispatch --------------------------------------------------------------------------------- */

static struct outcome apply_row(struct tunneld *tunneld, const struct message *message)
{
    struct helper_request request;
    bool set = true;
    switch (message->header.kind) {
    case MESSAGE_SET_DELIVER:
        request = about(HELPER_DELIVER, message->as.set_deliver.destination, message->as.set_deliver.length, NULL);
        break;
    case MESSAGE_DROP_DELIVER:
        request = about(HELPER_DELIVER, message->as.drop_deliver.destination, message->as.drop_deliver.length, NULL);
        set = false;
        break;
    case MESSAGE_SET_CAPTURE:
        request = about(HELPER_CAPTURE, message->as.set_capture.source, message->as.set_capture.length,
                        message->as.set_capture.device);
        break;
    case MESSAGE_DROP_CAPTURE:
        request = about(HELPER_CAPTURE, message->as.drop_capture.source, message->as.drop_capture.length,
                        message->as.drop_capture.device);
        set = false;
        break;
    case MESSAGE_SET_SPARE:
        request = about(HELPER_SPARE, message->as.set_spare.destination, message->as.set_spare.length, NULL);
        break;
    case MESSAGE_DROP_SPARE:
        request = about(HELPER_SPARE, message->as.drop_spare.destination, message->as.drop_spare.length, NULL);
        set = false;
        break;
    case MESSAGE_DROP_NEIGHBOUR:
        request = about(HELPER_NEIGHBOUR, message->as.drop_neighbour.address, 32, message->as.drop_neighbour.device);
        set = false;
        break;
    case MESSAGE_SET_PROXY:
        request = about(HELPER_PROXY, message->as.set_proxy.address, 32, message->as.set_proxy.device);
        break;
    case MESSAGE_DROP_PROXY:
        request = about(HELPER_PROXY, message->as.drop_proxy.address, 32, message->as.drop_proxy.device);
        set = false;
        break;
    case MESSAGE_SET_ON_LINK:
        request = about(HELPER_ON_LINK, message->as.set_on_link.destination, message->as.set_on_link.length,
                        message->as.set_on_link.device);
        break;
    case MESSAGE_DROP_ON_LINK:
        request = about(HELPER_ON_LINK, message->as.drop_on_link.destination, message->as.drop_on_link.length,
                        message->as.drop_on_link.device);
        set = false;
        break;
    case MESSAGE_SET_QUIET:
        request = about(HELPER_QUIET, 0, 32, message->as.set_quiet.device);
        break;
    case MESSAGE_DROP_QUIET:
        request = about(HELPER_QUIET, 0, 32, message->as.drop_quiet.device);
        set = false;
        break;
    default:
        return failed(ENOSYS);
    }
    return set ? set_kernel_row(tunneld, &request) : drop_kernel_row(tunneld, &request);
}

static struct outcome apply_to_kernel(struct tunneld *tunneld, const struct message *message)
{
    switch (message->header.kind) {
    case MESSAGE_SET_TUN:
        return set_tun(tunneld, &message->as.set_tun);
    case MESSAGE_SET_UPLINK:
        return set_uplink(tunneld, &message->as.set_uplink);
    case MESSAGE_DROP_UPLINK:
        return drop_uplink(tunneld, message->as.drop_uplink.uplink);
    case MESSAGE_SET_LINK:
        return set_link(tunneld, &message->as.set_link);
    case MESSAGE_DROP_LINK:
        return failed(links_drop(tunneld, message->as.drop_link.link));
    case MESSAGE_SET_NEIGHBOUR:
        return set_neighbour(tunneld, &message->as.set_neighbour);
    case MESSAGE_SEND_FRAME:
        links_send(tunneld, &message->as.send_frame);
        return failed(0); /* as lost under way */
    default:
        return apply_row(tunneld, message); /* unknown: a row of the table that is for careofd */
    }
}

static struct outcome apply_one(struct tunneld *tunneld, const struct message *message)
{
    switch (message->header.kind) {
    case MESSAGE_HELLO:
        return hello(tunneld, &message->as.hello);
    case MESSAGE_REPLAY_BEGIN:
        tunneld->state.replay++;
        return failed(0);
    case MESSAGE_REPLAY_END:
        return replay_ended(tunneld);
    case MESSAGE_SET_TUNNEL:
        return set_tunnel(tunneld, &message->as.set_tunnel);
    case MESSAGE_SET_LINK_TUNNEL:
        return failed(objects_set_link_tunnel(tunneld, &message->as.set_link_tunnel));
    case MESSAGE_DROP_TUNNEL:
        return failed(objects_drop_tunnel(tunneld, message->as.drop_tunnel.tunnel));
    case MESSAGE_SET_PATH:
        return failed(objects_set_path(tunneld, &message->as.set_path));
    case MESSAGE_DROP_PATH:
        return failed(objects_drop_path(tunneld, message->as.drop_path.path));
    case MESSAGE_SET_ROUTE:
        return failed(objects_set_route(tunneld, &message->as.set_route));
    case MESSAGE_DROP_ROUTE:
        return failed(objects_drop_route(tunneld, &message->as.drop_route));
    case MESSAGE_SET_INNER:
        return failed(objects_set_inner(tunneld, &message->as.set_inner));
    case MESSAGE_DROP_INNER:
        return failed(objects_drop_inner(tunneld, &message->as.drop_inner));
    case MESSAGE_SET_PROBE:
        return set_probe(&tunneld->state, message->as.set_probe.identifier);
    case MESSAGE_DROP_PROBE:
        return drop_probe(&tunneld->state, message->as.drop_probe.identifier);
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
