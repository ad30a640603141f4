#include "loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS = 16 };

bool loop_begin(struct loop *loop)
{
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    return loop->epoll >= 0;
}

bool loop_watch(struct loop *loop, struct watcher *watcher, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watcher};
    return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, watcher->fd, &event) == 0;
}

void loop_change(struct loop *loop, struct watcher *watcher, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watcher};
    epoll_ctl(loop->epoll, EPOLL_CTL_MOD, watcher->fd, &event);
}

void loop_forget(struct loop *loop, struct watcher *watcher)
{
    if (watcher->fd < 0)
        return;
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watcher->fd, &(struct epoll_event){0});
    close(watcher->fd);
    watcher->fd = -1;
    loop->changed = true;
}

static int timeout_ms(uint64_t now_us, uint64_t deadline_us)
{
    if (deadline_us == UINT64_MAX)
        return -1;
    if (deadline_us <= now_us)
        return 0;
    uint64_t left_ms = (deadline_us - now_us + 999) / 1000;
    return left_ms > 3600000 ? 3600000 : (int)left_ms;
}

void loop_turn(struct loop *loop, void *owner, uint64_t *now_us, uint64_t deadline_us)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(loop->epoll, events, EVENTS, timeout_ms(*now_us, deadline_us));
    *now_us = clock_us();
    loop->changed = false;
    for (int i = 0; i < count && !loop->changed; i++) {
        struct watcher *watcher = events[i].data.ptr;
        watcher->ready(owner, watcher, events[i].events);
    }
}
