#include "links.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netpacket/packet.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "helper.h"
#include "log.h"
#include "packet/ipv4.h"
#include "tunneld.h"

static void frame_up(struct tunneld *tunneld, const struct link *link, const struct sockaddr_ll *from,
                     const uint8_t *data, size_t size)
{
    struct ipv4_view view;
    uint8_t copy[SIGNAL_SIZE_MAX];
    if (size > sizeof copy || from->sll_halen != MESSAGE_MAC_SIZE) {
        count(tunneld, COUNTER_IN_MALFORMED, 1);
        return;
    }
    memcpy(copy, data, size);
    if (ipv4_parse(copy, size, &view) != IPV4_FINE || ipv4_is_fragment(&view)) {
        count(tunneld, COUNTER_IN_MALFORMED, 1);
        return;
    }
    if (!signals_may_pass(tunneld, view.source))
        return;
    struct message_frame frame = {
        .link = link->name.id,
        .group = from->sll_pkttype != PACKET_HOST,
        .data = {.at = data, .size = size},
    };
    memcpy(frame.link_address, from->sll_addr, sizeof frame.link_address);
    if (control_tell_signal(tunneld, MESSAGE_FRAME, &frame))
        count(tunneld, COUNTER_FRAMES_UP, 1);
    else
        count(tunneld, COUNTER_SIGNAL_CLIENT_FULL, 1);
}

static void packet_ready(void *owner, struct watcher *watcher, uint32_t events)
{
    struct tunneld *tunneld = owner;
    (void)events;
    struct link *link = (struct link *)((char *)watcher - offsetof(struct link, packet));
    for (int turn = 0; turn < LINK_FRAMES_PER_TURN; turn++) {
        uint8_t data[SIGNAL_SIZE_MAX + 1];
        struct sockaddr_ll from = {0};
        socklen_t size_of_from = sizeof from;
        ssize_t size = recvfrom(watcher->fd, data, sizeof data, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from,
                                &size_of_from);
        if (size < 0)
            return; /* nothing there, or the device went down: netlink tells careofd */
        if (from.sll_pkttype == PACKET_OUTGOING || from.sll_pkttype == PACKET_OTHERHOST)
            continue;
        frame_up(tunneld, link, &from, data, (size_t)size);
    }
}

int links_set(struct tunneld *tunneld, const struct message_set_link *set, const struct helper_answer *answer, int fd)
{
    struct link *link = state_link(&tunneld->state, set->link);
    if (!link)
        return ENOSPC;
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
