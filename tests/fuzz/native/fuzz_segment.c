/* Anything as one read of the TUN: refused, or segments of the promised sizes, each of which is a
 * packet that parses, however the batches fall. */
#include "segment.h"

#include "fuzz.h"

enum { ROOM = 1 << 16, HEADROOM = 4 };

static const uint8_t TEMPLATE[HEADROOM] = {4, 4, 0, 0};

static void check_batch(const struct segment_plan *plan, uint32_t first, uint32_t count, uint8_t *out, size_t size)
{
    for (uint32_t i = first; i < first + count; i++) {
        struct ipv4_view view;
        uint32_t wanted = i + 1 < plan->count ? segment_size(plan) : (uint32_t)plan->headers_size + plan->last_payload;
        PROMISE(size >= HEADROOM + wanted && memcmp(out, TEMPLATE, HEADROOM) == 0);
        if (plan->gso != VNET_GSO_NONE) {
            PROMISE(ipv4_parse_checked(out + HEADROOM, wanted, &view) == IPV4_FINE);
            PROMISE(view.size == wanted && view.transport == plan->view.transport);
        }
        out += HEADROOM + wanted;
        size -= HEADROOM + wanted;
    }
    PROMISE(size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct segment_plan plan;
    if (size > SEGMENT_READ_SIZE_MAX)
        return 0;
    uint8_t *read = fuzz_copy(data, size);
    enum segment_error error = segment_plan(read, size, &plan);
    PROMISE(error < SEGMENT_ERRORS);
    if (error == SEGMENT_FINE) {
        uint32_t most = segment_batch(&plan, HEADROOM, ROOM);
        size_t stride = HEADROOM + segment_size(&plan);
        PROMISE(most >= 1 || stride > ROOM);
        for (uint32_t first = 0; most && first < plan.count; first += most) {
            uint32_t count = plan.count - first < most ? plan.count - first : most;
            uint8_t *out = malloc(count * stride);
            PROMISE(out);
            size_t written = segment_write(&plan, first, count, TEMPLATE, HEADROOM, out);
            PROMISE(written <= count * stride);
            check_batch(&plan, first, count, out, written);
            free(out);
        }
    }
    free(read);
    return 0;
}
