#include "coalesce.h"

#include <string.h>

#include "bytes.h"
#include "checksum.h"
#include "fields.h"

enum {
    TCP_FLAGS_THAT_END = TCP_FIN | TCP_PSH,
    TCP_FLAGS_ALONE = TCP_SYN | TCP_RST | TCP_URG,
};

void coalesce_begin(struct coalesce_run *run, bool uso, uint16_t packet_size)
{
    run->uso = uso;
    run->packet_size = packet_size;
    run->packet_count = run->item_count = run->open_count = 0;
}

static uint32_t headers_size(const struct ipv4_view *view)
{
    return (uint32_t)view->header_size + view->transport_header_size;
}

static uint32_t payload_size(const struct ipv4_view *view)
{
    return view->size - headers_size(view);
}

/* Of a kind that may be part of a super-packet, and right down to the last checksum. */
static bool is_candidate(const struct coalesce_run *run, const struct ipv4_view *view)
{
    const uint8_t *transport = view->at + view->header_size;
    if (view->header_size != IPV4_HEADER_SIZE_MIN || ipv4_is_fragment(view))
        return false;
    if (view->transport == TRANSPORT_TCP) {
        if (transport[TCP_FLAGS_AT] & TCP_FLAGS_ALONE)
            return false;
    } else if (view->transport != TRANSPORT_UDP || !run->uso || load_raw16(transport + UDP_CHECKSUM_AT) == 0) {
        return false;
    }
    if (payload_size(view) == 0 || !ipv4_header_right(view))
        return false;
    uint32_t size = (uint32_t)view->size - view->header_size;
    return checksum_right(checksum_pseudo(view->at, view->protocol, size) + checksum_sum(transport, size));
}

static uint16_t pseudo_sum(const uint8_t *packet, uint8_t protocol, uint32_t transport_size)
{
    return checksum_fold(checksum_pseudo(packet, protocol, transport_size));
}

/* A packet whose checksum is right as it is never comes here, so this is the kernel's mark; a spoilt one has
 * it by chance once in 2^16. */
static bool merged_by_kernel(const struct ipv4_view *view)
{
    if (view->transport != TRANSPORT_TCP || view->header_size != IPV4_HEADER_SIZE_MIN || ipv4_is_fragment(view) ||
        payload_size(view) == 0 || !ipv4_header_right(view))
        return false;
    uint32_t size = (uint32_t)view->size - view->header_size;
    return load_raw16(view->at + view->header_size + TCP_CHECKSUM_AT) == pseudo_sum(view->at, view->protocol, size);
}

static const uint8_t *first_of(const struct coalesce_run *run, const struct coalesce_item *item)
{
    return run->packets[item->first].at;
}

static bool same_hosts(const uint8_t *first, const struct ipv4_view *view)
{
    return first[IPV4_PROTOCOL_AT] == view->protocol &&
           memcmp(first + IPV4_SOURCE_AT, view->at + IPV4_SOURCE_AT, 8) == 0;
}

/* Only for packets whose ports are there; those of an open item are, behind a bare IPv4 header. */
static bool same_ports(const uint8_t *first, const struct ipv4_view *view)
{
    return memcmp(first + IPV4_HEADER_SIZE_MIN, view->at + view->header_size, 4) == 0;
}

static void close_slot(struct coalesce_run *run, uint32_t slot)
{
    run->open_count--;
    for (uint32_t later = slot; later < run->open_count; later++)
        run->open[later] = run->open[later + 1];
}

static void use_slot(struct coalesce_run *run, uint32_t slot)
{
    uint16_t item = run->open[slot];
    for (; slot > 0; slot--)
        run->open[slot] = run->open[slot - 1];
    run->open[0] = item;
}

static void open_item(struct coalesce_run *run, uint16_t item)
{
    if (run->open_count < COALESCE_OPEN_MAX)
        run->open_count++;
    run->open[run->open_count - 1] = item; /* in place of the one used least lately */
    use_slot(run, run->open_count - 1u);
}

/* Nothing of the packet's flow may overtake it: what is open of it stays as it is. Without ports it may
 * belong to any flow between the two hosts. */
static void close_flow(struct coalesce_run *run, const struct ipv4_view *view)
{
    for (uint32_t slot = run->open_count; slot-- > 0;) {
        const uint8_t *first = first_of(run, &run->items[run->open[slot]]);
        if (same_hosts(first, view) && (view->transport == TRANSPORT_NONE || same_ports(first, view)))
            close_slot(run, slot);
    }
}

static uint16_t new_item(struct coalesce_run *run, const struct ipv4_view *view)
{
    uint16_t packet = run->packet_count++;
    uint16_t index = run->item_count++;
    run->packets[packet] = (struct coalesce_packet){.at = view->at, .size = view->size, .next = 0};
    run->items[index] = (struct coalesce_item){
        .first = packet,
        .last = packet,
        .count = 1,
        .headers_size = (uint16_t)headers_size(view),
        .segment_payload = (uint16_t)payload_size(view),
        .payload_size = payload_size(view),
        .identification = view->identification,
        .protocol = view->protocol,
    };
    return index;
}

/* RFC 6864: with DF the identification says nothing, senders leave it constant or count. */
static bool identification_follows(const struct coalesce_item *item, const struct ipv4_view *view, bool *fixed)
{
    bool rising = view->identification == (uint16_t)(item->identification + 1);
    bool constant = view->dont_fragment && view->identification == item->identification;
    *fixed = item->count == 1 ? !rising : item->identification_fixed;
    return *fixed ? constant : rising;
}

static bool tcp_follows(const struct coalesce_item *item, const uint8_t *first, const struct ipv4_view *view)
{
    const uint8_t *of_first = first + IPV4_HEADER_SIZE_MIN;
    const uint8_t *tcp = view->at + IPV4_HEADER_SIZE_MIN;
    const uint8_t any = TCP_FLAGS_THAT_END | TCP_CWR;
    return load_be32(tcp + TCP_SEQUENCE_AT) == item->sequence_next && !(tcp[TCP_FLAGS_AT] & TCP_CWR) &&
           ((tcp[TCP_FLAGS_AT] ^ of_first[TCP_FLAGS_AT]) & ~any) == 0 &&
           tcp[TCP_DATA_OFFSET_AT] == of_first[TCP_DATA_OFFSET_AT] &&
           load_raw32(tcp + TCP_ACKNOWLEDGEMENT_AT) == load_raw32(of_first + TCP_ACKNOWLEDGEMENT_AT) &&
           load_raw16(tcp + TCP_WINDOW_AT) == load_raw16(of_first + TCP_WINDOW_AT) &&
           memcmp(tcp + TCP_URGENT_POINTER_AT, of_first + TCP_URGENT_POINTER_AT,
                  (size_t)view->transport_header_size - TCP_URGENT_POINTER_AT) == 0;
}

static bool follows(const struct coalesce_item *item, const uint8_t *first, const struct ipv4_view *view, bool *fixed)
{
    uint32_t size = payload_size(view);
    return item->count < COALESCE_PIECES_MAX && size <= item->segment_payload &&
           item->headers_size + item->payload_size + size <= IPV4_SIZE_MAX &&
           first[IPV4_TOS_AT] == view->tos && first[IPV4_TTL_AT] == view->ttl &&
           load_raw16(first + IPV4_FRAGMENT_AT) == load_raw16(view->at + IPV4_FRAGMENT_AT) &&
           identification_follows(item, view, fixed) &&
           (view->protocol == PROTOCOL_UDP || tcp_follows(item, first, view));
}

static void join(struct coalesce_run *run, struct coalesce_item *item, const struct ipv4_view *view, bool fixed)
{
    uint16_t packet = run->packet_count++;
    run->packets[packet] = (struct coalesce_packet){
        .at = view->at + headers_size(view),
        .size = (uint16_t)payload_size(view),
        .next = 0,
    };
    run->packets[item->last].next = (uint16_t)(packet + 1);
    item->last = packet;
    item->count++;
    item->payload_size += payload_size(view);
    item->identification = view->identification;
    item->identification_fixed = fixed;
    if (item->protocol == PROTOCOL_TCP) {
        uint8_t *flags = run->packets[item->first].at + IPV4_HEADER_SIZE_MIN + TCP_FLAGS_AT;
        *flags |= view->at[IPV4_HEADER_SIZE_MIN + TCP_FLAGS_AT] & TCP_FLAGS_THAT_END;
    }
}

/* Nothing may come behind a short segment, nor behind FIN or PSH. */
static bool ends_item(const struct coalesce_item *item, const struct ipv4_view *view)
{
    return payload_size(view) < item->segment_payload ||
           (view->protocol == PROTOCOL_TCP &&
            (view->at[IPV4_HEADER_SIZE_MIN + TCP_FLAGS_AT] & TCP_FLAGS_THAT_END));
}

static void expect_next(struct coalesce_item *item, const struct ipv4_view *view)
{
    if (view->protocol == PROTOCOL_TCP)
        item->sequence_next =
            load_be32(view->at + IPV4_HEADER_SIZE_MIN + TCP_SEQUENCE_AT) + payload_size(view);
}

bool coalesce_add(struct coalesce_run *run, const struct ipv4_view *view)
{
    if (run->packet_count == COALESCE_RUN_MAX)
        return false;
    if (!is_candidate(run, view)) {
        close_flow(run, view);
        struct coalesce_item *item = &run->items[new_item(run, view)];
        if (merged_by_kernel(view)) {
            item->merged = true;
            if (run->packet_size > item->headers_size && view->size > run->packet_size)
                item->segment_payload = (uint16_t)(run->packet_size - item->headers_size);
        }
        return true;
    }
    for (uint32_t slot = 0; slot < run->open_count; slot++) {
        struct coalesce_item *item = &run->items[run->open[slot]];
        const uint8_t *first = first_of(run, item);
        bool fixed;
        if (!same_hosts(first, view) || !same_ports(first, view))
            continue;
        if (!follows(item, first, view, &fixed)) {
            close_slot(run, slot);
            break;
        }
        join(run, item, view, fixed);
        expect_next(item, view);
        if (ends_item(item, view))
            close_slot(run, slot);
        else
            use_slot(run, slot);
        return true;
    }
    uint16_t index = new_item(run, view);
    expect_next(&run->items[index], view);
    if (!ends_item(&run->items[index], view))
        open_item(run, index);
    return true;
}

uint32_t coalesce_item_size(const struct coalesce_run *run, uint32_t index)
{
    const struct coalesce_item *item = &run->items[index];
    return item->count == 1 ? run->packets[item->first].size : item->headers_size + item->payload_size;
}

/* What the kernel expects of a packet that it is to segment: lengths of the whole, and the pseudo
 * header's sum where the checksum will be. */
static void finish(struct coalesce_item *item, uint8_t *first)
{
    uint32_t size = item->headers_size + item->payload_size;
    uint32_t transport_size = size - IPV4_HEADER_SIZE_MIN;
    uint8_t *transport = first + IPV4_HEADER_SIZE_MIN;
    bool tcp = item->protocol == PROTOCOL_TCP;
    uint16_t checksum_at = tcp ? TCP_CHECKSUM_AT : UDP_CHECKSUM_AT;

    store_be16(first + IPV4_TOTAL_LENGTH_AT, (uint16_t)size);
    store_raw16(first + IPV4_CHECKSUM_AT, 0);
    store_raw16(first + IPV4_CHECKSUM_AT, checksum_finish(checksum_sum(first, IPV4_HEADER_SIZE_MIN)));
    if (!tcp)
        store_be16(transport + UDP_LENGTH_AT, (uint16_t)transport_size);
    store_raw16(transport + checksum_at, pseudo_sum(first, item->protocol, transport_size));

    uint8_t gso = tcp ? VNET_GSO_TCPV4 : VNET_GSO_UDP_L4;
    if (item->payload_size == item->segment_payload)
        gso = VNET_GSO_NONE; /* merged, and fits: only its checksum is to be made */
    else if (tcp && (transport[TCP_FLAGS_AT] & TCP_CWR))
        gso |= VNET_GSO_ECN;
    item->vnet = (struct vnet_header){
        .flags = VNET_NEEDS_CHECKSUM,
        .gso_type = gso,
        .header_size = item->headers_size,
        .segment_payload = gso == VNET_GSO_NONE ? 0 : item->segment_payload,
        .checksum_start = IPV4_HEADER_SIZE_MIN,
        .checksum_offset = checksum_at,
    };
}

int coalesce_item(struct coalesce_run *run, uint32_t index, struct iovec *iov)
{
    struct coalesce_item *item = &run->items[index];
    if (item->count > 1 || item->merged)
        finish(item, run->packets[item->first].at);
    int used = 0;
    iov[used++] = (struct iovec){.iov_base = &item->vnet, .iov_len = sizeof item->vnet};
    for (uint32_t at = item->first + 1u; at != 0; at = run->packets[at - 1].next)
        iov[used++] = (struct iovec){.iov_base = run->packets[at - 1].at, .iov_len = run->packets[at - 1].size};
    return used;
}
