/* Anything as a GRE header, or as a packet of minimal encapsulation; and what we wrap is unwrapped again. */
#include "bytes.h"
#include "fields.h"
#include "fuzz.h"
#include "gre.h"
#include "ipv4.h"
#include "minimal.h"

static void there_and_back(const uint8_t *data, size_t size)
{
    struct ipv4_view view, outer;
    uint8_t *room = malloc(size + MINIMAL_HEADER_SIZE_MAX);
    PROMISE(room);
    memcpy(room + MINIMAL_HEADER_SIZE_MAX, data, size);
    if (ipv4_parse_checked(room + MINIMAL_HEADER_SIZE_MAX, size, &view) == IPV4_FINE && minimal_can_carry(&view) &&
        view.size + MINIMAL_HEADER_SIZE_MAX <= IPV4_SIZE_MAX) {
        size_t back_size = 0;
        uint16_t inner_size = view.size;
        minimal_wrap(room, inner_size, 1, 2, view.tos);
        PROMISE(ipv4_parse_checked(room, size + MINIMAL_HEADER_SIZE_MAX, &outer) == IPV4_FINE);
        uint8_t *back = minimal_unwrap(&outer, &back_size);
        PROMISE(back && back_size == inner_size);
        PROMISE(memcmp(back + IPV4_TTL_AT, data + IPV4_TTL_AT, 2) == 0);
        PROMISE(memcmp(back + IPV4_SOURCE_AT, data + IPV4_SOURCE_AT, inner_size - IPV4_SOURCE_AT) == 0);
    }
    free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gre_view gre;
    struct ipv4_view outer;
    uint8_t *packet = fuzz_copy(data, size);
    if (gre_parse(packet, size, &gre) == GRE_FINE)
        PROMISE(gre.header_size >= GRE_HEADER_SIZE_MIN && gre.header_size <= size);
    there_and_back(packet, size);
    if (ipv4_parse(packet, size, &outer) == IPV4_FINE) {
        size_t inner_size = 0;
        uint8_t *inner = minimal_unwrap(&outer, &inner_size);
        PROMISE(!inner || (inner >= packet && inner + inner_size <= packet + size));
    }
    free(packet);
    return 0;
}
