/* ICMP errors that come back about packets of ours (RFC 792, RFC 1812 4.3.2.3): what is wrong, and with which one.
 *
 *     | IPv4 | type, code, checksum, ... | header of the packet that it is about | eight or more of its octets |
 *
 * Whoever is on the way there, or says so, may have made it: a hint, to be compared with what was sent. */
#ifndef CAREOF_PACKET_QUOTE_H
#define CAREOF_PACKET_QUOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipv4.h"

enum { QUOTE_PAYLOAD_MIN = 8 }; /* octets behind the quoted header, which every host and router quotes (RFC 792) */

enum quote_error {
    QUOTE_FINE = 0,
    QUOTE_SHORT,     /* cut off before eight octets of the payload */
    QUOTE_MALFORMED, /* no whole ICMP message, or no first fragment of an IPv4 packet in it */
    QUOTE_CHECKSUM,
    QUOTE_TYPE,      /* no error of these: unreachable, time exceeded, parameter problem */
};

/* Of the packet that it is about. Addresses in host order. */
struct quote_view {
    uint32_t source, destination;
    uint8_t *payload; /* as far as it was quoted: at least eight octets */
    uint16_t payload_size;
    uint8_t type, code, protocol;
};

/* packet: the whole error, as it came. */
enum quote_error quote_parse(const struct ipv4_view *packet, struct quote_view *quote);

/* An inner packet as far as it was quoted; its `size` is what is there. False: less than its header and eight octets,
 * or no packet that an error could be about. */
bool quote_inner(uint8_t *at, size_t size, struct ipv4_view *inner);

#endif
