/* The part of keyd that waits: a thread that does one job at a time while the loop goes on answering.
 *
 *     APPEND    octets at the end of the state file, and on the disk (fdatasync)
 *     REPLACE   another state file: written under a temporary name, fsync, rename, fsync of the folder
 *     KEYS      the file of keys, read into memory of its own
 *
 * After an APPEND that failed, nothing is known of the end of the file: only a REPLACE makes it good again. That the
 * disk took something is only said when it has all of it. */
#ifndef CAREOF_WORKER_H
#define CAREOF_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys_file.h"

enum worker_verb { WORKER_APPEND, WORKER_REPLACE, WORKER_KEYS };

struct worker_job {
    enum worker_verb verb;
    uint8_t *octets; /* of APPEND and REPLACE; whoever asked frees them */
    size_t size;
    struct keys *keys; /* of KEYS: begun, to be filled */
    int error;         /* the answer: an errno, or 0 */
    char text[KEYS_ERROR_SIZE];
};

struct worker {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t asked;
    enum { WORKER_IDLE, WORKER_ASKED, WORKER_DONE } state;
    struct worker_job job;
    int done_event; /* an eventfd: readable when a job is done */
    const char *keys_path; /* or NULL */
    const char *keys_name;
    int keys_folder, folder, file; /* descriptors; the file is -1 until there is one */
    char name[200], temporary[sizeof ".new" + 199];
    uint64_t end; /* octets of the file that are good */
    bool (*give_up_rights)(const char **what); /* the thread's own, before its first job */
    const char *refused;                       /* what it said */
    int refused_error;
};

/* The folder of the state file, and a lock on it: one keyd for each folder; and that of the keys (or NULL). Who may
 * open them now need not be who may later. False with errno set; `path` is then the one that it is about. */
bool worker_open(struct worker *worker, const char *state_path, const char *keys_path, const char **path);

/* The file of keys, in the thread that calls. */
bool worker_read_keys(struct worker *worker, struct keys *keys, int *error, char text[KEYS_ERROR_SIZE]);

/* Reads the whole state file, malloc()ed, and leaves its end as `good` with worker_file_is_good(). A file that is not
 * there is *octets NULL. False with errno set. */
bool worker_read_file(struct worker *worker, uint8_t **octets, size_t *size);
void worker_file_is_good(struct worker *worker, size_t good_size);

/* Starts the thread. False with errno set and `what` named. */
bool worker_start(struct worker *worker, bool (*give_up_rights)(const char **what), const char **what);

/* Is it idle? Only then may it be asked. */
bool worker_is_idle(struct worker *worker);
void worker_ask(struct worker *worker, const struct worker_job *job);

/* The job that is done, if one is; the worker is idle then. */
bool worker_take_done(struct worker *worker, struct worker_job *job);

/* One job, in the thread that calls. */
void worker_do(struct worker *worker, struct worker_job *job);

#endif
