/* An inner IPv4 packet (RFC 791), checked once; everything after it reads without asking.
 *
 * ipv4_parse() is the only door: what it accepted has a header and a total length that lie within
 * the octets given, so `at[0 .. size-1]` may be read. Transport headers are only promised where
 * `transport` says so. What follows the total length is padding and is not looked at. */
#ifndef CAREOF_PACKET_IPV4_H
#define CAREOF_PACKET_IPV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    IPV4_HEADER_SIZE_MIN = 20,
    IPV4_HEADER_SIZE_MAX = 60,
    IPV4_SIZE_MAX = 65535,
    TCP_HEADER_SIZE_MIN = 20,
    TCP_HEADER_SIZE_MAX = 60,
    UDP_HEADER_SIZE = 8,
    ICMP_HEADER_SIZE = 8,
};

enum {
    PROTOCOL_ICMP = 1,
    PROTOCOL_IPIP = 4,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
};

enum ipv4_error {
    IPV4_FINE = 0,
    IPV4_SHORT,        /* fewer octets than a header */
    IPV4_NOT_4,        /* another version */
    IPV4_HEADER_SIZE,  /* a header length below 20, or beyond the octets given */
    IPV4_TOTAL_LENGTH, /* a total length below the header's, or beyond the octets given */
    IPV4_CHECKSUM,     /* the header's checksum is wrong */
    IPV4_FRAGMENT,     /* a fragment that would end beyond 65,535 octets */
    IPV4_ERRORS,
};

/* How much of the transport header is there and sound in itself. */
enum ipv4_transport {
    TRANSPORT_NONE = 0, /* a later fragment, another protocol, or cut short: ports are zero */
    TRANSPORT_PORTS,    /* TCP or UDP whose ports are there, but the header is not whole or not sound */
    TRANSPORT_TCP,      /* data offset within the packet */
    TRANSPORT_UDP,      /* length field within the packet (equal to it unless fragmented) */
    TRANSPORT_ICMP,     /* eight octets are there */
};

struct ipv4_view {
    uint8_t *at;                    /* the packet; the parser itself never writes */
    uint32_t source, destination;   /* host order */
    uint16_t size;                  /* total length */
    uint16_t identification;
    uint16_t fragment_offset;       /* octets */
    uint16_t source_port, destination_port;
    uint8_t header_size;
    uint8_t transport_header_size;  /* TCP with options, UDP or ICMP 8, else 0 */
    uint8_t tos, ttl, protocol;
    bool dont_fragment, more_fragments;
    enum ipv4_transport transport;
};

/* Checks all but the header's checksum (what comes from the TUN was made or checked by the kernel). */
enum ipv4_error ipv4_parse(uint8_t *packet, size_t size, struct ipv4_view *view);

/* And that too (what comes from a tunnel; RFC 1812 5.2.2). */
enum ipv4_error ipv4_parse_checked(uint8_t *packet, size_t size, struct ipv4_view *view);

bool ipv4_header_right(const struct ipv4_view *view);

/* "in_malformed: checksum": what a log line and a counter's label say. */
const char *ipv4_error_name(enum ipv4_error error);

static inline bool ipv4_is_fragment(const struct ipv4_view *view)
{
    return view->more_fragments || view->fragment_offset != 0;
}

static inline bool ipv4_is_multicast(uint32_t address)
{
    return address >> 28 == 0xe;
}

/* RFC 2003 section 3.2: a packet from the tunnel's exit, or one that we have encapsulated already (from
 * entry to exit), would loop. `entry` and `exit` are the outer source and destination, host order.
 * The RFC's other rule, no packet from an address of our own, is for what is forwarded: a router
 * whose home address is its own, and a home agent that answers a probe, do send such packets. */
static inline bool ipv4_would_loop(const struct ipv4_view *view, uint32_t entry, uint32_t exit)
{
    return view->source == exit || (view->source == entry && view->destination == exit);
}

#endif
