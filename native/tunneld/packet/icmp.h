/* ICMP errors that tunneld answers with: "fragmentation needed" with the next hop's packet size (RFC 792,
 * RFC 1191 section 4), "time exceeded", and "unreachable" where the way out says so.
 *
 * None is sent about an ICMP error, a fragment other than the first, to or from broadcast, multicast or
 * no single host (RFC 1122 3.2.2, RFC 1812 4.3.2.7). Each quotes as much of the packet as 576 octets
 * hold (RFC 1812 4.3.2.3), so of a super-packet that is too big, write the first segment aside and
 * answer about that. Limiting their rate is the pipeline's. */
#ifndef CAREOF_PACKET_ICMP_H
#define CAREOF_PACKET_ICMP_H

#include <stddef.h>
#include <stdint.h>

#include "ipv4.h"

enum { ICMP_ERROR_SIZE_MAX = 576 };

enum {
    ICMP_ECHO_REPLY = 0,
    ICMP_UNREACHABLE = 3,
    ICMP_SOURCE_QUENCH = 4,
    ICMP_REDIRECT = 5,
    ICMP_TIME_EXCEEDED = 11,
    ICMP_PARAMETER_PROBLEM = 12,

    ICMP_NETWORK_UNREACHABLE = 0, /* codes of ICMP_UNREACHABLE (RFC 792, RFC 1122 3.2.2.1) */
    ICMP_HOST_UNREACHABLE = 1,
    ICMP_PORT_UNREACHABLE = 3,
    ICMP_FRAGMENTATION_NEEDED = 4,
    ICMP_SOURCE_ROUTE_FAILED = 5,
    ICMP_NETWORK_UNKNOWN = 6,
    ICMP_NETWORK_UNREACHABLE_FOR_TOS = 11,
    ICMP_TTL_IN_TRANSIT = 0,       /* a code of ICMP_TIME_EXCEEDED */
};

/* From `source` (an address of ours, host order) into `out` of ICMP_ERROR_SIZE_MAX octets. Returns the size of the
 * whole IPv4 packet, or 0 where none may be sent. */
size_t icmp_too_big(const struct ipv4_view *view, uint32_t source, uint16_t packet_size, uint8_t *out);
size_t icmp_time_exceeded(const struct ipv4_view *view, uint32_t source, uint8_t *out);
size_t icmp_unreachable(const struct ipv4_view *view, uint32_t source, uint8_t code, uint8_t *out);

#endif
