#include "outcome.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "tunneld.h"

struct outcome outcome_of(int error)
{
    struct outcome outcome = {.error = error};
    if (error)
        snprintf(outcome.text, sizeof outcome.text, "%s", strerror(error));
    return outcome;
}

struct outcome outcome_of_helper(struct tunneld *tunneld, const struct helper_request *request,
                                 struct helper_answer *answer, int *descriptor)
{
    struct outcome outcome = {0};
    if (!helper_ask(&tunneld->helper, request, answer, descriptor)) {
        outcome = outcome_of(errno);
        log_line(LOG_ERROR, "the helper does not answer: %s", strerror(errno));
        tunneld->exit_code = EXIT_HELPER;
    } else if (answer->error) {
        outcome.error = answer->error;
        memcpy(outcome.text, answer->text, sizeof outcome.text);
    }
    return outcome;
}
