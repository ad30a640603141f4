/* What careofd says, and what it is told (wire/keyd.py). */
#ifndef CAREOF_ANSWER_H
#define CAREOF_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

struct keyd;
struct message;

/* Memory for the channel. False with errno set. */
bool answer_begin(struct keyd *keyd);

/* One message that came. */
void answer(struct keyd *keyd, const struct message *message);

/* The worker did a job. */
void answer_job_done(struct keyd *keyd);

/* Gives the worker what there is to do, and tells careofd what is due; when to call again (UINT64_MAX: when
 * something happens). */
uint64_t answer_work(struct keyd *keyd);

#endif
