/* Replies to our probes: an ICMP echo reply (RFC 792) inside the tunnel, to our address and with an
 * identifier of ours, never reaches the TUN. */
#ifndef CAREOF_PACKET_PROBE_H
#define CAREOF_PACKET_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "ipv4.h"

struct probe_reply {
    uint32_t source, destination; /* of the reply, host order */
    uint16_t identifier, sequence;
};

/* A whole, sound echo reply (not a fragment, checksum right)? Then its fields. */
bool probe_read(const struct ipv4_view *view, struct probe_reply *reply);

/* A sound echo reply to this probe. Cheap for everything that is not ICMP. */
bool probe_matches(const struct ipv4_view *view, uint32_t destination, uint16_t identifier);

#endif
