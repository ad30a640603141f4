/* Anything as an inner packet, with a packet size: lowered, fragmented and answered about without a
 * step outside, and every answer and fragment is a packet that parses. */
#include "fit.h"

#include "bytes.h"
#include "ecn.h"
#include "fuzz.h"
#include "icmp.h"

static void check_error(const struct ipv4_view *about, size_t size, uint8_t *error)
{
    struct ipv4_view view;
    if (size == 0)
        return;
    PROMISE(size <= ICMP_ERROR_SIZE_MAX && size <= (size_t)about->size + 28);
    PROMISE(ipv4_parse_checked(error, size, &view) == IPV4_FINE);
    PROMISE(view.size == size && view.destination == about->source && view.protocol == PROTOCOL_ICMP);
    uint8_t again[ICMP_ERROR_SIZE_MAX];
    PROMISE(icmp_time_exceeded(&view, 0x0a000001, again) == 0); /* never an error about an error */
}

static void check_fragments(const struct ipv4_view *view, uint16_t packet_size)
{
    struct fragment_plan plan;
    if (fragment_plan(view, packet_size, &plan) != FIT_FINE)
        return;
    uint32_t payload = 0;
    PROMISE(plan.count >= 1);
    for (uint32_t i = 0; i < plan.count; i++) {
        struct ipv4_view fragment;
        uint8_t *out = malloc(packet_size);
        PROMISE(out);
        size_t size = fragment_write(&plan, i, NULL, 0, out);
        PROMISE(size <= packet_size && ipv4_parse_checked(out, size, &fragment) == IPV4_FINE);
        PROMISE(fragment.size == size && fragment.fragment_offset == view->fragment_offset + payload);
        payload += fragment.size - fragment.header_size;
        free(out);
    }
    PROMISE(payload == (uint32_t)view->size - view->header_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ipv4_view view;
    uint8_t error[ICMP_ERROR_SIZE_MAX];
    if (size < 3)
        return 0;
    uint16_t packet_size = load_be16(data);
    uint8_t outer_tos = data[2];
    uint8_t *packet = fuzz_copy(data + 3, size - 3);
    if (ipv4_parse(packet, size - 3, &view) == IPV4_FINE) {
        bool right = ipv4_header_right(&view);
        check_error(&view, icmp_too_big(&view, 0x0a000001, packet_size, error), error);
        check_error(&view, icmp_time_exceeded(&view, 0x0a000001, error), error);
        check_fragments(&view, packet_size);
        if (fit_lower_mss(&view, packet_size))
            PROMISE(!fit_lower_mss(&view, packet_size));
        if (ecn_decapsulate(packet, outer_tos) != ECN_DROP)
            PROMISE(ipv4_header_right(&view) == right);
    }
    free(packet);
    return 0;
}
