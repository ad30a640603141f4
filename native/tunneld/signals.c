#include "signals.h"

#include "tunneld.h"

void signals_begin(struct signals *signals, uint64_t secret)
{
    signals->secret = secret | 1;
}

/* A table of fixed size: who hashes to a place that is taken begins anew there. A forger of many sources can
 * so get more than one source's share, but never more than the share of all. */
static struct limiter *limiter_of(struct signals *signals, uint32_t address)
{
    uint64_t hash = ((uint64_t)address ^ signals->secret >> 32) * signals->secret;
    struct signal_source *source = &signals->sources[(hash >> 40) % SIGNAL_SOURCES];
    if (source->address != address)
        *source = (struct signal_source){.address = address};
    return &source->limiter;
}

bool signals_may_pass(struct tunneld *tunneld, uint32_t source, bool known)
{
    struct signals *signals = &tunneld->signals;
    if (!channel_has_client(&tunneld->control)) {
        count(tunneld, COUNTER_SIGNAL_NO_CLIENT, 1);
        return false;
    }
    if (!limiter_take(limiter_of(signals, source), tunneld->now_us, SIGNAL_SOURCE_PER_S, SIGNAL_SOURCE_BURST)) {
        count(tunneld, COUNTER_SIGNAL_SOURCE_LIMITED, 1);
        return false;
    }
    if (!limiter_take(known ? &signals->known : &signals->all, tunneld->now_us, SIGNAL_ALL_PER_S, SIGNAL_ALL_BURST)) {
        count(tunneld, COUNTER_SIGNAL_ALL_LIMITED, 1);
        return false;
    }
    return true;
}

/* Does a tunnel end there? Then careofd has served it, and a flood of others must not keep its renewals out. */
static bool is_known(const struct tunneld *tunneld, const struct uplink *uplink, const struct arrival *arrival)
{
    static const uint8_t raw_kinds[] = {WIRE_KIND_IPIP, WIRE_KIND_MINIMAL, WIRE_KIND_GRE};
    static const uint8_t udp_kinds[] = {WIRE_KIND_MIP_UDP, WIRE_KIND_MIP_UDP_GRE};
    const struct state *state = &tunneld->state;
    for (size_t i = 0; i < sizeof raw_kinds; i++)
        if (state_arrival(state, raw_kinds[i], uplink, arrival->source, 0))
            return true;
    for (size_t i = 0; i < sizeof udp_kinds; i++)
        if (state_arrival(state, udp_kinds[i], uplink, arrival->source, arrival->source_port))
            return true;
    return false;
}

void signals_up(struct tunneld *tunneld, const struct uplink *uplink, const struct arrival *arrival,
                const uint8_t *data, size_t size)
{
    if (size == 0 || size > SIGNAL_SIZE_MAX) {
        count(tunneld, COUNTER_IN_MALFORMED, 1);
        return;
    }
    bool known = is_known(tunneld, uplink, arrival);
    if (!signals_may_pass(tunneld, arrival->source, known))
        return;
    struct message_signal signal = {
        .uplink = uplink->name.id,
        .source = arrival->source,
        .source_port = arrival->source_port,
        .destination = arrival->destination,
        .ttl = arrival->ttl,
        .interface = arrival->interface,
        .data = {.at = data, .size = size},
    };
    if (control_tell_signal(tunneld, MESSAGE_SIGNAL, &signal, known))
        count(tunneld, COUNTER_SIGNALS_UP, 1);
    else
        count(tunneld, COUNTER_SIGNAL_CLIENT_FULL, 1);
}
