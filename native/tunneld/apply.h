/* What careofd says, done: each Set..., Drop... and question of wire/tunneld.py. */
#ifndef CAREOF_APPLY_H
#define CAREOF_APPLY_H

#include <stdint.h>

struct tunneld;
struct message;

/* Does what a message of ours says; what failed is answered with Done and changed nothing else. */
void apply(struct tunneld *tunneld, const struct message *message);

/* Tells of routes that ran out (each once); when to ask again (UINT64_MAX: none runs out). */
uint64_t apply_expiries(struct tunneld *tunneld);

#endif
