/* Outbound: what one read of the TUN gave -> complete inner packets, each behind its tunnel header.
 *
 *   read:   | vnet | IP | TCP |  payload, up to 64 KB                       |
 *   out:    | head | IP | TCP | part | head | IP | TCP | part | head | IP | TCP | rest |
 *             ^ headroom octets, copied from the tunnel's template
 *
 * All of `out` but its last packet have the same size: one sendmsg() with UDP_SEGMENT (stride) sends
 * it. A packet without segmentation offload is the case of one segment. Payload is copied and
 * summed in one pass; headers, sums and identifications are completed as the kernel's own
 * segmentation does it (RFC 9293, RFC 768; FIN and PSH on the last, CWR on the first).
 *
 * Two steps: segment_plan() trusts nothing in the read (not hdr_len, csum_start, gso_size nor any
 * length in the packet) and judges all of it; segment_write() then cannot fail. Between the two the
 * pipeline routes by plan.view and compares segment_size() with the path's packet size. A plan may
 * be written in several batches and for several paths; it points into the read. */
#ifndef CAREOF_PACKET_SEGMENT_H
#define CAREOF_PACKET_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "ipv4.h"
#include "vnet.h"

enum {
    SEGMENT_READ_SIZE_MAX = VNET_HEADER_SIZE + IPV4_SIZE_MAX,
    SEGMENT_BATCH_MAX = 64,         /* UDP_MAX_SEGMENTS of kernels before 6.9 */
    SEGMENT_SEND_SIZE_MAX = 65507,  /* one sendmsg() on a UDP socket: 65,535 - 20 - 8 */
};

enum segment_error {
    SEGMENT_FINE = 0,
    SEGMENT_SHORT,       /* no room for vnet and IP headers */
    SEGMENT_NOT_IPV4,    /* another version */
    SEGMENT_MALFORMED,   /* ipv4_parse() refused it */
    SEGMENT_GSO_KIND,    /* a kind of offload that was not asked for */
    SEGMENT_GSO_HEADER,  /* the packet is not of the kind that the vnet header says, or a fragment */
    SEGMENT_GSO_SIZE,    /* segments of no octets */
    SEGMENT_CHECKSUM,    /* the place to put a checksum is not within the packet */
    SEGMENT_ERRORS,
};

struct segment_plan {
    struct ipv4_view view;     /* of the whole read; `size` is the super-packet's */
    uint32_t payload_size;     /* behind the headers that each segment repeats */
    uint16_t headers_size;     /* those; 0 for a lone packet, which is payload as a whole */
    uint16_t segment_payload;  /* of each segment but the last */
    uint16_t last_payload;
    uint16_t count;            /* at least 1; up to 65,495 for tiny segments: write in batches */
    uint16_t checksum_start;   /* of a lone packet: the sum from here on ... */
    uint16_t checksum_at;      /* ... completes the field here; 0: none to complete */
    enum vnet_gso gso;
};

enum segment_error segment_plan(uint8_t *read, size_t size, struct segment_plan *plan);
const char *segment_error_name(enum segment_error error);

/* The size of each inner packet but perhaps the last: what must fit the path's packet size. */
static inline uint32_t segment_size(const struct segment_plan *plan)
{
    return (uint32_t)plan->headers_size + plan->segment_payload;
}

/* How many segments, with that headroom, one sendmsg() and `room` octets of output take; at least
 * 1 when a single one fits, else 0. */
uint32_t segment_batch(const struct segment_plan *plan, size_t headroom, size_t room);

/* Writes segments first .. first+count-1 and returns the octets written: (count - 1) strides of
 * headroom + segment_size() and the last one. `out` must have room for count strides, and not
 * overlap the read. */
size_t segment_write(const struct segment_plan *plan, uint32_t first, uint32_t count, const uint8_t *header,
                     size_t headroom, uint8_t *out);

#endif
