/* Minimal encapsulation (RFC 2004): the inner header's place is taken by the outer one, and what that changed stands in
 * a short header behind it.
 *
 *     | IP: protocol 55, from entry to exit | protocol | S | checksum | destination | source (if S) | payload
 *
 * What the two have in common (identification, DF, TTL, TOS) is said once, in the outer header; so this is no
 * encapsulation for fragments, nor for packets with options (both go as IP in IP by the same tunnel, which every
 * implementation takes), nor in UDP, whose outer header is not ours to write. */
#ifndef CAREOF_PACKET_MINIMAL_H
#define CAREOF_PACKET_MINIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipv4.h"

enum {
    PROTOCOL_MINIMAL = 55,
    MINIMAL_HEADER_SIZE_MAX = 12,
    MINIMAL_HEADER_SIZE_MIN = 8, /* without a source: the sender of the outer packet is that of the inner one */
};

/* May it travel so? */
static inline bool minimal_can_carry(const struct ipv4_view *view)
{
    return view->header_size == IPV4_HEADER_SIZE_MIN && !ipv4_is_fragment(view);
}

/* `at` has MINIMAL_HEADER_SIZE_MAX octets of room and behind them an inner packet of `size` octets that can be
 * carried: becomes the whole outer packet, with its header's checksum. entry, exit: host order. tos: of the outer
 * header. */
void minimal_wrap(uint8_t *at, size_t size, uint32_t entry, uint32_t exit, uint8_t tos);

/* The inner packet in an outer one, rebuilt in place: its first octet, or NULL for a header that is cut off, has a
 * wrong checksum or a flag that is not known. Its own header's checksum is made right. */
uint8_t *minimal_unwrap(const struct ipv4_view *outer, size_t *size);

#endif
