/* The internet checksum: RFC 1071 (computing), RFC 1624 (updating).
 *
 * A partial sum is the plain sum of 16-bit words as they lie in memory, kept in 64 bits with the
 * end-around carries still to be folded in. The ones' complement sum does not care about byte order
 * (RFC 1071 section 2 (B)): words loaded raw and a result stored raw are right on every machine, so
 * nothing is swapped but a piece that begins at an odd offset of the whole. A finished checksum is
 * "raw" too: store it with store_raw16(), compare it with load_raw16().
 *
 * A partial sum is kept below 2^48 by every function here, so that a few of them may be added. */
#ifndef CAREOF_PACKET_CHECKSUM_H
#define CAREOF_PACKET_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

/* The partial sum of `size` octets (at most 2^20) that begin at an even offset of the whole. */
uint64_t checksum_sum(const uint8_t *data, size_t size);

/* The same, and copies them to `to` in the same pass. The two must not overlap. */
uint64_t checksum_copy(uint8_t *restrict to, const uint8_t *restrict from, size_t size);

/* Sums 16 bits; 0xffff and 0 both stand for zero. */
static inline uint16_t checksum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)(sum + (sum >> 16));
}

static inline uint16_t checksum_finish(uint64_t sum)
{
    return (uint16_t)~checksum_fold(sum);
}

/* A UDP checksum that comes out as zero is sent as all ones: zero says "none" (RFC 768). */
static inline uint16_t checksum_finish_udp(uint64_t sum)
{
    uint16_t check = checksum_finish(sum);
    return check ? check : 0xffff;
}

/* The sum of a piece that begins at an odd offset of the whole. */
static inline uint64_t checksum_odd(uint64_t sum)
{
    uint16_t folded = checksum_fold(sum);
    return (uint16_t)(folded << 8 | folded >> 8);
}

/* TCP and UDP pseudo header (RFC 9293 3.1): addresses from the IPv4 header, protocol, length of the
 * transport header and its data. */
static inline uint64_t checksum_pseudo(const uint8_t *ipv4_header, uint8_t protocol, uint32_t size)
{
    uint8_t words[8] = {0, protocol};
    store_be32(words + 4, size);
    return (uint64_t)load_raw32(ipv4_header + 12) + load_raw32(ipv4_header + 16) + load_raw32(words) +
           load_raw32(words + 4);
}

/* A covered word at an even offset changed from `was` to `is`: HC' = ~(~HC + ~m + m'), RFC 1624
 * equation 3. All three raw. */
static inline uint16_t checksum_update16(uint16_t check, uint16_t was, uint16_t is)
{
    return checksum_finish((uint64_t)(uint16_t)~check + (uint16_t)~was + is);
}

/* The header's own checksum is right (the sum over all of it comes to all ones). */
static inline bool checksum_right(uint64_t sum)
{
    return checksum_fold(sum) == 0xffff;
}

#endif
