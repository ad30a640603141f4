#include "fit.h"

#include <string.h>

#include "bytes.h"
#include "checksum.h"
#include "fields.h"

enum { BARE_HEADERS_SIZE = IPV4_HEADER_SIZE_MIN + TCP_HEADER_SIZE_MIN };

/* The option at `at` of options that end at `end`: its length, or 0 when it lies about it. */
static uint32_t option_size(const uint8_t *at, const uint8_t *end)
{
    if (*at == OPTION_END || *at == OPTION_NOTHING)
        return 1;
    if (end - at < 2 || at[1] < 2 || at[1] > end - at)
        return 0;
    return at[1];
}

static uint16_t swap16(uint16_t value)
{
    return (uint16_t)(value << 8 | value >> 8);
}

/* At an odd offset the value lies across two words of the sum, which sees its octets swapped. */
static void rewrite_mss(uint8_t *tcp, uint8_t *value, uint16_t mss)
{
    uint16_t was = load_raw16(value);
    store_be16(value, mss);
    uint16_t is = load_raw16(value);
    if ((value - tcp) % 2 != 0) {
        was = swap16(was);
        is = swap16(is);
    }
    store_raw16(tcp + TCP_CHECKSUM_AT, checksum_update16(load_raw16(tcp + TCP_CHECKSUM_AT), was, is));
}

bool fit_lower_mss(const struct ipv4_view *view, uint16_t packet_size)
{
    uint8_t *tcp = view->at + view->header_size;
    if (view->transport != TRANSPORT_TCP || !(tcp[TCP_FLAGS_AT] & TCP_SYN) || packet_size < FIT_PACKET_SIZE_MIN)
        return false;
    uint16_t mss = (uint16_t)(packet_size - BARE_HEADERS_SIZE);
    bool lowered = false;
    uint8_t *end = tcp + view->transport_header_size;
    for (uint8_t *at = tcp + TCP_HEADER_SIZE_MIN; at < end && *at != OPTION_END;) {
        uint32_t size = option_size(at, end);
        if (size == 0)
            break;
        if (*at == TCP_OPTION_MSS && size == TCP_OPTION_MSS_SIZE && load_be16(at + 2) > mss) {
            rewrite_mss(tcp, at + 2, mss);
            lowered = true;
        }
        at += size;
    }
    return lowered;
}

/* The header of every fragment but the first (RFC 791 section 3.1, copied flag). False: options that lie. */
static bool make_next_header(const struct ipv4_view *view, struct fragment_plan *plan)
{
    const uint8_t *end = view->at + view->header_size;
    uint32_t size = IPV4_HEADER_SIZE_MIN;
    memset(plan->next_header, 0, sizeof plan->next_header);
    memcpy(plan->next_header, view->at, IPV4_HEADER_SIZE_MIN);
    for (const uint8_t *at = view->at + IPV4_HEADER_SIZE_MIN; at < end && *at != OPTION_END;) {
        uint32_t option = option_size(at, end);
        if (option == 0)
            return false;
        if (*at & IPV4_OPTION_COPIED) {
            memcpy(plan->next_header + size, at, option);
            size += option;
        }
        at += option;
    }
    size = (size + 3) / 4 * 4; /* filled up with ends of options, which are zero */
    plan->next_header[0] = (uint8_t)(0x40 | size / 4);
    plan->next_header_size = (uint8_t)size;
    return true;
}

enum fit_error fragment_plan(const struct ipv4_view *view, uint16_t packet_size, struct fragment_plan *plan)
{
    uint32_t payload = (uint32_t)view->size - view->header_size;
    if (packet_size < FIT_PACKET_SIZE_MIN)
        return FIT_PACKET_SIZE;
    if (view->size > packet_size && view->dont_fragment)
        return FIT_DONT_FRAGMENT;
    if (!make_next_header(view, plan))
        return FIT_OPTIONS;
    plan->view = view;
    plan->next_payload = (uint16_t)((packet_size - plan->next_header_size) & ~7);
    if (view->size <= packet_size) {
        plan->first_payload = (uint16_t)payload;
        plan->count = 1;
        return FIT_FINE;
    }
    plan->first_payload = (uint16_t)((packet_size - view->header_size) & ~7);
    uint32_t rest = payload - plan->first_payload;
    plan->count = (uint16_t)(1 + (rest + plan->next_payload - 1) / plan->next_payload);
    return FIT_FINE;
}

const char *fit_error_name(enum fit_error error)
{
    static const char *const names[FIT_ERRORS] = {
        [FIT_FINE] = "fine",
        [FIT_DONT_FRAGMENT] = "dont_fragment",
        [FIT_PACKET_SIZE] = "packet_size",
        [FIT_OPTIONS] = "options",
    };
    return (unsigned)error < FIT_ERRORS ? names[error] : "unknown";
}

size_t fragment_write(const struct fragment_plan *plan, uint32_t index, const uint8_t *header, size_t headroom,
                      uint8_t *out)
{
    const struct ipv4_view *view = plan->view;
    uint8_t *ipv4 = out + headroom;
    uint32_t header_size = index ? plan->next_header_size : view->header_size;
    uint32_t offset = index ? plan->first_payload + (index - 1) * plan->next_payload : 0;
    uint32_t left = (uint32_t)view->size - view->header_size - offset;
    uint32_t most = index ? plan->next_payload : plan->first_payload;
    uint32_t payload = left < most ? left : most;
    bool more = view->more_fragments || payload < left;

    if (headroom)
        memcpy(out, header, headroom);
    memcpy(ipv4, index ? plan->next_header : view->at, header_size);
    memcpy(ipv4 + header_size, view->at + view->header_size + offset, payload);
    uint32_t fragment = (view->fragment_offset + offset) / 8;
    if (more)
        fragment |= IPV4_MORE_FRAGMENTS;
    if (view->dont_fragment)
        fragment |= IPV4_DONT_FRAGMENT;
    store_be16(ipv4 + IPV4_TOTAL_LENGTH_AT, (uint16_t)(header_size + payload));
    store_be16(ipv4 + IPV4_FRAGMENT_AT, (uint16_t)fragment);
    store_raw16(ipv4 + IPV4_CHECKSUM_AT, 0);
    store_raw16(ipv4 + IPV4_CHECKSUM_AT, checksum_finish(checksum_sum(ipv4, header_size)));
    return headroom + header_size + payload;
}
