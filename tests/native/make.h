/* Packets for tests, built octet by octet and summed the slow way of RFC 1071's text, so that nothing
 * here is right or wrong together with the code under test. */
#ifndef CAREOF_TEST_MAKE_H
#define CAREOF_TEST_MAKE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct make {
    uint32_t source, destination;
    uint16_t source_port, destination_port;
    uint16_t identification;
    uint16_t fragment; /* flags and offset as in the header */
    uint16_t window;
    uint8_t tos, ttl, flags;
    uint32_t sequence, acknowledgement;
    const uint8_t *ip_options, *options;
    uint8_t ip_options_size, options_size;
    const uint8_t *payload;
    uint32_t payload_size;
};

static const struct make MAKE_DEFAULT = {
    .source = 0x0a4d0105,
    .destination = 0xc0000207,
    .source_port = 40000,
    .destination_port = 443,
    .identification = 0x1234,
    .fragment = 0x4000,
    .window = 501,
    .ttl = 63,
    .flags = 0x10,
    .sequence = 0xfffff000,
    .acknowledgement = 0x01020304,
};

static inline void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

static inline uint32_t get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static inline uint32_t get32(const uint8_t *at)
{
    return get16(at) << 16 | get16(at + 2);
}

static inline uint32_t slow_sum(uint32_t sum, const uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size; at++) {
        sum += at % 2 ? data[at] : (uint32_t)data[at] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static inline uint32_t slow_pseudo(const uint8_t *ipv4, uint8_t protocol, uint32_t size)
{
    uint8_t rest[4] = {0, protocol, (uint8_t)(size >> 8), (uint8_t)size};
    return slow_sum(slow_sum(0, ipv4 + 12, 8), rest, 4);
}

static inline uint32_t make_ipv4(uint8_t *out, const struct make *m, uint8_t protocol, uint32_t payload_size)
{
    uint32_t header = 20u + m->ip_options_size;
    memset(out, 0, 20);
    out[0] = (uint8_t)(0x40 | header / 4);
    out[1] = m->tos;
    put16(out + 2, header + payload_size);
    put16(out + 4, m->identification);
    put16(out + 6, m->fragment);
    out[8] = m->ttl;
    out[9] = protocol;
    put32(out + 12, m->source);
    put32(out + 16, m->destination);
    if (m->ip_options_size)
        memcpy(out + 20, m->ip_options, m->ip_options_size);
    put16(out + 10, ~slow_sum(0, out, header));
    return header;
}

static inline uint32_t make_tcp(uint8_t *out, const struct make *m)
{
    uint32_t header = 20u + m->options_size, size = header + m->payload_size;
    uint8_t *tcp = out + make_ipv4(out, m, 6, size);
    memset(tcp, 0, 20);
    put16(tcp, m->source_port);
    put16(tcp + 2, m->destination_port);
    put32(tcp + 4, m->sequence);
    put32(tcp + 8, m->acknowledgement);
    tcp[12] = (uint8_t)(header / 4 << 4);
    tcp[13] = m->flags;
    put16(tcp + 14, m->window);
    if (m->options_size)
        memcpy(tcp + 20, m->options, m->options_size);
    if (m->payload_size)
        memcpy(tcp + header, m->payload, m->payload_size);
    put16(tcp + 16, ~slow_sum(slow_pseudo(out, 6, size), tcp, size));
    return (uint32_t)(tcp - out) + size;
}

static inline uint32_t make_udp(uint8_t *out, const struct make *m)
{
    uint32_t size = 8 + m->payload_size;
    uint8_t *udp = out + make_ipv4(out, m, 17, size);
    put16(udp, m->source_port);
    put16(udp + 2, m->destination_port);
    put16(udp + 4, size);
    put16(udp + 6, 0);
    if (m->payload_size)
        memcpy(udp + 8, m->payload, m->payload_size);
    uint32_t check = ~slow_sum(slow_pseudo(out, 17, size), udp, size) & 0xffff;
    put16(udp + 6, check ? check : 0xffff);
    return (uint32_t)(udp - out) + size;
}

/* type and code, checksum, then the payload (identifier and sequence first). */
static inline uint32_t make_icmp(uint8_t *out, const struct make *m, uint8_t type, uint8_t code)
{
    uint32_t size = 4 + m->payload_size;
    uint8_t *icmp = out + make_ipv4(out, m, 1, size);
    icmp[0] = type;
    icmp[1] = code;
    put16(icmp + 2, 0);
    if (m->payload_size)
        memcpy(icmp + 4, m->payload, m->payload_size);
    put16(icmp + 2, ~slow_sum(0, icmp, size));
    return (uint32_t)(icmp - out) + size;
}

/* All checksums of a whole packet are right. */
static inline int sound(const uint8_t *packet)
{
    uint32_t header = (packet[0] & 0xfu) * 4, size = get16(packet + 2) - header;
    uint32_t sum = packet[9] == 1 ? 0 : slow_pseudo(packet, packet[9], size);
    return slow_sum(0, packet, header) == 0xffff && slow_sum(sum, packet + header, size) == 0xffff;
}

#endif
