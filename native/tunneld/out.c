#include "out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "broadcast.h"
#include "errors.h"
#include "hold.h"
#include "log.h"
#include "packet/bytes.h"
#include "packet/ecn.h"
#include "packet/fields.h"
#include "packet/fit.h"
#include "packet/icmp.h"
#include "packet/minimal.h"
#include "packet/segment.h"
#include "tunneld.h"
#include "watch.h"

bool out_begin(struct tunneld *tunneld)
{
    tunneld->out.read = malloc(SEGMENT_READ_SIZE_MAX);
    tunneld->out.scratch = malloc(IPV4_SIZE_MAX);
    tunneld->sender.arena = malloc(SEND_ARENA_SIZE);
    return tunneld->out.read && tunneld->out.scratch && tunneld->sender.arena;
}

/* To the packet's sender, through the TUN, as if its destination had answered: the one address that passes
 * reverse path filters at both ends, since it is routed to the TUN; our own would be a martian there. */
static void answer(struct tunneld *tunneld, uint8_t *packet, size_t size, enum counter counter)
{
    static struct vnet_header plain;
    if (!size)
        return;
    if (!limiter_take(&tunneld->icmp_limit, tunneld->now_us, ICMP_PER_S, ICMP_BURST)) {
        count(tunneld, COUNTER_ICMP_LIMITED, 1);
        return;
    }
    struct iovec iov[] = {{.iov_base = &plain, .iov_len = sizeof plain}, {.iov_base = packet, .iov_len = size}};
    if (writev(tunneld->tun.fd, iov, 2) < 0)
        count(tunneld, COUNTER_IN_TUN_ERROR, 1);
    else
        count(tunneld, counter, 1);
}

static void answer_icmp(struct tunneld *tunneld, const struct ipv4_view *view, uint16_t packet_size)
{
    uint8_t packet[ICMP_ERROR_SIZE_MAX];
    if (packet_size)
        answer(tunneld, packet, icmp_too_big(view, view->destination, packet_size, packet), COUNTER_ICMP_TOO_BIG_SENT);
    else
        answer(tunneld, packet, icmp_time_exceeded(view, view->destination, packet), COUNTER_ICMP_TTL_SENT);
}

void out_answer_unreachable(struct tunneld *tunneld, const struct ipv4_view *view, uint8_t code)
{
    uint8_t packet[ICMP_ERROR_SIZE_MAX];
    answer(tunneld, packet, icmp_unreachable(view, view->destination, code, packet), COUNTER_ICMP_UNREACHABLE_SENT);
}

static bool is_syn(const struct ipv4_view *view)
{
    return view->transport == TRANSPORT_TCP && (view->at[view->header_size + TCP_FLAGS_AT] & TCP_SYN);
}

/* An inner packet of `size` octets, written behind the tunnel's headroom at `at`, becomes what leaves. It is counted
 * as one packet whatever is around it. */
static void add_one(struct tunneld *tunneld, struct tunnel *tunnel, uint8_t *at, size_t size, uint8_t tos)
{
    struct ipv4_view view;
    size_t whole = tunnel->header_size + size;
    if (tunnel->kind == WIRE_KIND_MINIMAL) {
        if (ipv4_parse(at + tunnel->header_size, size, &view) != IPV4_FINE || !minimal_can_carry(&view)) {
            memmove(at, at + tunnel->header_size, size);
            sender_add_ipip(tunneld, tunnel, tos, (uint16_t)size);
            return;
        }
        minimal_wrap(at, size, tunnel->uplink->address, tunnel->peer, tos);
    }
    sender_add(tunneld, tunnel, tos, (uint16_t)whole, 1, (uint32_t)whole);
}

/* The same for a batch of segments of one packet: they are alike. */
static void wrap_batch(const struct tunnel *tunnel, uint8_t *at, size_t size, uint32_t stride, uint8_t tos)
{
    for (size_t done = 0; done < size; done += stride) {
        size_t whole = size - done < stride ? size - done : stride;
        minimal_wrap(at + done, whole - tunnel->header_size, tunnel->uplink->address, tunnel->peer, tos);
    }
}

/* A finished packet at `packet` in fragments that fit. */
static void send_fragments(struct tunneld *tunneld, struct path *path, uint8_t *packet, size_t size)
{
    struct tunnel *tunnel = path->tunnel;
    struct ipv4_view view;
    struct fragment_plan plan;
    if (ipv4_parse(packet, size, &view) != IPV4_FINE) {
        count(tunneld, COUNTER_OUT_MALFORMED, 1);
        return;
    }
    enum fit_error error = fragment_plan(&view, path->packet_size, &plan);
    if (error != FIT_FINE) {
        count(tunneld, COUNTER_OUT_TOO_BIG, 1);
        if (error == FIT_DONT_FRAGMENT)
            answer_icmp(tunneld, &view, path->packet_size);
        return;
    }
    uint8_t tos = ecn_encapsulate(view.tos);
    for (uint32_t i = 0; i < plan.count; i++) {
        uint8_t *at = sender_room(tunneld, tunnel->header_size + (uint32_t)path->packet_size);
        size_t written = fragment_write(&plan, i, tunnel->header, tunnel->header_size, at);
        add_one(tunneld, tunnel, at, written - tunnel->header_size, tos);
    }
    count(tunneld, COUNTER_FRAGMENTS_MADE, plan.count);
}

/* The segments are larger than the path's packet size. With DF one answer speaks for all of them. */
static void send_too_big(struct tunneld *tunneld, struct path *path, const struct segment_plan *plan)
{
    uint8_t *scratch = tunneld->out.scratch;
    uint32_t segments = plan->view.dont_fragment ? 1 : plan->count;
    for (uint32_t i = 0; i < segments; i++) {
        size_t size = segment_write(plan, i, 1, NULL, 0, scratch);
        send_fragments(tunneld, path, scratch, size);
    }
    if (plan->view.dont_fragment)
        count(tunneld, COUNTER_OUT_TOO_BIG, plan->count - 1u);
}

static void send_segments(struct tunneld *tunneld, struct path *path, const struct segment_plan *plan)
{
    struct tunnel *tunnel = path->tunnel;
    uint32_t stride = tunnel->header_size + segment_size(plan);
    uint8_t tos = ecn_encapsulate(plan->view.tos);
    for (uint32_t first = 0; first < plan->count;) {
        uint8_t *at = sender_room(tunneld, stride);
        uint32_t left = plan->count - first;
        uint32_t batch = segment_batch(plan, tunnel->header_size, sender_left(&tunneld->sender));
        if (batch > left)
            batch = left;
        if (!batch)
            return; /* cannot be: packet_size leaves room for a tunnel header in one datagram */
        size_t size = segment_write(plan, first, batch, tunnel->header, tunnel->header_size, at);
        struct ipv4_view view;
        if (is_syn(&plan->view) && ipv4_parse(at + tunnel->header_size, size - tunnel->header_size, &view) == IPV4_FINE &&
            fit_lower_mss(&view, path->packet_size))
            count(tunneld, COUNTER_MSS_LOWERED, 1);
        if (plan->count == 1) {
            add_one(tunneld, tunnel, at, size - tunnel->header_size, tos);
        } else {
            if (tunnel->kind == WIRE_KIND_MINIMAL)
                wrap_batch(tunnel, at, size, stride, tos);
            sender_add(tunneld, tunnel, tos, (uint16_t)stride, (uint16_t)batch, (uint32_t)size);
        }
        first += batch;
    }
}

/* Its far end has a port, or needs none. */
static bool is_whole(const struct tunnel *tunnel)
{
    return tunnel->peer_port || (tunnel->kind != WIRE_KIND_MIP_UDP && tunnel->kind != WIRE_KIND_MIP_UDP_GRE);
}

static bool usable(const struct path *path)
{
    const struct tunnel *tunnel = path->tunnel;
    return path->name.set && tunnel && tunnel->name.set && (tunnel->link || tunnel->uplink->name.set) &&
           is_whole(tunnel) && state_socket(tunnel, tunnel->kind) >= 0;
}

static void by_path(struct tunneld *tunneld, struct path *path, const struct segment_plan *plan)
{
    if (!usable(path)) {
        count(tunneld, COUNTER_OUT_NO_PATH, plan->count);
        return;
    }
    if (!path->tunnel->link && ipv4_would_loop(&plan->view, path->tunnel->uplink->address, path->tunnel->peer)) {
        count(tunneld, COUNTER_OUT_LOOP, plan->count);
        return;
    }
    if (segment_size(plan) > path->packet_size)
        send_too_big(tunneld, path, plan);
    else
        send_segments(tunneld, path, plan);
    watch_sent(tunneld, path);
}

/* False: counted and done with. */
static bool planned(struct tunneld *tunneld, uint8_t *read, size_t size, struct segment_plan *plan)
{
    enum segment_error error = segment_plan(read, size, plan);
    if (error == SEGMENT_FINE)
        return true;
    count(tunneld, error == SEGMENT_NOT_IPV4 ? COUNTER_OUT_NOT_IPV4 : COUNTER_OUT_MALFORMED, 1);
    return false;
}

static void by_plan(struct tunneld *tunneld, struct route *route, const struct segment_plan *plan)
{
    if (!route->path_count)
        count(tunneld, COUNTER_OUT_NO_PATH, plan->count);
    if (route->path_count == 1 && errors_stand(tunneld, route->paths[0]->tunnel))
        out_answer_unreachable(tunneld, &plan->view, route->paths[0]->tunnel->error_code); /* and is sent all the same */
    for (uint32_t i = 0; i < route->path_count; i++)
        by_path(tunneld, route->paths[i], plan);
}

void out_by_route(struct tunneld *tunneld, struct route *route, uint8_t *read, size_t size)
{
    struct segment_plan plan;
    if (planned(tunneld, read, size, &plan))
        by_plan(tunneld, route, &plan);
}

static void by_all_who_listen(struct tunneld *tunneld, const struct segment_plan *plan)
{
    struct ipv4_view view;
    uint8_t packet[BROADCAST_SIZE_MAX];
    if (segment_size(plan) > sizeof packet)
        count(tunneld, COUNTER_OUT_TOO_BIG, 1);
    else if (ipv4_parse(packet, segment_write(plan, 0, 1, NULL, 0, packet), &view) == IPV4_FINE)
        broadcast_send(tunneld, &view);
}

static void from_tun(struct tunneld *tunneld, uint8_t *read, size_t size)
{
    struct segment_plan plan;
    if (!planned(tunneld, read, size, &plan))
        return;
    if (plan.view.ttl == 0) { /* RFC 2003 section 3.1 */
        count(tunneld, COUNTER_OUT_TTL_EXCEEDED, plan.count);
        answer_icmp(tunneld, &plan.view, 0);
        return;
    }
    if (plan.count == 1 && broadcast_is_heard(&tunneld->state, &plan.view)) {
        by_all_who_listen(tunneld, &plan);
        return;
    }
    struct route *route = state_route_to(&tunneld->state, plan.view.source, plan.view.destination);
    if (!route) {
        count(tunneld, COUNTER_OUT_NO_ROUTE, plan.count);
        return;
    }
    uint8_t gate = route->valid_until_us > tunneld->now_us ? route->gate : WIRE_GATE_CLOSED;
    if (gate == WIRE_GATE_OPEN)
        by_plan(tunneld, route, &plan);
    else if (gate == WIRE_GATE_HOLD)
        hold_add(tunneld, route, read, size, plan.count);
    else
        count(tunneld, COUNTER_OUT_GATE_CLOSED, plan.count);
}

void out_tun_ready(void *owner, struct watcher *watcher, uint32_t events)
{
    struct tunneld *tunneld = owner;
    (void)events;
    for (int i = 0; i < TUN_READS_PER_TURN; i++) {
        ssize_t size = read(watcher->fd, tunneld->out.read, SEGMENT_READ_SIZE_MAX);
        if (size < 0) {
            if (errno != EAGAIN && errno != EINTR && errno != EIO) {
                log_line(LOG_ERROR, "the TUN is gone: %s", strerror(errno));
                tunneld->exit_code = EXIT_TUN;
            }
            break;
        }
        count(tunneld, COUNTER_TUN_READS, 1);
        from_tun(tunneld, tunneld->out.read, (size_t)size);
    }
    sender_flush(tunneld);
}

void out_whole(struct tunneld *tunneld, struct path *path, uint8_t *packet, size_t size)
{
    struct ipv4_view view;
    if (!usable(path) || size <= path->packet_size) {
        out_inner(tunneld, path, packet, size);
    } else if (ipv4_parse(packet, size, &view) != IPV4_FINE || view.dont_fragment) {
        count(tunneld, COUNTER_OUT_TOO_BIG, 1); /* nobody is told: it was for many */
    } else {
        send_fragments(tunneld, path, packet, size);
        sender_flush(tunneld);
    }
}

void out_inner(struct tunneld *tunneld, struct path *path, const uint8_t *packet, size_t size)
{
    struct ipv4_view view;
    uint8_t *scratch = tunneld->out.scratch;
    if (!size || size > IPV4_SIZE_MAX - HEADROOM_MAX) {
        count(tunneld, COUNTER_OUT_MALFORMED, 1);
        return;
    }
    memcpy(scratch, packet, size);
    if (ipv4_parse(scratch, size, &view) != IPV4_FINE || view.size != size) {
        count(tunneld, COUNTER_OUT_MALFORMED, 1);
    } else if (!usable(path)) {
        count(tunneld, COUNTER_OUT_NO_PATH, 1);
    } else {
        struct tunnel *tunnel = path->tunnel;
        uint8_t *at = sender_room(tunneld, tunnel->header_size + (uint32_t)size);
        memcpy(at, tunnel->header, tunnel->header_size);
        memcpy(at + tunnel->header_size, scratch, size);
        add_one(tunneld, tunnel, at, size, ecn_encapsulate(view.tos));
        sender_flush(tunneld);
        watch_sent(tunneld, path);
    }
}
