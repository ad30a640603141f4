#include "gre.h"

#include "bytes.h"
#include "checksum.h"

enum {
    CHECKSUM = 0x8000,
    KEY = 0x2000,
    SEQUENCE = 0x1000,
    MUST_BE_ZERO = 0x4f07, /* routing, strict, recursion, version: RFC 2784 2.2 to 2.4 */
    PROTOCOL_IPV4 = 0x0800,
};

enum gre_error gre_parse(const uint8_t *at, size_t size, struct gre_view *view)
{
    if (size < GRE_HEADER_SIZE_MIN)
        return GRE_SHORT;
    uint16_t flags = load_be16(at);
    if (flags & MUST_BE_ZERO)
        return GRE_FLAGS;
    if (load_be16(at + 2) != PROTOCOL_IPV4)
        return GRE_PROTOCOL;
    size_t key_at = GRE_HEADER_SIZE_MIN + (flags & CHECKSUM ? 4u : 0u);
    *view = (struct gre_view){.header_size = key_at + (flags & KEY ? 4u : 0u) + (flags & SEQUENCE ? 4u : 0u),
                              .has_key = (flags & KEY) != 0};
    if (size < view->header_size)
        return GRE_SHORT;
    if (view->has_key)
        view->key = load_be32(at + key_at);
    if (flags & CHECKSUM && !checksum_right(checksum_sum(at, size)))
        return GRE_CHECKSUM;
    return GRE_FINE;
}

size_t gre_write(uint8_t *at, bool has_key, uint32_t key)
{
    store_be16(at, has_key ? KEY : 0);
    store_be16(at + 2, PROTOCOL_IPV4);
    if (!has_key)
        return GRE_HEADER_SIZE_MIN;
    store_be32(at + GRE_HEADER_SIZE_MIN, key);
    return GRE_HEADER_SIZE_MIN + 4;
}
