/* The worker's thread: jobs are handed over under a lock, one at a time (worker.c does them). */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "worker.h"

static void tell_done(struct worker *worker)
{
    uint64_t one = 1;
    if (write(worker->done_event, &one, sizeof one) < 0)
        return; /* it is readable already */
}

static void *run(void *given)
{
    struct worker *worker = given;
    const char *what = "";
    int error = worker->give_up_rights && !worker->give_up_rights(&what) ? errno : 0;
    pthread_mutex_lock(&worker->mutex);
    worker->refused = what;
    worker->refused_error = error;
    worker->state = WORKER_IDLE;
    pthread_cond_broadcast(&worker->asked);
    for (;;) {
        while (worker->state != WORKER_ASKED)
            pthread_cond_wait(&worker->asked, &worker->mutex);
        pthread_mutex_unlock(&worker->mutex);
        worker_do(worker, &worker->job);
        pthread_mutex_lock(&worker->mutex);
        worker->state = WORKER_DONE;
        tell_done(worker);
    }
    return NULL;
}

bool worker_start(struct worker *worker, bool (*give_up_rights)(const char **what), const char **what)
{
    worker->give_up_rights = give_up_rights;
    worker->state = WORKER_DONE; /* until it says that it is ready */
    *what = "start a thread";
    worker->done_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->done_event < 0)
        return false;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    pthread_mutex_init(&worker->mutex, NULL);
    pthread_cond_init(&worker->asked, NULL);
    errno = pthread_create(&worker->thread, &attributes, run, worker);
    pthread_attr_destroy(&attributes);
    if (errno)
        return false;
    pthread_mutex_lock(&worker->mutex);
    while (worker->state != WORKER_IDLE)
        pthread_cond_wait(&worker->asked, &worker->mutex);
    *what = worker->refused;
    errno = worker->refused_error;
    pthread_mutex_unlock(&worker->mutex);
    return errno == 0;
}

bool worker_is_idle(struct worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    bool idle = worker->state == WORKER_IDLE;
    pthread_mutex_unlock(&worker->mutex);
    return idle;
}

void worker_ask(struct worker *worker, const struct worker_job *job)
{
    pthread_mutex_lock(&worker->mutex);
    worker->job = *job;
    worker->state = WORKER_ASKED;
    pthread_cond_signal(&worker->asked);
    pthread_mutex_unlock(&worker->mutex);
}

bool worker_take_done(struct worker *worker, struct worker_job *job)
{
    uint64_t counted;
    if (read(worker->done_event, &counted, sizeof counted) < 0)
        return false;
    pthread_mutex_lock(&worker->mutex);
    bool done = worker->state == WORKER_DONE;
    if (done) {
        *job = worker->job;
        worker->state = WORKER_IDLE;
    }
    pthread_mutex_unlock(&worker->mutex);
    return done;
}
