#include "ipv4.h"

#include "bytes.h"
#include "checksum.h"
#include "fields.h"

static void parse_transport(struct ipv4_view *view)
{
    const uint8_t *transport = view->at + view->header_size;
    uint32_t size = (uint32_t)view->size - view->header_size;

    view->transport = TRANSPORT_NONE;
    view->transport_header_size = 0;
    view->source_port = view->destination_port = 0;
    if (view->fragment_offset != 0)
        return;
    if (view->protocol == PROTOCOL_ICMP && size >= ICMP_HEADER_SIZE) {
        view->transport = TRANSPORT_ICMP;
        view->transport_header_size = ICMP_HEADER_SIZE;
        return;
    }
    if ((view->protocol != PROTOCOL_TCP && view->protocol != PROTOCOL_UDP) || size < 4)
        return;
    view->transport = TRANSPORT_PORTS;
    view->source_port = load_be16(transport);
    view->destination_port = load_be16(transport + 2);
    if (view->protocol == PROTOCOL_TCP && size >= TCP_HEADER_SIZE_MIN) {
        uint32_t header_size = (uint32_t)(transport[TCP_DATA_OFFSET_AT] >> 4) * 4;
        if (header_size >= TCP_HEADER_SIZE_MIN && header_size <= size) {
            view->transport = TRANSPORT_TCP;
            view->transport_header_size = (uint8_t)header_size;
        }
    }
    if (view->protocol == PROTOCOL_UDP && size >= UDP_HEADER_SIZE) {
        uint16_t length = load_be16(transport + UDP_LENGTH_AT);
        if (length >= UDP_HEADER_SIZE && (view->more_fragments ? length > size : length == size)) {
            view->transport = TRANSPORT_UDP;
            view->transport_header_size = UDP_HEADER_SIZE;
        }
    }
}

enum ipv4_error ipv4_parse(uint8_t *packet, size_t size, struct ipv4_view *view)
{
    if (size < 1)
        return IPV4_SHORT;
    if (packet[0] >> 4 != 4)
        return IPV4_NOT_4;
    if (size < IPV4_HEADER_SIZE_MIN)
        return IPV4_SHORT;
    uint8_t header_size = (uint8_t)((packet[0] & 0xf) * 4);
    if (header_size < IPV4_HEADER_SIZE_MIN || header_size > size)
        return IPV4_HEADER_SIZE;
    uint16_t total = load_be16(packet + IPV4_TOTAL_LENGTH_AT);
    if (total < header_size || total > size)
        return IPV4_TOTAL_LENGTH;
    uint16_t fragment = load_be16(packet + IPV4_FRAGMENT_AT);
    uint32_t offset = (uint32_t)(fragment & IPV4_OFFSET_MASK) * 8;
    if (offset + total > IPV4_SIZE_MAX)
        return IPV4_FRAGMENT;

    view->at = packet;
    view->size = total;
    view->header_size = header_size;
    view->tos = packet[IPV4_TOS_AT];
    view->identification = load_be16(packet + IPV4_IDENTIFICATION_AT);
    view->dont_fragment = (fragment & IPV4_DONT_FRAGMENT) != 0;
    view->more_fragments = (fragment & IPV4_MORE_FRAGMENTS) != 0;
    view->fragment_offset = (uint16_t)offset;
    view->ttl = packet[IPV4_TTL_AT];
    view->protocol = packet[IPV4_PROTOCOL_AT];
    view->source = load_be32(packet + IPV4_SOURCE_AT);
    view->destination = load_be32(packet + IPV4_DESTINATION_AT);
    parse_transport(view);
    return IPV4_FINE;
}

enum ipv4_error ipv4_parse_checked(uint8_t *packet, size_t size, struct ipv4_view *view)
{
    enum ipv4_error error = ipv4_parse(packet, size, view);
    if (error == IPV4_FINE && !ipv4_header_right(view))
        return IPV4_CHECKSUM;
    return error;
}

bool ipv4_header_right(const struct ipv4_view *view)
{
    return checksum_right(checksum_sum(view->at, view->header_size));
}

const char *ipv4_error_name(enum ipv4_error error)
{
    static const char *const names[IPV4_ERRORS] = {
        [IPV4_FINE] = "fine",
        [IPV4_SHORT] = "short",
        [IPV4_NOT_4] = "not_ipv4",
        [IPV4_HEADER_SIZE] = "header_size",
        [IPV4_TOTAL_LENGTH] = "total_length",
        [IPV4_CHECKSUM] = "checksum",
        [IPV4_FRAGMENT] = "fragment",
    };
    return (unsigned)error < IPV4_ERRORS ? names[error] : "unknown";
}
