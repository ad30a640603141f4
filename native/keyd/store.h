/* The state: values by name, in memory and in the state file (journal.h). Memory has what was said last; the file
 * follows by the worker, so that nothing here waits for a disk.
 *
 *     saved -> pending --worker is idle--> being appended --fdatasync--> on the disk: told with Saved
 *                                          |
 *                                          failed -> the whole file is rewritten, every RETRY_US until it is done
 *
 * The whole file is also rewritten when most of it is out of date, and when it was found cut off at the start. */
#ifndef CAREOF_STORE_H
#define CAREOF_STORE_H

#include "journal.h"
#include "names.h"
#include "worker.h"

struct value {
    struct named named;
    uint32_t size;
    uint8_t octets[];
};

struct octets {
    uint8_t *at;
    size_t size, room;
};

struct store {
    struct worker *worker;
    struct names values;
    size_t live_size; /* octets of a file that has each value once */
    struct journal journal;
    uint64_t file_size;    /* when all that is pending or under way is in it */
    struct octets pending; /* records that no job has yet */
    bool must_rewrite;
    bool failing; /* the disk refused last time */
    uint64_t retry_us;
    /* What careofd waits for: the number of its last message that is pending, and that is under way. */
    bool pending_waits, job_waits;
    uint32_t pending_number, job_number;
    /* A value of which more is to come. */
    struct named part_name;
    struct octets part;
};

struct store_outcome {
    bool saved; /* all up to `number` is on the disk */
    uint32_t number;
    bool trouble; /* the disk refused, as the job says */
};

/* Reads the state file. False with errno set, or with `text` that says what is wrong. */
bool store_begin(struct store *store, struct worker *worker, uint64_t secret, char text[KEYS_ERROR_SIZE]);

/* Gives all memory back. */
void store_end(struct store *store);

/* An errno, or 0: it will be on the disk when Saved tells so. */
int store_save(struct store *store, uint32_t number, const struct named *name, const uint8_t *octets, size_t size,
               bool more);
int store_forget(struct store *store, uint32_t number, const struct named *name);

/* careofd is gone, or another one came: nobody waits, and what was half said is forgotten. */
void store_client_gone(struct store *store);

/* Gives the idle worker what there is to do; says when to call again (UINT64_MAX: when something happens). `told`
 * is set if everything is on the disk already, up to store->pending_number. */
uint64_t store_work(struct store *store, uint64_t now_us, bool *told);

/* Has the disk all of it? */
bool store_is_on_disk(const struct store *store);

/* The worker did a job of ours. */
struct store_outcome store_job_done(struct store *store, struct worker_job *job, uint64_t now_us);

#endif
