/* GRE (RFC 2784) with the key of RFC 2890, in front of an IPv4 packet.
 *
 *     |C|0|K|S| recursion, flags | version |   protocol 0x0800   |
 *     |      checksum (if C)     |         0                     |
 *     |                      key (if K)                          |
 *     |                sequence number (if S)                    |
 *
 * Sent: no checksum (the inner packet has its own), no sequence numbers, a key if the tunnel has one. */
#ifndef CAREOF_PACKET_GRE_H
#define CAREOF_PACKET_GRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROTOCOL_GRE = 47, GRE_HEADER_SIZE_MIN = 4, GRE_HEADER_SIZE_SENT_MAX = 8 };

enum gre_error {
    GRE_FINE = 0,
    GRE_SHORT,    /* cut off within what its flags say is there */
    GRE_FLAGS,    /* routing, recursion or a version that RFC 2784 2.3 says to discard */
    GRE_PROTOCOL, /* no IPv4 inside */
    GRE_CHECKSUM,
};

struct gre_view {
    size_t header_size;
    uint32_t key;
    bool has_key;
};

/* Checks a header and what it covers (`size` octets, the header's among them). */
enum gre_error gre_parse(const uint8_t *at, size_t size, struct gre_view *view);

/* Writes a header; returns its size. */
size_t gre_write(uint8_t *at, bool has_key, uint32_t key);

#endif
