#include "watch.h"

#include "tunneld.h"

static void begin(struct state *state, struct path *path)
{
    path->watch_next = state->watched;
    path->watch_link = &state->watched;
    if (path->watch_next)
        path->watch_next->watch_link = &path->watch_next;
    state->watched = path;
    path->waiting = true;
}

static void end(struct path *path)
{
    *path->watch_link = path->watch_next;
    if (path->watch_next)
        path->watch_next->watch_link = path->watch_link;
    path->waiting = false;
    if (path->unanswered)
        path->tunnel->unanswered_paths--;
    path->unanswered = false;
}

void watch_sent(struct tunneld *tunneld, struct path *path)
{
    if (!path->patience_us || path->unanswered)
        return;
    if (!path->waiting)
        begin(&tunneld->state, path);
    else if (path->tunnel->last_in_us < path->waiting_since_us)
        return; /* still waiting for the answer to an earlier one */
    path->waiting_since_us = tunneld->now_us;
}

void watch_received(struct tunneld *tunneld, struct tunnel *tunnel)
{
    tunnel->last_in_us = tunneld->now_us;
    if (!tunnel->unanswered_paths)
        return;
    for (struct path *path = tunneld->state.watched, *next; path; path = next) {
        next = path->watch_next;
        if (path->tunnel != tunnel || !path->unanswered)
            continue;
        end(path);
        struct message_answered answered = {.path = path->name.id};
        control_tell(tunneld, MESSAGE_ANSWERED, &answered);
    }
}

void watch_forget(struct tunneld *tunneld, struct path *path)
{
    (void)tunneld;
    if (path->waiting)
        end(path);
}

uint64_t watch_expire(struct tunneld *tunneld)
{
    uint64_t earliest_us = UINT64_MAX;
    for (struct path *path = tunneld->state.watched, *next; path; path = next) {
        next = path->watch_next;
        if (path->unanswered)
            continue;
        if (path->tunnel->last_in_us >= path->waiting_since_us) {
            end(path);
            continue;
        }
        uint64_t due_us = path->waiting_since_us + path->patience_us;
        if (due_us <= tunneld->now_us) {
            path->unanswered = true;
            path->tunnel->unanswered_paths++;
            struct message_unanswered unanswered = {
                .path = path->name.id, .since_ms = (uint32_t)((tunneld->now_us - path->waiting_since_us) / 1000)};
            control_tell(tunneld, MESSAGE_UNANSWERED, &unanswered);
        } else if (due_us < earliest_us) {
            earliest_us = due_us;
        }
    }
    return earliest_us;
}
