#include "in.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "errors.h"
#include "log.h"
#include "packet/bytes.h"
#include "packet/ecn.h"
#include "packet/fields.h"
#include "packet/gre.h"
#include "packet/minimal.h"
#include "packet/probe.h"
#include "tunneld.h"
#include "watch.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
    CONTROL_SIZE = CMSG_SPACE(sizeof(struct in_pktinfo)) + 3 * CMSG_SPACE(sizeof(int)),
};

struct receiver {
    struct mmsghdr messages[RECEIVE_MESSAGES];
    struct iovec iov[RECEIVE_MESSAGES];
    struct sockaddr_in from[RECEIVE_MESSAGES];
    _Alignas(struct cmsghdr) uint8_t control[RECEIVE_MESSAGES][CONTROL_SIZE];
    uint8_t data[RECEIVE_MESSAGES][RECEIVE_SIZE + 1];
};

bool in_begin(struct tunneld *tunneld, uint32_t tun_ifindex, const uint8_t key[16])
{
    struct receiver *receiver = malloc(sizeof *receiver);
    if (!receiver)
        return false;
    for (int i = 0; i < RECEIVE_MESSAGES; i++)
        receiver->iov[i] = (struct iovec){.iov_base = receiver->data[i], .iov_len = RECEIVE_SIZE};
    tunneld->in.receiver = receiver;
    tunneld->in.tun_ifindex = tun_ifindex;
    duplicate_begin(&tunneld->in.duplicates, key);
    return true;
}

/* -- To the TUN ----------------------------------------------------------------------------------- */

static void write_run(struct tunneld *tunneld)
{
    struct coalesce_run *run = &tunneld->in.run;
    struct iovec iov[COALESCE_IOVEC_MAX];
    for (uint32_t i = 0; i < run->item_count; i++) {
        int pieces = coalesce_item(run, i, iov);
        count(tunneld, COUNTER_TUN_WRITES, 1);
        if (writev(tunneld->tun.fd, iov, pieces) < 0)
            count(tunneld, COUNTER_IN_TUN_ERROR, run->items[i].count);
    }
}

static void begin_run(struct tunneld *tunneld)
{
    coalesce_begin(&tunneld->in.run, tunneld->offloads & WIRE_OFFLOAD_TUN_USO, tunneld->state.tun_size);
}

static void add_to_run(struct tunneld *tunneld, const struct ipv4_view *view)
{
    if (coalesce_add(&tunneld->in.run, view))
        return;
    write_run(tunneld);
    begin_run(tunneld);
    coalesce_add(&tunneld->in.run, view);
}

/* -- One inner packet ------------------------------------------------------------------------------- */

/* The row that lets it in; NULL: counted. */
static const struct inner_row *row_for(struct tunneld *tunneld, const struct tunnel *tunnel,
                                       const struct ipv4_view *view)
{
    const struct inner_row *found = state_row_for(&tunneld->state, tunnel, view->source, view->destination);
    if (found)
        return found;
    static struct log_limit limit;
    bool source_known = false;
    for (uint32_t i = 0; i < tunnel->row_count && !source_known; i++)
        source_known = (view->source & tunnel->rows[i].source_mask) == tunnel->rows[i].source;
    count(tunneld, source_known ? COUNTER_IN_BAD_DESTINATION : COUNTER_IN_BAD_SOURCE, 1);
    if (!source_known)
        log_limited(&limit, tunneld->now_us, LOG_WARNING, "tunnel %u: a packet from a source that is not behind it",
                    tunnel->name.id);
    return NULL;
}

/* By no tunnel, or in an encapsulation that was not agreed on (RFC 3024 4.3.2). */
static void of_no_tunnel(struct tunneld *tunneld)
{
    static struct log_limit limit;
    count(tunneld, COUNTER_IN_NO_TUNNEL, 1);
    log_limited(&limit, tunneld->now_us, LOG_WARNING, "a packet that came by no tunnel of ours");
}

static bool ecn_lets_in(struct tunneld *tunneld, uint8_t *packet, uint8_t outer_tos)
{
    static struct log_limit limit;
    enum ecn_verdict verdict = ecn_decapsulate(packet, outer_tos);
    if (verdict == ECN_FINE)
        return true;
    if (verdict == ECN_DROP) {
        count(tunneld, COUNTER_IN_ECN, 1);
        return false;
    }
    count(tunneld, COUNTER_IN_ECN_UNUSED, 1);
    if (verdict == ECN_UNUSED_DANGEROUS)
        log_limited(&limit, tunneld->now_us, LOG_NOTICE, "a combination of ECN marks that RFC 6040 has no use for");
    return true;
}

/* Handed up instead of delivered. */
static bool is_probe_reply(struct tunneld *tunneld, const struct tunnel *tunnel, const struct ipv4_view *view)
{
    const struct state *state = &tunneld->state;
    if (view->protocol != PROTOCOL_ICMP || view->destination != state->tun_address)
        return false;
    for (uint32_t i = 0; i < state->probe_count; i++) {
        if (!probe_matches(view, state->tun_address, state->probes[i].identifier))
            continue;
        struct message_inner inner = {.tunnel = tunnel->name.id, .data = {.at = view->at, .size = view->size}};
        if (!control_tell_signal(tunneld, MESSAGE_INNER, &inner, true))
            count(tunneld, COUNTER_SIGNAL_CLIENT_FULL, 1);
        return true;
    }
    return false;
}

static bool copies_may_come(const struct tunneld *tunneld, const struct inner_row *row)
{
    return row->shared->tunnels > 1 || tunneld->now_us < row->shared->copies_until_us;
}

static void inner_packet(struct tunneld *tunneld, struct tunnel *tunnel, uint8_t *packet, size_t size,
                         uint8_t outer_tos)
{
    struct ipv4_view view;
    enum ipv4_error error = ipv4_parse_checked(packet, size, &view);
    if (error != IPV4_FINE) {
        count(tunneld, error == IPV4_SHORT ? COUNTER_IN_SHORT : COUNTER_IN_MALFORMED, 1);
        return;
    }
    const struct inner_row *row = row_for(tunneld, tunnel, &view);
    if (!row)
        return;
    if (view.ttl == 0) {
        count(tunneld, COUNTER_IN_TTL_ZERO, 1);
        return;
    }
    if (!ecn_lets_in(tunneld, packet, outer_tos))
        return;
    view.tos = packet[IPV4_TOS_AT];
    count(tunneld, COUNTER_IN_PACKETS, 1);
    count(tunneld, COUNTER_IN_OCTETS, view.size);
    tunnel->traffic.in_packets++;
    tunnel->traffic.in_octets += view.size;
    if (tunneld->state.probe_count && is_probe_reply(tunneld, tunnel, &view))
        return;
    if (copies_may_come(tunneld, row) &&
        duplicate_seen(&tunneld->in.duplicates, &view, tunnel->name.id, tunneld->now_us / 1000)) {
        count(tunneld, COUNTER_IN_DUPLICATE, 1);
        return;
    }
    add_to_run(tunneld, &view);
}

/* -- Datagrams ---------------------------------------------------------------------------------------- */

static int receive(struct tunneld *tunneld, int fd)
{
    struct receiver *receiver = tunneld->in.receiver;
    for (int i = 0; i < RECEIVE_MESSAGES; i++) {
        receiver->messages[i].msg_hdr = (struct msghdr){
            .msg_name = &receiver->from[i],
            .msg_namelen = sizeof receiver->from[i],
            .msg_iov = &receiver->iov[i],
            .msg_iovlen = 1,
            .msg_control = receiver->control[i],
            .msg_controllen = CONTROL_SIZE,
        };
    }
    int n = recvmmsg(fd, receiver->messages, RECEIVE_MESSAGES, MSG_DONTWAIT, NULL);
    if (n > 0)
        count(tunneld, COUNTER_UPLINK_RECEIVES, 1);
    return n;
}

static int int_in(const struct cmsghdr *c)
{
    int value = 0;
    size_t size = c->cmsg_len - CMSG_LEN(0);
    if (size == 1) /* IP_TOS is told as an octet */
        value = *(const uint8_t *)CMSG_DATA(c);
    else if (size >= sizeof value)
        memcpy(&value, CMSG_DATA(c), sizeof value);
    return value;
}

/* Returns the size of the segments of a UDP_GRO buffer, or 0: it is one datagram. */
static size_t read_control(struct msghdr *message, struct arrival *arrival)
{
    const struct sockaddr_in *from = message->msg_name;
    size_t segment_size = 0;
    *arrival = (struct arrival){.source = ntohl(from->sin_addr.s_addr), .source_port = ntohs(from->sin_port)};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            arrival->interface = (uint32_t)info.ipi_ifindex;
            arrival->destination = ntohl(info.ipi_addr.s_addr);
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
            arrival->tos = (uint8_t)int_in(c);
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) {
            arrival->ttl = (uint8_t)int_in(c);
        } else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            int size = int_in(c);
            segment_size = size > 0 ? (size_t)size : 0;
        }
    }
    return segment_size;
}

/* It left one of our tunnels to enter another. Two may lie in one another: that of an uplink bound to the TUN, which is
 * meant to lie in another role's; and one whose far end is itself at the end of a route of ours (a home agent serves a
 * router and who visits behind it), since what we send to it is nested as well. A route to everywhere names nobody. */
static bool is_nested(const struct tunneld *tunneld, const struct uplink *uplink, const struct arrival *arrival)
{
    if (arrival->interface != tunneld->in.tun_ifindex || uplink->ifindex == arrival->interface)
        return false;
    const struct route *way = state_route_to(&tunneld->state, uplink->address, arrival->source);
    return !way || way->length == 0;
}

static struct tunnel *arrived_by(struct tunneld *tunneld, uint8_t kind, const struct uplink *uplink,
                                 const struct arrival *arrival)
{
    return state_arrival(&tunneld->state, kind, uplink, arrival->source, arrival->source_port);
}

static void gre_packet(struct tunneld *tunneld, struct tunnel *tunnel, uint8_t *at, size_t size, uint8_t outer_tos)
{
    struct gre_view view;
    enum gre_error error = gre_parse(at, size, &view);
    if (!tunnel)
        of_no_tunnel(tunneld);
    else if (error == GRE_PROTOCOL)
        count(tunneld, COUNTER_IN_UNKNOWN_KIND, 1);
    else if (error != GRE_FINE)
        count(tunneld, error == GRE_SHORT ? COUNTER_IN_SHORT : COUNTER_IN_MALFORMED, 1);
    else if (view.has_key != tunnel->has_key || view.key != tunnel->key)
        count(tunneld, COUNTER_IN_KEY, 1);
    else
        inner_packet(tunneld, tunnel, at + view.header_size, size - view.header_size, outer_tos);
}

/* From where a tunnel has no port yet: careofd knows whether that is the one. */
static bool is_half_bound(const struct tunneld *tunneld, uint8_t kind, const struct uplink *uplink,
                          const struct arrival *arrival)
{
    return state_arrival(&tunneld->state, kind, uplink, arrival->source, 0) != NULL;
}

static void known_data(struct tunneld *tunneld, const struct uplink *uplink, struct tunnel *tunnel,
                       const struct arrival *arrival, uint8_t *data, size_t size)
{
    uint8_t *inside = data + TUNNEL_DATA_HEADER_SIZE;
    size_t inside_size = size - TUNNEL_DATA_HEADER_SIZE;
    bool gre = data[1] == PROTOCOL_GRE;
    uint8_t kind = gre ? WIRE_KIND_MIP_UDP_GRE : WIRE_KIND_MIP_UDP;
    if (gre)
        tunnel = arrived_by(tunneld, kind, uplink, arrival);
    if (tunnel && !tunnel->peer_port) /* from port 0, which is nobody's */
        tunnel = NULL;
    if (!tunnel && is_half_bound(tunneld, kind, uplink, arrival))
        signals_up(tunneld, uplink, arrival, data, size);
    else if (gre)
        gre_packet(tunneld, tunnel, inside, inside_size, arrival->tos);
    else if (!tunnel)
        of_no_tunnel(tunneld);
    else
        inner_packet(tunneld, tunnel, inside, inside_size, arrival->tos);
}

/* Tunnel data of a whole message or segment; `tunnel` is that of its sender, or NULL. */
static void tunnel_data(struct tunneld *tunneld, const struct uplink *uplink, struct tunnel *tunnel,
                        const struct arrival *arrival, uint8_t *data, size_t size)
{
    if (is_nested(tunneld, uplink, arrival))
        count(tunneld, COUNTER_IN_NESTED, 1);
    else if (size <= TUNNEL_DATA_HEADER_SIZE)
        count(tunneld, COUNTER_IN_SHORT, 1);
    else if (data[1] != PROTOCOL_IPIP && data[1] != PROTOCOL_GRE)
        count(tunneld, COUNTER_IN_UNKNOWN_KIND, 1); /* RFC 3519 3.3: as unknown protocols, discarded */
    else
        known_data(tunneld, uplink, tunnel, arrival, data, size);
}

static void udp_message(struct tunneld *tunneld, struct uplink *uplink, struct msghdr *message, size_t size)
{
    struct arrival arrival;
    uint8_t *data = message->msg_iov->iov_base;
    size_t segment_size = read_control(message, &arrival);
    if (segment_size == 0)
        segment_size = size;
    struct tunnel *tunnel = arrived_by(tunneld, WIRE_KIND_MIP_UDP, uplink, &arrival);
    struct tunnel *heard = tunnel ? tunnel : arrived_by(tunneld, WIRE_KIND_MIP_UDP_GRE, uplink, &arrival);
    if (heard)
        watch_received(tunneld, heard);
    for (size_t at = 0; at < size; at += segment_size) {
        size_t left = size - at < segment_size ? size - at : segment_size;
        if (data[at] == TUNNEL_DATA)
            tunnel_data(tunneld, uplink, tunnel, &arrival, data + at, left);
        else
            signals_up(tunneld, uplink, &arrival, data + at, left);
    }
    if (size == 0)
        count(tunneld, COUNTER_IN_SHORT, 1);
}

/* By IP in IP comes what its tunnel sends, and what a tunnel of minimal encapsulation could not carry otherwise. */
static void ipip_packet(struct tunneld *tunneld, struct uplink *uplink, const struct arrival *arrival, uint8_t *packet,
                        size_t size)
{
    struct tunnel *tunnel = arrived_by(tunneld, WIRE_KIND_IPIP, uplink, arrival);
    struct tunnel *other = arrived_by(tunneld, WIRE_KIND_MINIMAL, uplink, arrival);
    struct ipv4_view view;
    if (tunnel && other && ipv4_parse(packet, size, &view) == IPV4_FINE &&
        !state_row_for(&tunneld->state, tunnel, view.source, view.destination))
        tunnel = other;
    if (!tunnel)
        tunnel = other;
    if (!tunnel) {
        of_no_tunnel(tunneld);
        return;
    }
    watch_received(tunneld, tunnel);
    inner_packet(tunneld, tunnel, packet, size, arrival->tos);
}

static void minimal_packet(struct tunneld *tunneld, struct uplink *uplink, const struct arrival *arrival,
                           const struct ipv4_view *outer)
{
    struct tunnel *tunnel = arrived_by(tunneld, WIRE_KIND_MINIMAL, uplink, arrival);
    if (!tunnel) {
        of_no_tunnel(tunneld);
        return;
    }
    watch_received(tunneld, tunnel);
    size_t size = 0;
    uint8_t *inner = minimal_unwrap(outer, &size);
    if (inner)
        inner_packet(tunneld, tunnel, inner, size, outer->tos);
    else
        count(tunneld, COUNTER_IN_MALFORMED, 1);
}

static void raw_message(struct tunneld *tunneld, struct uplink *uplink, struct msghdr *message, size_t size)
{
    struct arrival arrival;
    struct ipv4_view outer;
    read_control(message, &arrival);
    if (ipv4_parse(message->msg_iov->iov_base, size, &outer) != IPV4_FINE || ipv4_is_fragment(&outer)) {
        count(tunneld, COUNTER_IN_MALFORMED, 1);
        return;
    }
    if (is_nested(tunneld, uplink, &arrival)) {
        count(tunneld, COUNTER_IN_NESTED, 1);
        return;
    }
    arrival.source = outer.source;
    arrival.source_port = 0;
    arrival.tos = outer.tos;
    if (outer.protocol == PROTOCOL_ICMP) {
        errors_came(tunneld, uplink, &outer);
        return;
    }
    uint8_t *inside = outer.at + outer.header_size;
    size_t inside_size = (size_t)outer.size - outer.header_size;
    if (outer.protocol == PROTOCOL_MINIMAL) {
        minimal_packet(tunneld, uplink, &arrival, &outer);
    } else if (outer.protocol == PROTOCOL_GRE) {
        struct tunnel *tunnel = arrived_by(tunneld, WIRE_KIND_GRE, uplink, &arrival);
        if (tunnel)
            watch_received(tunneld, tunnel);
        gre_packet(tunneld, tunnel, inside, inside_size, outer.tos);
    } else {
        ipip_packet(tunneld, uplink, &arrival, inside, inside_size);
    }
}

typedef void take_message(struct tunneld *tunneld, struct uplink *uplink, struct msghdr *message, size_t size);

static void uplink_ready(struct tunneld *tunneld, struct uplink *uplink, int fd, take_message *take)
{
    struct receiver *receiver = tunneld->in.receiver;
    for (int turn = 0; turn < UPLINK_RECEIVES_PER_TURN; turn++) {
        int n = receive(tunneld, fd);
        if (n <= 0)
            break; /* nothing there, or an ICMP error of an earlier send, which is no news */
        begin_run(tunneld);
        for (int i = 0; i < n; i++)
            take(tunneld, uplink, &receiver->messages[i].msg_hdr, receiver->messages[i].msg_len);
        write_run(tunneld);
        if (n < RECEIVE_MESSAGES)
            break;
    }
}

void in_udp_ready(void *owner, struct watcher *watcher, uint32_t events)
{
    struct tunneld *tunneld = owner;
    (void)events;
    struct uplink *uplink = (struct uplink *)((char *)watcher - offsetof(struct uplink, udp));
    uplink_ready(tunneld, uplink, watcher->fd, udp_message);
}

void in_raw_ready(void *owner, struct watcher *watcher, uint32_t events)
{
    struct tunneld *tunneld = owner;
    (void)events;
    struct raw_socket *raw = (struct raw_socket *)((char *)watcher - offsetof(struct raw_socket, watcher));
    uplink_ready(tunneld, raw->uplink, watcher->fd, raw_message);
}
