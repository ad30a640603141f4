/* What the helper did to the kernel, row by row: each is done once, and undone when it is not wanted any more. */
#ifndef CAREOF_KERNEL_ROWS_H
#define CAREOF_KERNEL_ROWS_H

#include "outcome.h"

struct message;
struct message_set_neighbour;

/* Any Set... or Drop... of a row but SetNeighbour; ENOSYS: it is none. */
struct outcome kernel_rows_apply(struct tunneld *tunneld, const struct message *message);
struct outcome kernel_rows_set_neighbour(struct tunneld *tunneld, const struct message_set_neighbour *set);

/* Drops what was not set again since ReplayBegin. */
void kernel_rows_sweep(struct tunneld *tunneld);

#endif
