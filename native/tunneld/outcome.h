/* What came of a message: an errno, and a text for careofd's log. */
#ifndef CAREOF_OUTCOME_H
#define CAREOF_OUTCOME_H

#include "helper.h"

struct tunneld;

struct outcome {
    int error;
    char text[sizeof((struct helper_answer *)0)->text];
};

/* With the text of that errno; 0: done. */
struct outcome outcome_of(int error);

/* The helper's. Without a helper tunneld ends. */
struct outcome outcome_of_helper(struct tunneld *tunneld, const struct helper_request *request,
                                 struct helper_answer *answer, int *descriptor);

#endif
