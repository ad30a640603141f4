/* Inbound: a run of decapsulated packets -> as few writes to the TUN as keep their meaning.
 *
 * Rules of the kernel's own receive offload (net/ipv4/tcp_offload.c, udp_offload.c):
 *   - only whole packets with a bare IPv4 header and right checksums of IP and transport; anything
 *     else goes alone and unchanged, so that the receiver still sees what is wrong with it;
 *   - same addresses, ports, TOS, TTL, DF; identification rising by one, or any constant with DF;
 *   - TCP: next in sequence, not empty, no longer than the first; flags (but FIN and PSH, which end the
 *     super-packet), acknowledgement, window and options equal; CWR only begins one;
 *   - UDP (if the TUN knows USO): a checksum, lengths equal but for a shorter last one;
 *   - a flow's packets never overtake one another; different flows may.
 *
 * That offload may have been at work before: an uplink whose driver has it (GRO) looks into IP-in-IP too,
 * and a raw socket then reads one packet of many segments, without a word of their size, and with only
 * the pseudo header's sum in place of TCP's checksum. It is written as what it is, to be cut to segments
 * that fit the packet size.
 *
 * Nothing is copied: the first packet's headers are rewritten where they lie and a super-packet is
 * a list of pieces of the receive buffer, which must stay until it is written.
 *
 *   coalesce_begin(run, uso, packet_size);
 *   for each packet: if (!coalesce_add(run, &view)) { write all; coalesce_begin(...); add again }
 *   for (i = 0; i < run->item_count; i++) writev(tun, iov, coalesce_item(run, i, iov));
 */
#ifndef CAREOF_PACKET_COALESCE_H
#define CAREOF_PACKET_COALESCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "ipv4.h"
#include "vnet.h"

enum {
    COALESCE_RUN_MAX = 256,                  /* packets: four full UDP_GRO buffers */
    COALESCE_OPEN_MAX = 8,                   /* flows that may interleave, as the kernel's buckets */
    COALESCE_PIECES_MAX = 64,                /* packets in one super-packet (UDP_MAX_SEGMENTS) */
    COALESCE_IOVEC_MAX = 1 + COALESCE_PIECES_MAX,
};

struct coalesce_packet {
    uint8_t *at;             /* the packet if first of its item, else its payload */
    uint16_t size;
    uint16_t next;           /* index + 1 in the item; 0: the last */
};

struct coalesce_item {
    struct vnet_header vnet; /* filled by coalesce_item() */
    uint16_t first, last;    /* of its packets */
    uint16_t count;
    uint16_t headers_size;
    uint16_t segment_payload;
    uint16_t identification; /* of the packet added last */
    bool identification_fixed;
    bool merged;             /* the kernel did, before we read it */
    uint8_t protocol;
    uint32_t payload_size;
    uint32_t sequence_next;
};

struct coalesce_run {
    bool uso;
    uint16_t packet_size;
    uint16_t packet_count, item_count, open_count;
    uint16_t open[COALESCE_OPEN_MAX];        /* items that may still grow, latest used first */
    struct coalesce_packet packets[COALESCE_RUN_MAX];
    struct coalesce_item items[COALESCE_RUN_MAX];
};

/* `packet_size`: of the TUN, 0 before it is known. */
void coalesce_begin(struct coalesce_run *run, bool uso, uint16_t packet_size);

/* False when the run is full: nothing was taken. The view is of ipv4_parse(). */
bool coalesce_add(struct coalesce_run *run, const struct ipv4_view *view);

/* Fills `iov` (COALESCE_IOVEC_MAX of them) for one writev() and returns how many are used. Items are in
 * the order of their first packet. */
int coalesce_item(struct coalesce_run *run, uint32_t index, struct iovec *iov);

/* Octets of that item without the vnet header. */
uint32_t coalesce_item_size(const struct coalesce_run *run, uint32_t index);

#endif
