/* The socket to careofd: one client at a time, messages of wire/tunneld.py in and out.
 *
 * A new connection of somebody who may takes the place of the old one: a careofd that was killed and one
 * that hangs look alike from here, and its successor must not wait for either. What is held stays as it
 * was when a client goes. What it does not read waits in a bounded queue; a client that lets it fill has
 * stopped, and is hung up on. */
#ifndef CAREOF_CONTROL_H
#define CAREOF_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "loop.h"

struct tunneld;

struct control {
    struct watcher listener, client;
    uid_t owner;       /* may connect, as root may */
    uint8_t *message;  /* MESSAGE_SIZE_MAX: one that came, or one on its way out */
    uint8_t *received; /* MESSAGE_SIZE_MAX */
    uint8_t *queue;    /* CLIENT_BUFFER_SIZE: a u32 size, then the message; in order */
    size_t queue_begin, queue_end;
    uint32_t number; /* of the last message sent */
};

/* Listens at `path`, which only `owner` may use. False with errno set. */
bool control_listen(struct tunneld *tunneld, const char *path, uid_t owner);

/* Sends one message, or queues it; without a client it is lost. `values`: the structure of its row. */
void control_tell(struct tunneld *tunneld, uint16_t kind, const void *values);

/* The same for what an outsider caused: it has only a part of the queue. False: it was dropped. */
bool control_tell_signal(struct tunneld *tunneld, uint16_t kind, const void *values);

static inline bool control_has_client(const struct control *control)
{
    return control->client.fd >= 0;
}

#endif
