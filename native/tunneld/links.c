#include "links.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broadcast.h"
#include "helper.h"
#include "log.h"
#include "packet/checksum.h"
#include "packet/fields.h"
#include "packet/ipv4.h"
#include "tunneld.h"

/* Whoever sent it on this machine left the checksum to a device that will never see it. */
static void complete_udp(const struct ipv4_view *view)
{
    uint8_t *udp = view->at + view->header_size;
    uint32_t size = (uint32_t)view->size - view->header_size;
    store_raw16(udp + 6, 0);
    store_raw16(udp + 6, checksum_finish_udp(checksum_pseudo(view->at, PROTOCOL_UDP, size) + checksum_sum(udp, size)));
}

enum { ICMP_ROUTERADVERT = 9, ICMP_ROUTERSOLICIT = 10, ICMP_ECHOREPLY = 0 }; /* RFC 1256, RFC 792 */

/* As the socket's filter, which lets in besides what was sent to all or to several. */
static bool is_signalling(const struct ipv4_view *view)
{
    if (ipv4_is_fragment(view))
        return false;
    if (view->protocol == PROTOCOL_UDP)
        return view->destination_port == MIP_PORT;
    if (view->transport != TRANSPORT_ICMP)
        return false;
    uint8_t type = view->at[view->header_size + ICMP_TYPE_AT];
    return type == ICMP_ROUTERADVERT || type == ICMP_ROUTERSOLICIT || type == ICMP_ECHOREPLY;
}

static void frame_up(struct tunneld *tunneld, const struct link *link, const struct sockaddr_ll *from, uint8_t *data,
                     size_t size, bool is_complete)
{
    struct ipv4_view view;
    if (size > SIGNAL_SIZE_MAX || from->sll_halen != MESSAGE_MAC_SIZE ||
        ipv4_parse(data, size, &view) != IPV4_FINE) {
        count(tunneld, COUNTER_IN_MALFORMED, 1);
        return;
    }
    if (!is_signalling(&view)) {
        if (broadcast_is_heard(&tunneld->state, &view)) {
            if (!is_complete && view.transport == TRANSPORT_UDP && !ipv4_is_fragment(&view))
                complete_udp(&view);
            broadcast_send(tunneld, &view);
        }
        return;
    }
    if (!signals_may_pass(tunneld, view.source, false))
        return;
    if (!is_complete && view.transport == TRANSPORT_UDP)
        complete_udp(&view);
    struct message_frame frame = {
        .link = link->name.id,
        .group = from->sll_pkttype != PACKET_HOST,
        .data = {.at = data, .size = size},
    };
    memcpy(frame.link_address, from->sll_addr, sizeof frame.link_address);
    if (control_tell_signal(tunneld, MESSAGE_FRAME, &frame, false))
        count(tunneld, COUNTER_FRAMES_UP, 1);
    else
        count(tunneld, COUNTER_SIGNAL_CLIENT_FULL, 1);
}

static bool is_complete(const struct msghdr *message)
{
    const struct cmsghdr *header = CMSG_FIRSTHDR(message);
    struct tpacket_auxdata said;
    if (!header || header->cmsg_level != SOL_PACKET || header->cmsg_type != PACKET_AUXDATA ||
        header->cmsg_len < CMSG_LEN(sizeof said))
        return true;
    memcpy(&said, CMSG_DATA(header), sizeof said);
    return !(said.tp_status & TP_STATUS_CSUMNOTREADY);
}

static void packet_ready(void *owner, struct watcher *watcher, uint32_t events)
{
    struct tunneld *tunneld = owner;
    (void)events;
    struct link *link = (struct link *)((char *)watcher - offsetof(struct link, packet));
    for (int turn = 0; turn < LINK_FRAMES_PER_TURN; turn++) {
        uint8_t data[SIGNAL_SIZE_MAX + 1];
        union {
            struct cmsghdr header;
            char room[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
        } control;
        struct sockaddr_ll from = {0};
        struct iovec iov = {.iov_base = data, .iov_len = sizeof data};
        struct msghdr message = {.msg_name = &from,
                                 .msg_namelen = sizeof from,
                                 .msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = &control,
                                 .msg_controllen = sizeof control};
        ssize_t size = recvmsg(watcher->fd, &message, MSG_DONTWAIT | MSG_TRUNC);
        if (size < 0)
            return; /* nothing there, or the device went down: netlink tells careofd */
        if (from.sll_pkttype == PACKET_OUTGOING || from.sll_pkttype == PACKET_OTHERHOST)
            continue;
        frame_up(tunneld, link, &from, data, (size_t)size, is_complete(&message));
    }
}

int links_set(struct tunneld *tunneld, const struct message_set_link *set, const struct helper_answer *answer, int fd)
{
    struct link *link = state_link(&tunneld->state, set->link);
    if (!link) {
        if (fd >= 0)
            close(fd);
        return ENOSPC;
    }
    if (fd >= 0) {
        loop_forget(&tunneld->loop, &link->packet);
        link->packet.fd = fd;
        link->packet.ready = packet_ready;
        link->ifindex = answer->ifindex;
        memcpy(link->mac, answer->mac, sizeof link->mac);
        if (!loop_watch(&tunneld->loop, &link->packet, EPOLLIN))
            return errno;
    }
    memcpy(link->device, set->device, sizeof link->device);
    link->name.set = true;
    link->name.replay = tunneld->state.replay;
    struct message_link_up up = {.link = set->link};
    memcpy(up.link_address, link->mac, sizeof up.link_address);
    control_tell(tunneld, MESSAGE_LINK_UP, &up);
    return 0;
}

int links_drop(struct tunneld *tunneld, uint32_t id)
{
    struct link *link = map_get(&tunneld->state.links, id);
    if (!link || !link->name.set)
        return ENOENT;
    loop_forget(&tunneld->loop, &link->packet);
    link->name.set = false;
    state_release_link(&tunneld->state, link);
    return 0;
}

void links_send(struct tunneld *tunneld, const struct message_send_frame *frame)
{
    static struct log_limit limit;
    const struct link *link = map_get(&tunneld->state.links, frame->link);
    if (link && link->packet.fd >= 0) {
        struct sockaddr_ll to = {
            .sll_family = AF_PACKET,
            .sll_protocol = htons(frame->ethertype),
            .sll_ifindex = (int)link->ifindex,
            .sll_halen = MESSAGE_MAC_SIZE,
        };
        memcpy(to.sll_addr, frame->link_address, MESSAGE_MAC_SIZE);
        if (sendto(link->packet.fd, frame->data.at, frame->data.size, MSG_DONTWAIT, (struct sockaddr *)&to,
                   sizeof to) >= 0) {
            count(tunneld, COUNTER_FRAMES_SENT, 1);
            return;
        }
    }
    count(tunneld, COUNTER_FRAME_SEND_ERROR, 1);
    log_limited(&limit, tunneld->now_us, LOG_INFO, "link %u: cannot send: %s", frame->link,
                link && link->packet.fd >= 0 ? strerror(errno) : "it has no socket");
}

void links_sweep(struct tunneld *tunneld)
{
    struct map *links = &tunneld->state.links;
    for (uint32_t at = 0; at < map_slots(links);) {
        struct link *link = map_at(links, at);
        if (link && link->name.set && link->name.replay != tunneld->state.replay) {
            at += link->name.references != 0;
            links_drop(tunneld, link->name.id);
        } else {
            at++;
        }
    }
}
