#include "probe.h"

#include "bytes.h"
#include "checksum.h"
#include "fields.h"
#include "icmp.h"

bool probe_read(const struct ipv4_view *view, struct probe_reply *reply)
{
    const uint8_t *icmp = view->at + view->header_size;
    if (view->transport != TRANSPORT_ICMP || ipv4_is_fragment(view))
        return false;
    if (icmp[ICMP_TYPE_AT] != ICMP_ECHO_REPLY || icmp[ICMP_CODE_AT] != 0)
        return false;
    if (!checksum_right(checksum_sum(icmp, (size_t)view->size - view->header_size)))
        return false;
    reply->source = view->source;
    reply->destination = view->destination;
    reply->identifier = load_be16(icmp + ICMP_IDENTIFIER_AT);
    reply->sequence = load_be16(icmp + ICMP_SEQUENCE_AT);
    return true;
}

bool probe_matches(const struct ipv4_view *view, uint32_t destination, uint16_t identifier)
{
    struct probe_reply reply;
    return view->transport == TRANSPORT_ICMP && view->destination == destination && probe_read(view, &reply) &&
           reply.identifier == identifier;
}
