/* Packets that are ready to leave, in one arena, sent together at the end of a turn.
 *
 *     arena:  | head | packet | head | packet | ...   | head | packet | ...
 *              \------- one outgoing: one tunnel, one stride -------/
 *
 * An outgoing is one message of a sendmmsg(): with UDP_SEGMENT the kernel cuts it at its stride, so a
 * super-packet, or any run of packets of one size by one tunnel, costs one trip through the kernel.
 * Where UDP_SEGMENT is missing or refused, and on raw sockets, each packet is a message of its own. */
#ifndef CAREOF_SEND_H
#define CAREOF_SEND_H

#include <stddef.h>
#include <stdint.h>

#include "limits.h"

struct tunneld;
struct tunnel;

struct outgoing {
    struct tunnel *tunnel;
    uint8_t kind; /* the tunnel's, or what one packet of it falls back to */
    uint8_t header_size;
    uint32_t offset, size;
    uint16_t stride; /* of all packets but perhaps the last */
    uint16_t count;
    uint8_t tos;
};

struct sender {
    uint8_t *arena; /* SEND_ARENA_SIZE; pages that no burst needed are never touched */
    uint32_t used;
    uint32_t outgoing_count;
    struct outgoing outgoing[SEND_MESSAGES];
};

/* A place for `size` octets (at most SEND_ARENA_SIZE), header included; sends what is there if it must. */
uint8_t *sender_room(struct tunneld *tunneld, uint32_t size);

/* Octets that sender_room() could give without sending first. */
static inline uint32_t sender_left(const struct sender *sender)
{
    return SEND_ARENA_SIZE - sender->used;
}

/* What was written to that place: `count` packets, each `stride` octets but the last. */
void sender_add(struct tunneld *tunneld, struct tunnel *tunnel, uint8_t tos, uint16_t stride, uint16_t count,
                uint32_t size);

/* One packet that the tunnel's kind cannot carry: plain IP in IP, which has no header of ours. */
void sender_add_ipip(struct tunneld *tunneld, struct tunnel *tunnel, uint8_t tos, uint16_t size);

/* Sends all. Must be called before a turn ends and before any tunnel or uplink changes. */
void sender_flush(struct tunneld *tunneld);

#endif
