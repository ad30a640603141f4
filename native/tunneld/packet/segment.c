#include "segment.h"

#include <stdbool.h>
#include <string.h>

#include "bytes.h"
#include "checksum.h"
#include "fields.h"

/* One packet as it is. The kernel left in the checksum field what the sum has to begin with (the pseudo
 * header), so summing from checksum_start on, field included, gives the checksum. */
static enum segment_error plan_lone(const struct vnet_header *vnet, struct segment_plan *plan)
{
    const struct ipv4_view *view = &plan->view;
    plan->headers_size = 0;
    plan->payload_size = view->size;
    plan->segment_payload = plan->last_payload = view->size;
    plan->count = 1;
    plan->checksum_start = plan->checksum_at = 0;
    if (vnet->flags & VNET_NEEDS_CHECKSUM) {
        uint32_t at = (uint32_t)vnet->checksum_start + vnet->checksum_offset;
        if (vnet->checksum_start < view->header_size || vnet->checksum_offset % 2 != 0 || at + 2 > view->size)
            return SEGMENT_CHECKSUM;
        plan->checksum_start = vnet->checksum_start;
        plan->checksum_at = (uint16_t)at;
    }
    return SEGMENT_FINE;
}

/* The vnet header's places for header and checksum are not needed: the packet says where they are. */
static enum segment_error plan_super(const struct vnet_header *vnet, struct segment_plan *plan)
{
    const struct ipv4_view *view = &plan->view;
    enum ipv4_transport wanted = plan->gso == VNET_GSO_TCPV4 ? TRANSPORT_TCP : TRANSPORT_UDP;
    if (view->transport != wanted || ipv4_is_fragment(view))
        return SEGMENT_GSO_HEADER;
    if (vnet->segment_payload == 0)
        return SEGMENT_GSO_SIZE;

    uint32_t headers = (uint32_t)view->header_size + view->transport_header_size;
    uint32_t payload = view->size - headers;
    uint32_t each = vnet->segment_payload < payload ? vnet->segment_payload : payload;
    uint32_t count = payload ? (payload + each - 1) / each : 1;
    plan->headers_size = (uint16_t)headers;
    plan->payload_size = payload;
    plan->segment_payload = (uint16_t)each;
    plan->last_payload = (uint16_t)(payload - (count - 1) * each);
    plan->count = (uint16_t)count;
    plan->checksum_start = plan->checksum_at = 0;
    return SEGMENT_FINE;
}

enum segment_error segment_plan(uint8_t *read, size_t size, struct segment_plan *plan)
{
    struct vnet_header vnet;
    if (size < sizeof vnet)
        return SEGMENT_SHORT;
    memcpy(&vnet, read, sizeof vnet);
    switch (ipv4_parse(read + sizeof vnet, size - sizeof vnet, &plan->view)) {
    case IPV4_FINE:
        break;
    case IPV4_SHORT:
        return SEGMENT_SHORT;
    case IPV4_NOT_4:
        return SEGMENT_NOT_IPV4;
    default:
        return SEGMENT_MALFORMED;
    }
    switch (vnet.gso_type & ~VNET_GSO_ECN) {
    case VNET_GSO_NONE:
        plan->gso = VNET_GSO_NONE;
        return plan_lone(&vnet, plan);
    case VNET_GSO_TCPV4:
        plan->gso = VNET_GSO_TCPV4;
        return plan_super(&vnet, plan);
    case VNET_GSO_UDP_L4:
        plan->gso = VNET_GSO_UDP_L4;
        return plan_super(&vnet, plan);
    default:
        return SEGMENT_GSO_KIND;
    }
}

const char *segment_error_name(enum segment_error error)
{
    static const char *const names[SEGMENT_ERRORS] = {
        [SEGMENT_FINE] = "fine",
        [SEGMENT_SHORT] = "short",
        [SEGMENT_NOT_IPV4] = "not_ipv4",
        [SEGMENT_MALFORMED] = "malformed",
        [SEGMENT_GSO_KIND] = "gso_kind",
        [SEGMENT_GSO_HEADER] = "gso_header",
        [SEGMENT_GSO_SIZE] = "gso_size",
        [SEGMENT_CHECKSUM] = "checksum",
    };
    return (unsigned)error < SEGMENT_ERRORS ? names[error] : "unknown";
}

uint32_t segment_batch(const struct segment_plan *plan, size_t headroom, size_t room)
{
    size_t stride = headroom + segment_size(plan);
    size_t fit = room / stride;
    if (fit > SEGMENT_SEND_SIZE_MAX / stride)
        fit = SEGMENT_SEND_SIZE_MAX / stride;
    if (fit > SEGMENT_BATCH_MAX)
        fit = SEGMENT_BATCH_MAX;
    if (fit == 0 && room >= stride)
        fit = 1; /* too long for any UDP socket: let the kernel say so */
    return (uint32_t)(fit < plan->count ? fit : plan->count);
}

static void write_lone(const struct segment_plan *plan, uint8_t *out)
{
    const struct ipv4_view *view = &plan->view;
    if (plan->checksum_at == 0) {
        memcpy(out, view->at, view->size);
        return;
    }
    uint16_t start = plan->checksum_start, at = plan->checksum_at;
    memcpy(out, view->at, start);
    uint64_t sum = checksum_copy(out + start, view->at + start, (size_t)view->size - start);
    bool udp = view->protocol == PROTOCOL_UDP && at - start == UDP_CHECKSUM_AT;
    store_raw16(out + at, udp ? checksum_finish_udp(sum) : checksum_finish(sum));
}

static void complete_ipv4(uint8_t *ipv4, const struct ipv4_view *view, uint32_t index, uint32_t size)
{
    store_be16(ipv4 + IPV4_TOTAL_LENGTH_AT, (uint16_t)size);
    store_be16(ipv4 + IPV4_IDENTIFICATION_AT, (uint16_t)(view->identification + index));
    store_raw16(ipv4 + IPV4_CHECKSUM_AT, 0);
    store_raw16(ipv4 + IPV4_CHECKSUM_AT, checksum_finish(checksum_sum(ipv4, view->header_size)));
}

static void complete_tcp(const struct segment_plan *plan, uint32_t index, uint8_t *tcp, uint64_t sum)
{
    uint32_t sequence = load_be32(tcp + TCP_SEQUENCE_AT) + index * plan->segment_payload;
    store_be32(tcp + TCP_SEQUENCE_AT, sequence);
    if (index + 1 < plan->count)
        tcp[TCP_FLAGS_AT] &= (uint8_t)~(TCP_FIN | TCP_PSH);
    if (index > 0)
        tcp[TCP_FLAGS_AT] &= (uint8_t)~TCP_CWR;
    store_raw16(tcp + TCP_CHECKSUM_AT, 0);
    sum += checksum_sum(tcp, plan->view.transport_header_size);
    store_raw16(tcp + TCP_CHECKSUM_AT, checksum_finish(sum));
}

static void complete_udp(uint8_t *udp, uint32_t size, uint64_t sum)
{
    bool unsummed = load_raw16(udp + UDP_CHECKSUM_AT) == 0;
    store_be16(udp + UDP_LENGTH_AT, (uint16_t)size);
    if (unsummed)
        return;
    store_raw16(udp + UDP_CHECKSUM_AT, 0);
    sum += checksum_sum(udp, UDP_HEADER_SIZE);
    store_raw16(udp + UDP_CHECKSUM_AT, checksum_finish_udp(sum));
}

/* One segment of a super-packet; returns its size. */
static size_t write_segment(const struct segment_plan *plan, uint32_t index, uint8_t *out)
{
    const struct ipv4_view *view = &plan->view;
    const uint8_t *payload = view->at + plan->headers_size + (size_t)index * plan->segment_payload;
    uint32_t payload_size = index + 1 < plan->count ? plan->segment_payload : plan->last_payload;
    uint32_t size = plan->headers_size + payload_size;
    uint32_t transport_size = size - view->header_size;
    uint8_t *transport = out + view->header_size;

    memcpy(out, view->at, plan->headers_size);
    complete_ipv4(out, view, index, size);
    uint64_t sum = checksum_copy(out + plan->headers_size, payload, payload_size);
    sum += checksum_pseudo(out, view->protocol, transport_size);
    if (plan->gso == VNET_GSO_TCPV4)
        complete_tcp(plan, index, transport, sum);
    else
        complete_udp(transport, transport_size, sum);
    return size;
}

size_t segment_write(const struct segment_plan *plan, uint32_t first, uint32_t count, const uint8_t *header,
                     size_t headroom, uint8_t *out)
{
    uint8_t *at = out;
    for (uint32_t index = first; index < first + count; index++) {
        if (headroom)
            memcpy(at, header, headroom);
        at += headroom;
        if (plan->gso == VNET_GSO_NONE) {
            write_lone(plan, at);
            at += plan->view.size;
        } else {
            at += write_segment(plan, index, at);
        }
    }
    return (size_t)(at - out);
}
