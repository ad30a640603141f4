#include "hold.h"

#include <stdlib.h>
#include <string.h>

#include "tunneld.h"

/* All that is held, oldest first: one list of everything for the age, one of each route for its order. */
struct held_packet {
    struct held_packet *next_of_route;
    struct held_packet *older, *newer;
    struct route *route;
    uint64_t since_us;
    uint32_t size, packets;
    uint8_t read[];
};

static struct held_packet *oldest, *newest;
static size_t held_size;

void hold_add(struct tunneld *tunneld, struct route *route, const uint8_t *read, size_t size, uint32_t packets)
{
    struct hold_queue *queue = &route->hold;
    struct held_packet *held = NULL;
    if (queue->count < HOLD_PACKETS_MAX && held_size + size <= HOLD_SIZE_MAX)
        held = malloc(sizeof *held + size);
    if (!held) {
        count(tunneld, COUNTER_OUT_HOLD_FULL, packets);
        return;
    }
    *held = (struct held_packet){
        .older = newest, .route = route, .since_us = tunneld->now_us, .size = (uint32_t)size, .packets = packets};
    memcpy(held->read, read, size);
    if (newest)
        newest->newer = held;
    else
        oldest = held;
    newest = held;
    if (!queue->first)
        queue->last = &queue->first;
    *queue->last = held;
    queue->last = &held->next_of_route;
    queue->count++;
    held_size += size;
}

/* The first of the route, out of both lists; the caller frees it. */
static struct held_packet *take_first(struct route *route)
{
    struct held_packet *held = route->hold.first;
    route->hold.first = held->next_of_route;
    route->hold.count--;
    if (held->older)
        held->older->newer = held->newer;
    else
        oldest = held->newer;
    if (held->newer)
        held->newer->older = held->older;
    else
        newest = held->older;
    held_size -= held->size;
    return held;
}

void hold_open(struct tunneld *tunneld, struct route *route)
{
    while (route->hold.first) {
        struct held_packet *held = take_first(route);
        if (tunneld->now_us - held->since_us > HOLD_AGE_US)
            count(tunneld, COUNTER_OUT_HOLD_LATE, held->packets);
        else
            out_by_route(tunneld, route, held->read, held->size);
        free(held);
    }
    sender_flush(tunneld);
}

void hold_drop(struct tunneld *tunneld, struct route *route, uint32_t counter)
{
    while (route->hold.first) {
        struct held_packet *held = take_first(route);
        count(tunneld, counter, held->packets);
        free(held);
    }
}

uint64_t hold_expire(struct tunneld *tunneld)
{
    while (oldest && tunneld->now_us - oldest->since_us > HOLD_AGE_US) {
        /* The oldest of all is the oldest of its route. */
        struct held_packet *held = take_first(oldest->route);
        count(tunneld, COUNTER_OUT_HOLD_LATE, held->packets);
        free(held);
    }
    return oldest ? oldest->since_us + HOLD_AGE_US + 1 : UINT64_MAX;
}
