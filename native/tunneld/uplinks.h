/* Uplinks and their sockets: one for UDP, and one for each protocol that a tunnel wants. */
#ifndef CAREOF_UPLINKS_H
#define CAREOF_UPLINKS_H

#include "outcome.h"

struct message_set_uplink;
struct message_set_tunnel;

struct outcome uplinks_set(struct tunneld *tunneld, const struct message_set_uplink *set);
struct outcome uplinks_drop(struct tunneld *tunneld, uint32_t id);

/* A tunnel, and the socket that it wants on its uplink. */
struct outcome uplinks_set_tunnel(struct tunneld *tunneld, const struct message_set_tunnel *set);

/* Drops what was not set again since ReplayBegin. */
void uplinks_sweep(struct tunneld *tunneld);

#endif
