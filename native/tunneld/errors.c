#include "errors.h"

#include "in.h"
#include "out.h"
#include "packet/bytes.h"
#include "packet/gre.h"
#include "packet/icmp.h"
#include "packet/minimal.h"
#include "packet/quote.h"
#include "tunneld.h"

enum { NOT_TOLD = -1 };

/* The code of "unreachable" that the sender is told, or NOT_TOLD (RFC 2003 4.1, 4.4). Ports are of the tunnel, not of
 * the inner packet: nobody listens at its end, as with "protocol unreachable". */
static int code_inside(const struct quote_view *quote)
{
    if (quote->type == ICMP_TIME_EXCEEDED)
        return quote->code == ICMP_TTL_IN_TRANSIT ? ICMP_HOST_UNREACHABLE : NOT_TOLD;
    if (quote->type != ICMP_UNREACHABLE)
        return NOT_TOLD;
    switch (quote->code) {
    case ICMP_NETWORK_UNREACHABLE:
    case ICMP_NETWORK_UNKNOWN:
    case ICMP_NETWORK_UNREACHABLE_FOR_TOS:
        return ICMP_NETWORK_UNREACHABLE;
    case ICMP_PORT_UNREACHABLE:
        return quote->protocol == PROTOCOL_UDP ? ICMP_HOST_UNREACHABLE : NOT_TOLD;
    case ICMP_FRAGMENTATION_NEEDED:
    case ICMP_SOURCE_ROUTE_FAILED:
        return NOT_TOLD;
    default:
        return ICMP_HOST_UNREACHABLE;
    }
}

/* Would we send this inner packet by this tunnel, and by no other? */
static bool is_sent_by(const struct tunneld *tunneld, const struct tunnel *tunnel, const struct ipv4_view *inner)
{
    const struct route *route = state_route_to(&tunneld->state, inner->source, inner->destination);
    return route && route->path_count == 1 && route->paths[0]->tunnel == tunnel;
}

static void about_tunnel(struct tunneld *tunneld, struct tunnel *tunnel, const struct quote_view *quote, size_t header)
{
    struct ipv4_view inner;
    int code = code_inside(quote);
    if (code == NOT_TOLD)
        return;
    bool quoted = quote->payload_size > header && tunnel->kind != WIRE_KIND_MINIMAL &&
                  quote_inner(quote->payload + header, quote->payload_size - header, &inner);
    if (!quoted) {
        tunnel->error_at_us = tunneld->now_us;
        tunnel->error_code = (uint8_t)code;
    } else if (is_sent_by(tunneld, tunnel, &inner)) {
        out_answer_unreachable(tunneld, &inner, (uint8_t)code);
    } else {
        count(tunneld, COUNTER_ERRORS_NOT_OURS, 1);
    }
}

static void about_signalling(struct tunneld *tunneld, const struct uplink *uplink, const struct quote_view *quote)
{
    struct message_unreachable unreachable = {
        .uplink = uplink->name.id,
        .destination = quote->destination,
        .destination_port = load_be16(quote->payload + 2),
        .kind = quote->type,
        .code = quote->code,
        .data = {.at = quote->payload + UDP_HEADER_SIZE, .size = (size_t)quote->payload_size - UDP_HEADER_SIZE},
    };
    if (unreachable.data.size > ERROR_DATA_SIZE_MAX)
        unreachable.data.size = ERROR_DATA_SIZE_MAX;
    if (control_tell_signal(tunneld, MESSAGE_UNREACHABLE, &unreachable, false))
        count(tunneld, COUNTER_ERRORS_UP, 1);
    else
        count(tunneld, COUNTER_SIGNAL_CLIENT_FULL, 1);
}

/* Signalling and tunnels share a port, and eight octets do not tell which it was: then it is said of both. */
static void about_datagram(struct tunneld *tunneld, const struct uplink *uplink, const struct quote_view *quote)
{
    const uint8_t *udp = quote->payload;
    size_t size = (size_t)quote->payload_size - UDP_HEADER_SIZE, header = UDP_HEADER_SIZE + TUNNEL_DATA_HEADER_SIZE;
    if (load_be16(udp) != uplink->port) {
        count(tunneld, COUNTER_ERRORS_NOT_OURS, 1);
        return;
    }
    if (size && udp[UDP_HEADER_SIZE] != TUNNEL_DATA) {
        about_signalling(tunneld, uplink, quote);
        return;
    }
    static const uint8_t kinds[] = {WIRE_KIND_MIP_UDP, WIRE_KIND_MIP_UDP_GRE};
    for (size_t i = 0; i < sizeof kinds; i++) {
        struct tunnel *tunnel =
            state_arrival(&tunneld->state, kinds[i], uplink, quote->destination, load_be16(udp + 2));
        bool is_gre = size > 1 && udp[UDP_HEADER_SIZE + 1] == PROTOCOL_GRE;
        if (tunnel && (size <= 1 || is_gre == (kinds[i] == WIRE_KIND_MIP_UDP_GRE)))
            about_tunnel(tunneld, tunnel, quote, is_gre ? header + GRE_HEADER_SIZE_MIN + 4u * tunnel->has_key : header);
    }
    if (!size)
        about_signalling(tunneld, uplink, quote);
}

static void about_raw(struct tunneld *tunneld, const struct uplink *uplink, const struct quote_view *quote)
{
    static const struct {
        uint8_t protocol, kind;
    } kinds[] = {
        {PROTOCOL_IPIP, WIRE_KIND_IPIP},
        {PROTOCOL_IPIP, WIRE_KIND_MINIMAL}, /* what that cannot carry */
        {PROTOCOL_MINIMAL, WIRE_KIND_MINIMAL},
        {PROTOCOL_GRE, WIRE_KIND_GRE},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].protocol != quote->protocol)
            continue;
        struct tunnel *tunnel = state_arrival(&tunneld->state, kinds[i].kind, uplink, quote->destination, 0);
        if (!tunnel)
            continue;
        size_t header = quote->protocol == PROTOCOL_GRE ? GRE_HEADER_SIZE_MIN + 4u * tunnel->has_key : 0;
        about_tunnel(tunneld, tunnel, quote, header);
        return;
    }
    count(tunneld, COUNTER_ERRORS_NOT_OURS, 1);
}

void errors_came(struct tunneld *tunneld, const struct uplink *uplink, const struct ipv4_view *packet)
{
    struct quote_view quote;
    if (!limiter_take(&tunneld->errors_limit, tunneld->now_us, ERRORS_PER_S, ERRORS_BURST)) {
        count(tunneld, COUNTER_ERRORS_LIMITED, 1);
        return;
    }
    enum quote_error error = quote_parse(packet, &quote);
    if (error != QUOTE_FINE) {
        count(tunneld, COUNTER_ERRORS_MALFORMED, 1);
        return;
    }
    count(tunneld, COUNTER_ERRORS_IN, 1);
    if (quote.source != packet->destination || (uplink->address && quote.source != uplink->address))
        count(tunneld, COUNTER_ERRORS_NOT_OURS, 1);
    else if (quote.protocol == PROTOCOL_UDP)
        about_datagram(tunneld, uplink, &quote);
    else
        about_raw(tunneld, uplink, &quote);
}

bool errors_stand(const struct tunneld *tunneld, const struct tunnel *tunnel)
{
    return tunnel && tunnel->error_at_us && tunneld->now_us < tunnel->error_at_us + ERROR_STANDS_US &&
           tunnel->last_in_us < tunnel->error_at_us;
}
