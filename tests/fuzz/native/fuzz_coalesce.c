/* Anything as a run of packets (each behind a length of two octets): every octet that goes in comes out
 * once, and each super-packet is one that segment_plan() takes apart into as many packets again, if the
 * kernel did not make it. */
#include "coalesce.h"

#include "bytes.h"
#include "fuzz.h"
#include "segment.h"

static uint32_t write_item(struct coalesce_run *run, uint32_t index, uint8_t *out)
{
    struct iovec iov[COALESCE_IOVEC_MAX];
    int pieces = coalesce_item(run, index, iov);
    uint32_t size = 0;
    PROMISE(pieces >= 2 && pieces <= COALESCE_IOVEC_MAX);
    for (int i = 0; i < pieces; i++) {
        PROMISE(size + iov[i].iov_len <= SEGMENT_READ_SIZE_MAX);
        memcpy(out + size, iov[i].iov_base, iov[i].iov_len);
        size += (uint32_t)iov[i].iov_len;
    }
    PROMISE(size == VNET_HEADER_SIZE + coalesce_item_size(run, index));
    return size;
}

static void write_all(struct coalesce_run *run, uint32_t wanted)
{
    static uint8_t out[SEGMENT_READ_SIZE_MAX];
    uint32_t packets = 0;
    for (uint32_t i = 0; i < run->item_count; i++) {
        struct segment_plan plan;
        uint32_t size = write_item(run, i, out);
        PROMISE(segment_plan(out, size, &plan) == SEGMENT_FINE);
        PROMISE(run->items[i].merged ? plan.segment_payload > 0 : plan.count == run->items[i].count);
        PROMISE(plan.count == 1 || plan.segment_payload == run->items[i].segment_payload);
        packets += run->items[i].count;
    }
    PROMISE(packets == wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct coalesce_run run;
    uint32_t added = 0;
    if (size < 1)
        return 0;
    uint8_t *copy = fuzz_copy(data, size);
    coalesce_begin(&run, copy[0] & 1, (uint16_t)(copy[0] >> 1));
    for (size_t at = 1; at + 2 <= size;) {
        struct ipv4_view view;
        size_t length = load_be16(copy + at);
        at += 2;
        if (length > size - at)
            length = size - at;
        if (ipv4_parse(copy + at, length, &view) == IPV4_FINE) {
            if (!coalesce_add(&run, &view))
                break;
            added++;
        }
        at += length;
    }
    write_all(&run, added);
    free(copy);
    return 0;
}
