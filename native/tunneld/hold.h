/* A gate on hold: the last packets of a short interruption wait for it to open, bounded in number, octets and
 * age. What does not fit is dropped (the newest: a sender that is stopped learns it sooner). */
#ifndef CAREOF_HOLD_H
#define CAREOF_HOLD_H

#include <stddef.h>
#include <stdint.h>

struct tunneld;
struct route;

/* packets: how many the read stands for, for the counters. */
void hold_add(struct tunneld *tunneld, struct route *route, const uint8_t *read, size_t size, uint32_t packets);

/* Sends what is held and young enough, in order. */
void hold_open(struct tunneld *tunneld, struct route *route);

/* Drops all of it, under that counter. */
void hold_drop(struct tunneld *tunneld, struct route *route, uint32_t counter);

/* Drops what is too old in every route; when to ask again (UINT64_MAX: nothing is held). */
uint64_t hold_expire(struct tunneld *tunneld);

#endif
