/* Tunnels, paths, routes and what may come by a tunnel: set, changed in place and dropped (state.h says how they
 * hang together). Each returns 0 or an errno, and then has changed nothing. */
#ifndef CAREOF_OBJECTS_H
#define CAREOF_OBJECTS_H

#include <stdint.h>

#include "messages.h"

struct tunneld;

int objects_set_tunnel(struct tunneld *tunneld, const struct message_set_tunnel *set);
int objects_set_link_tunnel(struct tunneld *tunneld, const struct message_set_link_tunnel *set);
int objects_drop_tunnel(struct tunneld *tunneld, uint32_t id);
int objects_set_path(struct tunneld *tunneld, const struct message_set_path *set);
int objects_drop_path(struct tunneld *tunneld, uint32_t id);
int objects_set_route(struct tunneld *tunneld, const struct message_set_route *set);
int objects_drop_route(struct tunneld *tunneld, const struct message_drop_route *drop);
int objects_set_inner(struct tunneld *tunneld, const struct message_set_inner *set);
int objects_drop_inner(struct tunneld *tunneld, const struct message_drop_inner *drop);

/* Drops whatever was not set in the replay that just ended. */
void objects_sweep(struct tunneld *tunneld);

#endif
