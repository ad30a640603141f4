#include "icmp.h"

#include <stdbool.h>
#include <string.h>

#include "bytes.h"
#include "checksum.h"
#include "fields.h"

enum {
    TOS_INTERNETWORK_CONTROL = 0xc0, /* RFC 1812 4.3.2.5 */
    TTL = 64,
};

static bool is_icmp_error(const struct ipv4_view *view)
{
    if (view->protocol != PROTOCOL_ICMP)
        return false;
    if (view->transport != TRANSPORT_ICMP)
        return true; /* cut short: nobody can tell */
    switch (view->at[view->header_size + ICMP_TYPE_AT]) {
    case ICMP_UNREACHABLE:
    case ICMP_SOURCE_QUENCH:
    case ICMP_REDIRECT:
    case ICMP_TIME_EXCEEDED:
    case ICMP_PARAMETER_PROBLEM:
        return true;
    default:
        return false;
    }
}

/* No single host: this network, loopback, multicast, reserved and broadcast (RFC 1122 3.2.1.3). */
static bool is_single_host(uint32_t address)
{
    uint32_t network = address >> 24;
    return network != 0 && network != 127 && network < 224;
}

static bool may_answer(const struct ipv4_view *view)
{
    return view->fragment_offset == 0 && is_single_host(view->source) && is_single_host(view->destination) &&
           !is_icmp_error(view);
}

static size_t make_error(const struct ipv4_view *view, uint32_t source, uint8_t type, uint8_t code,
                         uint16_t next_hop_size, uint8_t *out)
{
    enum { HEADERS_SIZE = IPV4_HEADER_SIZE_MIN + ICMP_HEADER_SIZE };
    if (!may_answer(view))
        return 0;
    size_t quote = view->size;
    if (quote > ICMP_ERROR_SIZE_MAX - HEADERS_SIZE)
        quote = ICMP_ERROR_SIZE_MAX - HEADERS_SIZE;
    uint8_t *icmp = out + IPV4_HEADER_SIZE_MIN;

    memset(out, 0, HEADERS_SIZE);
    out[0] = 0x45;
    out[IPV4_TOS_AT] = TOS_INTERNETWORK_CONTROL;
    store_be16(out + IPV4_TOTAL_LENGTH_AT, (uint16_t)(HEADERS_SIZE + quote));
    store_be16(out + IPV4_FRAGMENT_AT, IPV4_DONT_FRAGMENT); /* so the identification may be 0 (RFC 6864) */
    out[IPV4_TTL_AT] = TTL;
    out[IPV4_PROTOCOL_AT] = PROTOCOL_ICMP;
    store_be32(out + IPV4_SOURCE_AT, source);
    store_be32(out + IPV4_DESTINATION_AT, view->source);
    store_raw16(out + IPV4_CHECKSUM_AT, checksum_finish(checksum_sum(out, IPV4_HEADER_SIZE_MIN)));

    icmp[ICMP_TYPE_AT] = type;
    icmp[ICMP_CODE_AT] = code;
    store_be16(icmp + ICMP_NEXT_HOP_SIZE_AT, next_hop_size);
    memcpy(icmp + ICMP_HEADER_SIZE, view->at, quote);
    store_raw16(icmp + ICMP_CHECKSUM_AT, checksum_finish(checksum_sum(icmp, ICMP_HEADER_SIZE + quote)));
    return HEADERS_SIZE + quote;
}

size_t icmp_too_big(const struct ipv4_view *view, uint32_t source, uint16_t packet_size, uint8_t *out)
{
    return make_error(view, source, ICMP_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED, packet_size, out);
}

size_t icmp_time_exceeded(const struct ipv4_view *view, uint32_t source, uint8_t *out)
{
    return make_error(view, source, ICMP_TIME_EXCEEDED, ICMP_TTL_IN_TRANSIT, 0, out);
}

size_t icmp_unreachable(const struct ipv4_view *view, uint32_t source, uint8_t code, uint8_t *out)
{
    return make_error(view, source, ICMP_UNREACHABLE, code, 0, out);
}
