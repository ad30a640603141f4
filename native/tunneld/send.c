#include "send.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "packet/segment.h"
#include "tunneld.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

struct control_room {
    _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint16_t))];
};

struct batch {
    struct mmsghdr messages[SEGMENT_BATCH_MAX];
    struct iovec iov[SEGMENT_BATCH_MAX];
    struct control_room control[SEGMENT_BATCH_MAX];
    uint32_t count;
};

static int socket_of(const struct outgoing *out)
{
    return state_socket(out->tunnel, out->kind);
}

static bool in_udp(uint8_t kind)
{
    return kind == WIRE_KIND_MIP_UDP || kind == WIRE_KIND_MIP_UDP_GRE;
}

static bool by_segments(const struct outgoing *out)
{
    return out->count > 1 && in_udp(out->kind) && out->tunnel->uplink->udp_segment;
}

uint8_t *sender_room(struct tunneld *tunneld, uint32_t size)
{
    struct sender *sender = &tunneld->sender;
    if (size > sender_left(sender))
        sender_flush(tunneld);
    return sender->arena + sender->used;
}

/* May these packets ride with the last ones? */
static bool continues(const struct outgoing *last, const struct tunnel *tunnel, uint8_t tos, uint16_t stride,
                      uint16_t count, uint32_t size)
{
    bool last_is_full = last->size == (uint32_t)last->stride * last->count;
    bool fits = count == 1 ? size <= last->stride : stride == last->stride;
    return last->tunnel == tunnel && last->kind == tunnel->kind && last->tos == tos && last_is_full && fits &&
           last->count + count <= SEGMENT_BATCH_MAX && last->size + size <= SEGMENT_SEND_SIZE_MAX;
}

void sender_add(struct tunneld *tunneld, struct tunnel *tunnel, uint8_t tos, uint16_t stride, uint16_t count,
                uint32_t size)
{
    struct sender *sender = &tunneld->sender;
    struct outgoing *last = sender->outgoing_count ? &sender->outgoing[sender->outgoing_count - 1] : NULL;
    if (last && continues(last, tunnel, tos, stride, count, size)) {
        last->count = (uint16_t)(last->count + count);
        last->size += size;
    } else {
        sender->outgoing[sender->outgoing_count++] = (struct outgoing){.tunnel = tunnel,
                                                                        .kind = tunnel->kind,
                                                                        .header_size = tunnel->header_size,
                                                                        .offset = sender->used,
                                                                        .size = size,
                                                                        .stride = stride,
                                                                        .count = count,
                                                                        .tos = tos};
    }
    sender->used += size;
    if (sender->outgoing_count == SEND_MESSAGES)
        sender_flush(tunneld);
}

void sender_add_ipip(struct tunneld *tunneld, struct tunnel *tunnel, uint8_t tos, uint16_t size)
{
    struct sender *sender = &tunneld->sender;
    sender->outgoing[sender->outgoing_count++] = (struct outgoing){.tunnel = tunnel,
                                                                    .kind = WIRE_KIND_IPIP,
                                                                    .offset = sender->used,
                                                                    .size = size,
                                                                    .stride = size,
                                                                    .count = 1,
                                                                    .tos = tos};
    sender->used += size;
    if (sender->outgoing_count == SEND_MESSAGES)
        sender_flush(tunneld);
}

static void add_control(struct msghdr *message, struct control_room *room, int level, int type, const void *value,
                        size_t size)
{
    struct cmsghdr *at = (struct cmsghdr *)(room->room + message->msg_controllen);
    message->msg_control = room;
    message->msg_controllen += CMSG_SPACE(size);
    at->cmsg_level = level;
    at->cmsg_type = type;
    at->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(at), value, size);
}

static void add_message(struct batch *batch, const struct outgoing *out, uint8_t *at, uint32_t size, bool segments)
{
    uint32_t i = batch->count++;
    struct msghdr *message = &batch->messages[i].msg_hdr;
    batch->iov[i] = (struct iovec){.iov_base = at, .iov_len = size};
    *message = (struct msghdr){
        .msg_name = &out->tunnel->to.ip, .msg_namelen = sizeof out->tunnel->to.ip, .msg_iov = &batch->iov[i], .msg_iovlen = 1};
    if (out->kind == WIRE_KIND_LINK) {
        out->tunnel->to.link.sll_ifindex = (int)out->tunnel->link->ifindex;
        message->msg_name = &out->tunnel->to.link;
        message->msg_namelen = sizeof out->tunnel->to.link;
        return;
    }
    if (out->tos || segments)
        memset(&batch->control[i], 0, sizeof batch->control[i]);
    if (out->tos) {
        int tos = out->tos;
        add_control(message, &batch->control[i], IPPROTO_IP, IP_TOS, &tos, sizeof tos);
    }
    if (segments)
        add_control(message, &batch->control[i], IPPROTO_UDP, UDP_SEGMENT, &out->stride, sizeof out->stride);
}

static void sent(struct tunneld *tunneld, const struct outgoing *out, uint32_t packets, uint32_t size)
{
    uint64_t octets = size - (uint64_t)packets * out->header_size;
    count(tunneld, COUNTER_OUT_PACKETS, packets);
    count(tunneld, COUNTER_OUT_OCTETS, octets);
    out->tunnel->traffic.out_packets += packets;
    out->tunnel->traffic.out_octets += octets;
}

/* Errors of an uplink are its weather: counted, and the next packet tries again. */
static void not_sent(struct tunneld *tunneld, const struct outgoing *out, uint32_t packets, int error)
{
    static struct log_limit limit;
    count(tunneld, COUNTER_OUT_UPLINK_ERROR, packets);
    const struct tunnel *tunnel = out->tunnel;
    if (error != EAGAIN && error != ENOBUFS)
        log_limited(&limit, tunneld->now_us, LOG_INFO, "tunnel %u (%s): cannot send: %s", tunnel->name.id,
                    tunnel->link ? tunnel->link->device : tunnel->uplink->device, strerror(error));
}

/* Each packet of it as a message of its own. Returns how many left. */
static uint32_t send_singly(struct tunneld *tunneld, const struct outgoing *out)
{
    static struct batch batch;
    uint8_t *at = tunneld->sender.arena + out->offset;
    uint32_t packets_sent = 0;
    batch.count = 0;
    for (uint32_t i = 0, left = out->size; i < out->count; i++) {
        uint32_t size = left < out->stride ? left : out->stride;
        add_message(&batch, out, at, size, false);
        at += size;
        left -= size;
    }
    for (uint32_t done = 0; done < batch.count;) {
        int n = sendmmsg(socket_of(out), batch.messages + done, batch.count - done, MSG_DONTWAIT);
        count(tunneld, COUNTER_UPLINK_SENDS, 1);
        if (n < 0) {
            uint32_t lost = errno == EAGAIN ? batch.count - done : 1;
            not_sent(tunneld, out, lost, errno);
            done += lost;
            continue;
        }
        for (uint32_t i = done; i < done + (uint32_t)n; i++)
            sent(tunneld, out, 1, (uint32_t)batch.iov[i].iov_len);
        done += (uint32_t)n;
        packets_sent += (uint32_t)n;
    }
    return packets_sent;
}

/* UDP_SEGMENT was refused. EIO: the device cannot do checksums; EINVAL: the kernel will not cut this. If the
 * packets pass one by one it was not their fault, and this uplink is not asked again. */
static void segments_refused(struct tunneld *tunneld, const struct outgoing *out, int error)
{
    if (error != EIO && error != EINVAL && error != EOPNOTSUPP) {
        not_sent(tunneld, out, out->count, error);
        return;
    }
    if (send_singly(tunneld, out) && out->tunnel->uplink->udp_segment) {
        out->tunnel->uplink->udp_segment = false;
        log_line(LOG_NOTICE, "uplink %u (%s): no UDP_SEGMENT here (%s), sending one by one",
                 out->tunnel->uplink->name.id, out->tunnel->uplink->device, strerror(error));
    }
}

/* A run of outgoings on one socket, each one message. */
static void send_together(struct tunneld *tunneld, const struct outgoing *first, uint32_t run)
{
    static struct batch batch;
    batch.count = 0;
    for (uint32_t i = 0; i < run; i++)
        add_message(&batch, &first[i], tunneld->sender.arena + first[i].offset, first[i].size, first[i].count > 1);
    for (uint32_t done = 0; done < run;) {
        int n = sendmmsg(socket_of(first), batch.messages + done, run - done, MSG_DONTWAIT);
        count(tunneld, COUNTER_UPLINK_SENDS, 1);
        if (n < 0) {
            int error = errno;
            const struct outgoing *out = &first[done++];
            if (out->count > 1)
                segments_refused(tunneld, out, error);
            else
                not_sent(tunneld, out, 1, error);
            continue;
        }
        for (uint32_t i = done; i < done + (uint32_t)n; i++)
            sent(tunneld, &first[i], first[i].count, first[i].size);
        done += (uint32_t)n;
    }
}

void sender_flush(struct tunneld *tunneld)
{
    struct sender *sender = &tunneld->sender;
    for (uint32_t at = 0; at < sender->outgoing_count;) {
        const struct outgoing *first = &sender->outgoing[at];
        uint32_t run = 0;
        while (at + run < sender->outgoing_count && socket_of(&first[run]) == socket_of(first) &&
               (first[run].count == 1 || by_segments(&first[run])))
            run++;
        if (run)
            send_together(tunneld, first, run);
        else
            send_singly(tunneld, first);
        at += run ? run : 1;
    }
    sender->used = sender->outgoing_count = 0;
}

_Static_assert((int)SEND_MESSAGES <= (int)SEGMENT_BATCH_MAX, "a batch holds every outgoing");
