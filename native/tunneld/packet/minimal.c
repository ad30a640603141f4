#include "minimal.h"

#include "bytes.h"
#include "checksum.h"
#include "fields.h"

enum {
    MINIMAL_SOURCE_PRESENT = 0x80,
    MINIMAL_CHECKSUM_AT = 2,
    MINIMAL_DESTINATION_AT = 4,
    MINIMAL_SOURCE_AT = 8,
};

static void sum_header(uint8_t *at, size_t size, size_t checksum_at)
{
    store_raw16(at + checksum_at, 0);
    store_raw16(at + checksum_at, checksum_finish(checksum_sum(at, size)));
}

void minimal_wrap(uint8_t *at, size_t size, uint32_t entry, uint32_t exit, uint8_t tos)
{
    uint8_t inner[IPV4_HEADER_SIZE_MIN];
    uint8_t *minimal = at + IPV4_HEADER_SIZE_MIN;
    memcpy(inner, at + MINIMAL_HEADER_SIZE_MAX, sizeof inner);

    memcpy(at, inner, sizeof inner); /* version, identification, DF and TTL are the inner one's */
    at[IPV4_TOS_AT] = tos;
    store_be16(at + IPV4_TOTAL_LENGTH_AT, (uint16_t)(size + MINIMAL_HEADER_SIZE_MAX));
    at[IPV4_PROTOCOL_AT] = PROTOCOL_MINIMAL;
    store_be32(at + IPV4_SOURCE_AT, entry);
    store_be32(at + IPV4_DESTINATION_AT, exit);
    sum_header(at, IPV4_HEADER_SIZE_MIN, IPV4_CHECKSUM_AT);

    minimal[0] = inner[IPV4_PROTOCOL_AT];
    minimal[1] = MINIMAL_SOURCE_PRESENT;
    memcpy(minimal + MINIMAL_DESTINATION_AT, inner + IPV4_DESTINATION_AT, 4);
    memcpy(minimal + MINIMAL_SOURCE_AT, inner + IPV4_SOURCE_AT, 4);
    sum_header(minimal, MINIMAL_HEADER_SIZE_MAX, MINIMAL_CHECKSUM_AT);
}

uint8_t *minimal_unwrap(const struct ipv4_view *outer, size_t *size)
{
    uint8_t *minimal = outer->at + outer->header_size;
    size_t left = (size_t)outer->size - outer->header_size;
    uint8_t header[MINIMAL_HEADER_SIZE_MAX];
    if (left < MINIMAL_HEADER_SIZE_MIN)
        return NULL;
    bool has_source = minimal[1] & MINIMAL_SOURCE_PRESENT;
    size_t header_size = has_source ? MINIMAL_HEADER_SIZE_MAX : MINIMAL_HEADER_SIZE_MIN;
    if (left < header_size || minimal[1] & 0x7f || !checksum_right(checksum_sum(minimal, header_size)))
        return NULL;
    memcpy(header, minimal, header_size);

    size_t payload_size = left - header_size;
    uint8_t *inner = minimal + header_size - IPV4_HEADER_SIZE_MIN; /* an outer header is at least as long */
    *size = IPV4_HEADER_SIZE_MIN + payload_size;
    inner[0] = 4 << 4 | IPV4_HEADER_SIZE_MIN / 4;
    inner[IPV4_TOS_AT] = outer->tos;
    store_be16(inner + IPV4_TOTAL_LENGTH_AT, (uint16_t)*size);
    store_be16(inner + IPV4_IDENTIFICATION_AT, outer->identification);
    store_be16(inner + IPV4_FRAGMENT_AT, outer->dont_fragment ? IPV4_DONT_FRAGMENT : 0);
    inner[IPV4_TTL_AT] = outer->ttl;
    inner[IPV4_PROTOCOL_AT] = header[0];
    memcpy(inner + IPV4_DESTINATION_AT, header + MINIMAL_DESTINATION_AT, 4);
    if (has_source)
        memcpy(inner + IPV4_SOURCE_AT, header + MINIMAL_SOURCE_AT, 4);
    else
        store_be32(inner + IPV4_SOURCE_AT, outer->source);
    sum_header(inner, IPV4_HEADER_SIZE_MIN, IPV4_CHECKSUM_AT);
    return inner;
}
