/* A C process's socket to careofd: one client at a time, messages of the process's table in and out.
 *
 * A new connection of somebody who may takes the place of the old one: a careofd that was killed and one
 * that hangs look alike from here, and its successor must not wait for either. What it does not read waits in
 * a bounded queue; a client that lets it fill has stopped, and is hung up on. */
#ifndef CAREOF_CHANNEL_H
#define CAREOF_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "codec.h"
#include "loop.h"

enum channel_oddity { CHANNEL_REFUSED, CHANNEL_MALFORMED, CHANNEL_UNKNOWN_KIND };

/* What a process says of its channel, once. */
struct channel_rules {
    const struct message_row *rows;
    size_t row_count;
    size_t queue_size;      /* octets that wait for a slow client, at most */
    unsigned per_turn;      /* datagrams read before others have their turn */
    bool many_in;           /* a datagram that comes in may be several messages, though what is told is one */
    size_t batch_size;      /* 0: a datagram is one message. Else several make one, of this many octets at most;
                             * while half of the queue is full, nothing more is read */
    /* Where a message that came is unpacked to before `take` is called: its header, and any row's structure. */
    struct message_header *header;
    void *values;
    size_t values_size;
    void (*take)(void *owner);
    void (*odd)(void *owner, enum channel_oddity oddity); /* to be counted */
    void (*gone)(void *owner);                            /* the client, for whatever reason; or NULL */
};

struct channel {
    const struct channel_rules *rules;
    struct loop *loop;
    void *owner;
    const uint64_t *now_us;
    struct watcher listener, client;
    uid_t client_owner; /* may connect, as root may */
    uint8_t *message;   /* MESSAGE_SIZE_MAX: a datagram on its way out */
    size_t filled;      /* octets of it */
    uint8_t *received;  /* MESSAGE_SIZE_MAX */
    uint8_t *queue;     /* rules->queue_size: a u32 size, then the datagram; in order */
    size_t queue_begin, queue_end;
    uint32_t number; /* of the last message sent */
};

/* Memory for everything. False with errno set. */
bool channel_begin(struct channel *channel, const struct channel_rules *rules, struct loop *loop, void *owner,
                   const uint64_t *now_us);

/* Listens at `path`, which only `client_owner` may use, in the place of whoever died there. False with errno set:
 * EADDRINUSE if somebody lives there, EEXIST if it is no socket. */
bool channel_listen(struct channel *channel, const char *path, uid_t client_owner);

/* This connection in the place of the one before. Closes it and is false if that cannot be. */
bool channel_adopt(struct channel *channel, int client);

/* Sends one message, or queues it; without a client it is lost. `values`: the structure of its row. */
void channel_tell(struct channel *channel, uint16_t kind, const void *values);

/* The same with only the first `limit` octets of the queue. False: it was dropped. Not with batches. */
bool channel_tell_within(struct channel *channel, uint16_t kind, const void *values, size_t limit);

/* Sends what was told and not sent yet: with batches, before the process waits again. */
void channel_flush(struct channel *channel);

/* Ends the connection. */
void channel_hang_up(struct channel *channel, const char *why);

/* Octets that can still be told before the client counts as stopped. */
size_t channel_room(const struct channel *channel);

static inline bool channel_has_client(const struct channel *channel)
{
    return channel->client.fd >= 0;
}

#endif
