/* ICMP errors from outside about what was sent on an uplink. About signalling they go up to careofd; about a tunnel's
 * packets they go on to who sent those (RFC 2003 sections 4 and 5).
 *
 *     quoted: from this uplink? by the tunnel that it names?
 *        the inner packet too, and a route of ours leads it there?  -> an error to its sender, at once
 *        not enough of it?                    -> the tunnel's soft state: told to who sends by it next, for a while
 *
 * They prove nothing, whoever sends them: nothing is dropped, closed or moved for them, and how large a packet may be
 * is never learnt from them (DESIGN 7). */
#ifndef CAREOF_ERRORS_H
#define CAREOF_ERRORS_H

#include <stdbool.h>
#include <stdint.h>

#include "packet/ipv4.h"

struct tunneld;
struct uplink;
struct tunnel;

/* An ICMP packet that came on an uplink's socket. */
void errors_came(struct tunneld *tunneld, const struct uplink *uplink, const struct ipv4_view *packet);

/* Was the tunnel's end said to be unreachable not long ago, and has nothing come from there since? */
bool errors_stand(const struct tunneld *tunneld, const struct tunnel *tunnel);

#endif
