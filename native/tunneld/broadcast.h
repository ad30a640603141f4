/* What is sent to all or to several of a home network, copied to the nodes that listen to it from away (RFC 5944
 * 4.3; wire/tunneld.py SetListener). */
#ifndef CAREOF_BROADCAST_H
#define CAREOF_BROADCAST_H

#include "messages.h"
#include "packet/ipv4.h"

struct tunneld;
struct state;

/* Returns 0 or an errno. */
int broadcast_set(struct state *state, const struct message_set_listener *set);
int broadcast_drop(struct state *state, uint32_t home);
void broadcast_sweep(struct state *state);

/* Does anyone listen to packets like this one? */
bool broadcast_is_heard(const struct state *state, const struct ipv4_view *view);

/* To all who listen, if the rate allows it. The packet has all its checksums. */
void broadcast_send(struct tunneld *tunneld, const struct ipv4_view *view);

#endif
