/* Is something coming back? (CONTRACT of wire/tunneld.py: Unanswered, Answered.)
 *
 *     quiet --sent--> waiting --patience--> unanswered (told once) --something came--> quiet (told)
 *       ^---something came---'
 *
 * Waiting begins with the first packet that went out after the last that came in, so a path that falls
 * silent under traffic is reported one patience later, not two. A packet that comes in costs one store;
 * a batch that goes out, one comparison. */
#ifndef CAREOF_WATCH_H
#define CAREOF_WATCH_H

#include <stdint.h>

struct tunneld;
struct path;
struct tunnel;

void watch_sent(struct tunneld *tunneld, struct path *path);
void watch_received(struct tunneld *tunneld, struct tunnel *tunnel);

/* The path is set anew or dropped: forget what it waited for. */
void watch_forget(struct tunneld *tunneld, struct path *path);

/* Reports who has run out of patience; when to ask again (UINT64_MAX: nobody waits). */
uint64_t watch_expire(struct tunneld *tunneld);

#endif
