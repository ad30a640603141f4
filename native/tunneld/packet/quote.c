#include "quote.h"

#include "bytes.h"
#include "checksum.h"
#include "fields.h"
#include "icmp.h"

enum { RFC_4884_LENGTH_AT = 5 }; /* where what follows the quote has a place of its own: the quote's 32-bit words */

/* A header of which all may be read, and eight octets behind it; 0: it is none. */
static size_t quoted_header(const uint8_t *at, size_t size)
{
    if (size < IPV4_HEADER_SIZE_MIN || at[0] >> 4 != 4)
        return 0;
    size_t header_size = (at[0] & 15u) * 4u;
    bool later = load_be16(at + IPV4_FRAGMENT_AT) & IPV4_OFFSET_MASK;
    if (header_size < IPV4_HEADER_SIZE_MIN || later || size < header_size + QUOTE_PAYLOAD_MIN)
        return 0;
    return header_size;
}

enum quote_error quote_parse(const struct ipv4_view *packet, struct quote_view *quote)
{
    if (packet->protocol != PROTOCOL_ICMP || packet->transport != TRANSPORT_ICMP || ipv4_is_fragment(packet))
        return QUOTE_MALFORMED;
    const uint8_t *icmp = packet->at + packet->header_size;
    size_t size = (size_t)packet->size - packet->header_size;
    uint8_t type = icmp[ICMP_TYPE_AT];
    if (type != ICMP_UNREACHABLE && type != ICMP_TIME_EXCEEDED && type != ICMP_PARAMETER_PROBLEM)
        return QUOTE_TYPE;
    if (!checksum_right(checksum_sum(icmp, size)))
        return QUOTE_CHECKSUM;
    uint8_t *at = packet->at + packet->header_size + ICMP_HEADER_SIZE;
    size -= ICMP_HEADER_SIZE;
    size_t told = icmp[RFC_4884_LENGTH_AT] * 4u;
    if (told && told < size)
        size = told;
    if (size < IPV4_HEADER_SIZE_MIN + QUOTE_PAYLOAD_MIN)
        return QUOTE_SHORT;
    size_t header_size = quoted_header(at, size);
    if (!header_size)
        return QUOTE_MALFORMED;
    *quote = (struct quote_view){
        .source = load_be32(at + IPV4_SOURCE_AT),
        .destination = load_be32(at + IPV4_DESTINATION_AT),
        .payload = at + header_size,
        .payload_size = (uint16_t)(size - header_size),
        .type = type,
        .code = icmp[ICMP_CODE_AT],
        .protocol = at[IPV4_PROTOCOL_AT],
    };
    return QUOTE_FINE;
}

bool quote_inner(uint8_t *at, size_t size, struct ipv4_view *inner)
{
    size_t header_size = quoted_header(at, size);
    if (!header_size)
        return false;
    size_t whole = load_be16(at + IPV4_TOTAL_LENGTH_AT);
    if (whole < header_size + QUOTE_PAYLOAD_MIN)
        return false;
    *inner = (struct ipv4_view){
        .at = at,
        .source = load_be32(at + IPV4_SOURCE_AT),
        .destination = load_be32(at + IPV4_DESTINATION_AT),
        .size = (uint16_t)(size < whole ? size : whole),
        .header_size = (uint8_t)header_size,
        .protocol = at[IPV4_PROTOCOL_AT],
        .transport = at[IPV4_PROTOCOL_AT] == PROTOCOL_ICMP ? TRANSPORT_ICMP : TRANSPORT_NONE,
    };
    return true;
}
