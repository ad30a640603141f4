/* Fitting inner packets to a path's packet size (DESIGN 7.3): a smaller MSS in passing, an answer to DF
 * (icmp.h), the rest fragmented inside.
 *
 * All work on finished packets (segment_write() completed their checksums): a packet with an
 * incomplete checksum must not have it "updated". */
#ifndef CAREOF_PACKET_FIT_H
#define CAREOF_PACKET_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipv4.h"

enum { FIT_PACKET_SIZE_MIN = 68 }; /* RFC 791: every module forwards 68 octets whole */

/* A TCP SYN that offers a larger segment than packet_size takes (less 40, RFC 6691) is changed in place
 * to offer that. True if it was changed. A SYN without the option is left (536, RFC 9293 3.7.1). */
bool fit_lower_mss(const struct ipv4_view *view, uint16_t packet_size);

/* Fragmentation of a packet without DF, or of a fragment (RFC 791 section 3.2). Later fragments repeat
 * only the options whose copied flag is set. Without options all fragments but the last have the same
 * size. */
struct fragment_plan {
    const struct ipv4_view *view;
    uint16_t count;
    uint16_t first_payload, next_payload; /* multiples of 8 */
    uint8_t next_header_size;
    uint8_t next_header[IPV4_HEADER_SIZE_MAX];
};

enum fit_error {
    FIT_FINE = 0,
    FIT_DONT_FRAGMENT, /* DF: answer with icmp_too_big() */
    FIT_PACKET_SIZE,   /* packet_size below FIT_PACKET_SIZE_MIN */
    FIT_OPTIONS,       /* options that lie about their length */
    FIT_ERRORS,
};

enum fit_error fragment_plan(const struct ipv4_view *view, uint16_t packet_size, struct fragment_plan *plan);
const char *fit_error_name(enum fit_error error);

/* Writes the tunnel header and fragment `index`; returns the octets written, headroom included. */
size_t fragment_write(const struct fragment_plan *plan, uint32_t index, const uint8_t *header, size_t headroom,
                      uint8_t *out);

#endif
