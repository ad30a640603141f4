/* Links: devices whose router discovery and signalling careofd reads and writes itself, with link-layer addresses
 * (wire/tunneld.py SetLink). */
#ifndef CAREOF_LINKS_H
#define CAREOF_LINKS_H

#include "messages.h"

struct tunneld;
struct helper_answer;

/* The descriptor that the helper opened for it; -1: the one that it has stays. Returns 0 or an errno. */
int links_set(struct tunneld *tunneld, const struct message_set_link *set, const struct helper_answer *answer, int fd);
int links_drop(struct tunneld *tunneld, uint32_t id);
void links_send(struct tunneld *tunneld, const struct message_send_frame *frame);

/* Drops whatever was not set in the replay that just ended. */
void links_sweep(struct tunneld *tunneld);

#endif
