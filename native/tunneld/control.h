/* The socket to careofd (common/channel.h): messages of wire/tunneld.py in and out, a datagram each. What is
 * held stays as it was when a client goes. */
#ifndef CAREOF_CONTROL_H
#define CAREOF_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "channel.h"

struct tunneld;

/* Memory for it. False with errno set. */
bool control_begin(struct tunneld *tunneld);

/* Sends one message, or queues it; without a client it is lost. `values`: the structure of its row. */
void control_tell(struct tunneld *tunneld, uint16_t kind, const void *values);

/* The same for what an outsider caused: it has only a part of the queue. False: it was dropped. */
bool control_tell_signal(struct tunneld *tunneld, uint16_t kind, const void *values, bool known);

#endif
