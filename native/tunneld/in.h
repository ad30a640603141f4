/* Inbound: uplink -> tunnel -> what may come from it -> TUN (DESIGN section 5).
 *
 *     recvmmsg -> each datagram, or each segment of a UDP_GRO buffer
 *        signalling? -> signals.h
 *        tunnel by (uplink, peer, port) -> strip -> sound? from whom it says? marked? a copy? a probe's reply?
 *     -> the run of one recvmmsg, coalesced -> as few writes to the TUN as keep its meaning
 */
#ifndef CAREOF_IN_H
#define CAREOF_IN_H

#include <stdbool.h>
#include <stdint.h>

#include "packet/coalesce.h"
#include "packet/duplicate.h"

struct tunneld;
struct watcher;
struct receiver;

enum {
    TUNNEL_DATA = 4, /* RFC 3519 3.3: the first octet of tunnel data, and the type of no signalling */
    TUNNEL_DATA_HEADER_SIZE = 4,
};

struct in {
    struct receiver *receiver; /* what recvmmsg() fills */
    uint32_t tun_ifindex;
    struct duplicate_table duplicates;
    struct coalesce_run run;
};

bool in_begin(struct tunneld *tunneld, uint32_t tun_ifindex, const uint8_t key[16]);
void in_udp_ready(void *owner, struct watcher *watcher, uint32_t events);
void in_raw_ready(void *owner, struct watcher *watcher, uint32_t events);

#endif
