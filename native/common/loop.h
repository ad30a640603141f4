/* The event loop: epoll, level-triggered, one handler a descriptor. A handler does a bounded amount of work
 * and returns; what it left is told again. */
#ifndef CAREOF_LOOP_H
#define CAREOF_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct watcher {
    int fd; /* -1: none */
    /* owner: whose loop it is, as loop_turn() was told (struct tunneld, struct keyd) */
    void (*ready)(void *owner, struct watcher *watcher, uint32_t events);
};

struct loop {
    int epoll;
    bool changed; /* a watcher was removed: events that were fetched may be of one that is gone */
};

bool loop_begin(struct loop *loop);
bool loop_watch(struct loop *loop, struct watcher *watcher, uint32_t events);
void loop_change(struct loop *loop, struct watcher *watcher, uint32_t events);

/* Closes its descriptor too. */
void loop_forget(struct loop *loop, struct watcher *watcher);

/* Waits at most until `deadline_us` (UINT64_MAX: no deadline), sets `now_us` and calls who is ready. */
void loop_turn(struct loop *loop, void *owner, uint64_t *now_us, uint64_t deadline_us);

static inline uint64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

#endif
