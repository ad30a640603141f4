#include "store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "limits.h"
#include "log.h"

/* -- Octets that grow ----------------------------------------------------------------------------- */

static uint8_t *octets_room(struct octets *octets, size_t size)
{
    if (octets->size + size > octets->room) {
        size_t room = octets->room ? octets->room : 4096;
        while (room < octets->size + size)
            room *= 2;
        uint8_t *at = realloc(octets->at, room);
        if (!at)
            return NULL;
        octets->at = at;
        octets->room = room;
    }
    uint8_t *at = octets->at + octets->size;
    octets->size += size;
    return at;
}

static void octets_free(struct octets *octets)
{
    free(octets->at);
    *octets = (struct octets){0};
}

/* -- Values --------------------------------------------------------------------------------------- */

static size_t size_in_file(const struct value *value)
{
    return journal_record_size(value->named.name_size, value->size);
}

static struct value *value_of(const struct store *store, const struct named *name)
{
    return (struct value *)names_get(&store->values, name->name, name->name_size);
}

/* In the place of the value of that name, if there is one. */
static int set_value(struct store *store, const struct named *name, const uint8_t *octets, size_t size)
{
    struct value *before = value_of(store, name);
    size_t freed = before ? size_in_file(before) : 0;
    if (store->live_size - freed + journal_record_size(name->name_size, size) > VALUES_SIZE_MAX ||
        (!before && store->values.count >= VALUES_MAX))
        return ENOSPC;
    struct value *value = malloc(sizeof *value + size);
    if (!value)
        return ENOMEM;
    value->named = *name;
    value->size = (uint32_t)size;
    if (size)
        memcpy(value->octets, octets, size);
    if (before)
        free(names_remove(&store->values, name->name, name->name_size));
    store->live_size -= freed;
    if (!names_put(&store->values, &value->named)) {
        free(value);
        return ENOMEM;
    }
    store->live_size += size_in_file(value);
    return 0;
}

static bool drop_value(struct store *store, const struct named *name)
{
    struct value *value = (struct value *)names_remove(&store->values, name->name, name->name_size);
    if (value)
        store->live_size -= size_in_file(value);
    free(value);
    return value != NULL;
}

/* -- From the file -------------------------------------------------------------------------------- */

static bool take_record(void *owner, const struct record *record)
{
    struct store *store = owner;
    struct named name;
    named_set(&name, record->name, record->name_size);
    if (record->kind == RECORD_FORGET)
        drop_value(store, &name);
    else
        errno = set_value(store, &name, record->value, record->value_size);
    return record->kind == RECORD_FORGET || errno == 0;
}

bool store_begin(struct store *store, struct worker *worker, uint64_t secret, char text[KEYS_ERROR_SIZE])
{
    uint8_t *octets;
    size_t size, good_size;
    *store = (struct store){.worker = worker, .live_size = JOURNAL_HEADER_SIZE};
    names_begin(&store->values, VALUES_MAX, secret);
    text[0] = 0;
    if (!worker_read_file(worker, &octets, &size))
        return false;
    if (!octets) { /* there is none yet */
        store->must_rewrite = true;
        return true;
    }
    enum journal_result result = journal_read(&store->journal, octets, size, take_record, store, &good_size);
    free(octets);
    if (result == JOURNAL_FOREIGN)
        snprintf(text, KEYS_ERROR_SIZE, "not a state file: it is left as it is");
    if (result == JOURNAL_OTHER)
        snprintf(text, KEYS_ERROR_SIZE, "a state file of another version, of a newer careof-keyd: it is left as it is");
    if (result == JOURNAL_STOPPED)
        snprintf(text, KEYS_ERROR_SIZE, "has more than %d values or %d octets of them, or memory is short", VALUES_MAX,
                 VALUES_SIZE_MAX);
    if (text[0])
        return false;
    if (result == JOURNAL_CUT) {
        log_line(LOG_WARNING, "the state file ends in %zu octets that are no record: they are left out", size - good_size);
        store->must_rewrite = true;
    }
    store->file_size = good_size;
    worker_file_is_good(worker, good_size);
    return true;
}

void store_end(struct store *store)
{
    for (uint32_t slot = 0; slot < store->values.slot_count; slot++)
        free(store->values.slots[slot]);
    names_end(&store->values);
    octets_free(&store->pending);
    octets_free(&store->part);
}

/* -- From careofd --------------------------------------------------------------------------------- */

static void wait_for(struct store *store, uint32_t number)
{
    store->pending_waits = true;
    store->pending_number = number;
}

/* A record for the next job. Without memory, or when too much waits, all is written anew instead. */
static void add_record(struct store *store, const struct record *record)
{
    size_t size = journal_record_size(record->name_size, record->value_size);
    if (store->must_rewrite)
        return; /* it will be in that */
    uint8_t *at = store->pending.size + size > PENDING_SIZE_MAX ? NULL : octets_room(&store->pending, size);
    if (!at) {
        store->must_rewrite = true;
        octets_free(&store->pending);
        return;
    }
    journal_put(&store->journal, record, at);
    store->file_size += size;
    if (store->file_size > 2 * store->live_size + STATE_SLACK_SIZE)
        store->must_rewrite = true;
}

static bool is_same(const struct value *value, const uint8_t *octets, size_t size)
{
    return value && value->size == size && (size == 0 || memcmp(value->octets, octets, size) == 0);
}

static int save_whole(struct store *store, uint32_t number, const struct named *name, const uint8_t *octets,
                      size_t size)
{
    int error = 0;
    if (size > VALUE_SIZE_MAX)
        return EMSGSIZE;
    if (!is_same(value_of(store, name), octets, size)) { /* a flash is not worn out by what it has */
        error = set_value(store, name, octets, size);
        struct record record = {RECORD_VALUE, name->name, name->name_size, octets, size};
        if (!error)
            add_record(store, &record);
    }
    if (!error)
        wait_for(store, number);
    return error;
}

int store_save(struct store *store, uint32_t number, const struct named *name, const uint8_t *octets, size_t size,
               bool more)
{
    struct octets *part = &store->part;
    bool goes_on = part->size && memcmp(&store->part_name, name, sizeof *name) == 0;
    if (!goes_on) {
        octets_free(part);
        if (!more)
            return save_whole(store, number, name, octets, size);
        store->part_name = *name;
    }
    int error = part->size + size > VALUE_SIZE_MAX ? EMSGSIZE : 0;
    uint8_t *at = error ? NULL : octets_room(part, size);
    if (at && size)
        memcpy(at, octets, size);
    if (!at && !error)
        error = ENOMEM;
    if (more && !error)
        return 0;
    if (!error)
        error = save_whole(store, number, name, part->at, part->size);
    octets_free(part);
    return error;
}

int store_forget(struct store *store, uint32_t number, const struct named *name)
{
    struct record record = {RECORD_FORGET, name->name, name->name_size, NULL, 0};
    octets_free(&store->part);
    if (drop_value(store, name))
        add_record(store, &record);
    wait_for(store, number);
    return 0;
}

void store_client_gone(struct store *store)
{
    store->pending_waits = store->job_waits = false;
    octets_free(&store->part);
}

/* -- To the disk ---------------------------------------------------------------------------------- */

/* A file with each value once. */
static bool all_of_it(struct store *store, struct octets *octets)
{
    uint8_t salt[JOURNAL_SALT_SIZE];
    struct journal journal;
    uint8_t *at = octets_room(octets, store->live_size);
    if (!at || getrandom(salt, sizeof salt, 0) != sizeof salt)
        return false;
    journal_begin(&journal, salt, at);
    at += JOURNAL_HEADER_SIZE;
    for (uint32_t slot = 0; slot < store->values.slot_count; slot++) {
        const struct value *value = (const struct value *)store->values.slots[slot];
        if (!value)
            continue;
        struct record record = {RECORD_VALUE, value->named.name, value->named.name_size, value->octets, value->size};
        journal_put(&journal, &record, at);
        at += size_in_file(value);
    }
    store->journal = journal;
    return true;
}

static bool rewrite(struct store *store, struct worker_job *job)
{
    struct octets octets = {0};
    if (!all_of_it(store, &octets)) {
        octets_free(&octets);
        return false;
    }
    *job = (struct worker_job){.verb = WORKER_REPLACE, .octets = octets.at, .size = octets.size};
    octets_free(&store->pending);
    store->file_size = octets.size;
    store->must_rewrite = false;
    return true;
}

uint64_t store_work(struct store *store, uint64_t now_us, bool *told)
{
    struct worker_job job;
    *told = false;
    if (!worker_is_idle(store->worker))
        return UINT64_MAX;
    if (store->must_rewrite && store->failing && now_us < store->retry_us)
        return store->retry_us;
    if (store->must_rewrite) {
        if (!rewrite(store, &job)) {
            log_line(LOG_ERROR, "no memory to write the state");
            store->failing = true;
            return store->retry_us = now_us + RETRY_US;
        }
    } else if (store->pending.size) {
        job = (struct worker_job){.verb = WORKER_APPEND, .octets = store->pending.at, .size = store->pending.size};
        store->pending = (struct octets){0};
    } else {
        *told = store->pending_waits;
        store->pending_waits = false;
        return UINT64_MAX;
    }
    store->job_waits = store->pending_waits;
    store->job_number = store->pending_number;
    store->pending_waits = false;
    worker_ask(store->worker, &job);
    return UINT64_MAX;
}

bool store_is_on_disk(const struct store *store)
{
    return !store->must_rewrite && !store->pending.size && worker_is_idle(store->worker);
}

struct store_outcome store_job_done(struct store *store, struct worker_job *job, uint64_t now_us)
{
    struct store_outcome outcome = {0};
    free(job->octets);
    job->octets = NULL;
    if (!job->error) {
        outcome.saved = store->job_waits;
        outcome.number = store->job_number;
        store->failing = false;
    } else {
        outcome.trouble = !store->failing;
        store->failing = store->must_rewrite = true;
        store->retry_us = now_us + RETRY_US;
        octets_free(&store->pending);
        if (store->job_waits && !store->pending_waits)
            wait_for(store, store->job_number);
    }
    store->job_waits = false;
    return outcome;
}
