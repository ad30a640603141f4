/* Signalling that came in on an uplink, handed up to careofd at a bounded rate: for each source, so that one
 * cannot silence the others, and for all together; those that a tunnel leads to have a share of their own. */
#ifndef CAREOF_SIGNALS_H
#define CAREOF_SIGNALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limiter.h"
#include "limits.h"

struct tunneld;
struct uplink;

struct signal_source {
    uint32_t address; /* host order */
    struct limiter limiter;
};

struct signals {
    uint64_t secret; /* whose place in the table a source takes cannot be chosen */
    struct limiter all, known;
    struct signal_source sources[SIGNAL_SOURCES];
};

/* Where a datagram came from and how. Addresses in host order. */
struct arrival {
    uint32_t source, destination;
    uint32_t interface;
    uint16_t source_port;
    uint8_t ttl, tos;
};

void signals_begin(struct signals *signals, uint64_t secret);
/* May something that this source sent be handed up now? Counted if not. */
bool signals_may_pass(struct tunneld *tunneld, uint32_t source, bool known);
void signals_up(struct tunneld *tunneld, const struct uplink *uplink, const struct arrival *arrival,
                const uint8_t *data, size_t size);

#endif
