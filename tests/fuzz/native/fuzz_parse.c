/* Anything as an inner packet: what the view promises can be read; probes, duplicates and quotes cope. */
#include "ipv4.h"

#include "bytes.h"
#include "duplicate.h"
#include "fuzz.h"
#include "icmp.h"
#include "probe.h"
#include "quote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct duplicate_table table;
    static uint64_t now_ms;
    static uint8_t touched, answer[ICMP_ERROR_SIZE_MAX];
    struct ipv4_view view;
    struct probe_reply reply;
    uint8_t *packet = fuzz_copy(data, size);
    enum ipv4_error error = ipv4_parse_checked(packet, size, &view);
    PROMISE(error < IPV4_ERRORS);
    if (error == IPV4_FINE) {
        PROMISE(view.size <= size && view.header_size >= IPV4_HEADER_SIZE_MIN && view.header_size <= view.size);
        PROMISE(view.header_size + view.transport_header_size <= view.size);
        PROMISE(view.fragment_offset + view.size <= IPV4_SIZE_MAX);
        for (uint32_t at = 0; at < view.size; at++)
            touched = (uint8_t)(touched ^ view.at[at]);
        if (probe_read(&view, &reply))
            PROMISE(probe_matches(&view, reply.destination, reply.identifier));
        struct quote_view quote;
        if (quote_parse(&view, &quote) == QUOTE_FINE) {
            struct ipv4_view inner;
            PROMISE(quote.payload_size >= QUOTE_PAYLOAD_MIN);
            PROMISE(quote.payload + quote.payload_size <= view.at + view.size);
            if (quote_inner(quote.payload, quote.payload_size, &inner)) {
                PROMISE(inner.size <= quote.payload_size && inner.header_size + QUOTE_PAYLOAD_MIN <= inner.size);
                PROMISE(icmp_unreachable(&inner, inner.destination, 1, answer) <= sizeof answer);
            }
        }
        now_ms += DUPLICATE_WINDOW_MS + 1;
        PROMISE(!duplicate_seen(&table, &view, 1, now_ms));
        PROMISE(duplicate_seen(&table, &view, 2, now_ms));
        PROMISE(!duplicate_seen(&table, &view, 2, now_ms));
    }
    free(packet);
    return 0;
}
