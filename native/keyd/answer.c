#include "answer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "keyd.h"
#include "log.h"

enum { TEXT_SIZE = 256 };

static struct message message; /* the one that came */

static void tell(struct keyd *keyd, uint16_t kind, const void *values)
{
    channel_tell(&keyd->channel, kind, values);
}

static void tell_done(struct keyd *keyd, uint32_t number, int error, const char *text)
{
    struct message_done done = {
        .of_number = number, .error = (uint16_t)error, .text = {.at = (const uint8_t *)text, .size = strlen(text)}};
    tell(keyd, MESSAGE_DONE, &done);
}

static void refuse(struct keyd *keyd, uint32_t number, int error, const char *what, struct message_octets name)
{
    char text[TEXT_SIZE];
    snprintf(text, sizeof text, "%s '%.*s': %s", what, (int)name.size, (const char *)name.at, strerror(error));
    count(keyd, COUNTER_CLIENT_REFUSED_VALUE, 1);
    tell_done(keyd, number, error, text);
}

static struct named named_of(struct message_octets name)
{
    struct named named;
    named_set(&named, name.at, name.size);
    return named;
}

/* -- Keys ----------------------------------------------------------------------------------------- */

static void forget_added(struct keyd *keyd)
{
    keys_end(&keyd->added);
    keys_begin(&keyd->added, keyd->secret);
    crypto_forget();
}

static void hello(struct keyd *keyd)
{
    struct message_hello_back back = {
        .version = WIRE_VERSION, .epoch = keyd->epoch, .keys_of_file = keyd->of_file.names.count};
    forget_added(keyd);
    keyd->restore.under_way = false;
    store_client_gone(&keyd->store);
    tell(keyd, MESSAGE_HELLO_BACK, &back);
    if (keyd->store.failing) {
        static const char text[] = "the state cannot be written";
        struct message_trouble trouble = {.error = EIO, .text = {.at = (const uint8_t *)text, .size = sizeof text - 1}};
        tell(keyd, MESSAGE_TROUBLE, &trouble);
    }
}

static bool hash_of(uint8_t algorithm, enum crypto_hash *hash)
{
    static const enum crypto_hash hashes[] = {
        [WIRE_ALGORITHM_HMAC_MD5] = CRYPTO_MD5,       [WIRE_ALGORITHM_HMAC_SHA1] = CRYPTO_SHA1,
        [WIRE_ALGORITHM_HMAC_SHA256] = CRYPTO_SHA256, [WIRE_ALGORITHM_HMAC_SHA384] = CRYPTO_SHA384,
        [WIRE_ALGORITHM_HMAC_SHA512] = CRYPTO_SHA512,
    };
    if (algorithm == 0 || algorithm >= sizeof hashes / sizeof *hashes)
        return false;
    *hash = hashes[algorithm];
    return true;
}

static void add_key(struct keyd *keyd, uint32_t number, const struct message_add_key *add)
{
    enum crypto_hash hash;
    if (!hash_of(add->algorithm, &hash) || add->secret.size < SECRET_SIZE_MIN || add->secret.size > SECRET_SIZE_MAX)
        refuse(keyd, number, EINVAL, "key", add->name);
    else if (!keys_put(&keyd->added, add->name.at, add->name.size, hash, add->secret.at, add->secret.size))
        refuse(keyd, number, errno, "key", add->name);
    crypto_wipe((void *)add->secret.at, add->secret.size); /* where it was received */
}

static void load_keys(struct keyd *keyd, uint32_t number)
{
    if (!keyd->worker.keys_path) {
        tell_done(keyd, number, 0, "no --keys");
        return;
    }
    if (keyd->load_asked || keyd->loading) {
        tell_done(keyd, number, EBUSY, "the file of keys is being read already");
        return;
    }
    keyd->load_asked = true;
    keyd->load_answered = false;
    keyd->load_number = number;
}

/* -- Questions ------------------------------------------------------------------------------------ */

static const struct key *key_named(const struct keyd *keyd, struct message_octets name)
{
    const struct key *key = keys_get(&keyd->added, name.at, name.size);
    return key ? key : keys_get(&keyd->of_file, name.at, name.size);
}

/* The HMAC of the data, or 0 when there is no such key, which is told. */
static size_t authenticator_of(struct keyd *keyd, uint32_t token, struct message_octets name, struct message_octets data,
                               uint8_t out[CRYPTO_HASH_SIZE_MAX])
{
    const struct key *key = key_named(keyd, name);
    if (key && crypto_hmac((enum crypto_hash)key->hash, key->secret, key->secret_size, data.at, data.size, out))
        return crypto_hash_size((enum crypto_hash)key->hash);
    struct message_no_key none = {.token = token};
    count(keyd, COUNTER_NO_KEY, 1);
    tell(keyd, MESSAGE_NO_KEY, &none);
    return 0;
}

static void authenticate(struct keyd *keyd, const struct message_authenticate *asked)
{
    uint8_t out[CRYPTO_HASH_SIZE_MAX];
    size_t size = authenticator_of(keyd, asked->token, asked->key, asked->data, out);
    if (!size)
        return;
    struct message_authenticated told = {.token = asked->token, .authenticator = {.at = out, .size = size}};
    count(keyd, COUNTER_AUTHENTICATED, 1);
    tell(keyd, MESSAGE_AUTHENTICATED, &told);
}

static void verify(struct keyd *keyd, const struct message_verify *asked)
{
    uint8_t out[CRYPTO_HASH_SIZE_MAX];
    size_t size = authenticator_of(keyd, asked->token, asked->key, asked->data, out);
    if (!size)
        return;
    bool genuine = asked->authenticator.size == size && crypto_equal(out, asked->authenticator.at, size);
    struct message_verified told = {.token = asked->token, .genuine = genuine};
    count(keyd, genuine ? COUNTER_VERIFIED_GENUINE : COUNTER_VERIFIED_FALSE, 1);
    tell(keyd, MESSAGE_VERIFIED, &told);
    crypto_wipe(out, sizeof out); /* of a false one, it is what a forger wants to know */
}

/* -- The state ------------------------------------------------------------------------------------ */

static void refuse_value(struct keyd *keyd, uint32_t number, int error, struct message_octets name)
{
    count(keyd, COUNTER_VALUE_REFUSED, 1);
    refuse(keyd, number, error, "value", name);
}

static void save(struct keyd *keyd, uint32_t number, const struct message_save *said)
{
    struct named name = named_of(said->name);
    int error = keyd->restore.under_way ? EBUSY
                                        : store_save(&keyd->store, number, &name, said->value.at, said->value.size,
                                                     said->more != 0);
    if (error)
        refuse_value(keyd, number, error, said->name);
    else if (!said->more)
        count(keyd, COUNTER_VALUES_SAVED, 1);
}

static void forget(struct keyd *keyd, uint32_t number, const struct message_forget *said)
{
    struct named name = named_of(said->name);
    if (keyd->restore.under_way)
        refuse_value(keyd, number, EBUSY, said->name);
    else
        store_forget(&keyd->store, number, &name);
}

/* The next part of a value; the octets that it took of the page. */
static size_t tell_part(struct keyd *keyd, const struct value *value)
{
    struct restore *at = &keyd->restore;
    uint32_t left = value->size - at->offset;
    uint32_t size = left > WIRE_PART_SIZE_MAX ? WIRE_PART_SIZE_MAX : left;
    struct message_value part = {
        .name = {.at = (const uint8_t *)value->named.name, .size = value->named.name_size},
        .more = size < left,
        .value = {.at = value->octets + at->offset, .size = size},
    };
    tell(keyd, MESSAGE_VALUE, &part);
    at->offset += size;
    if (size == left) {
        at->offset = 0;
        at->slot++;
    }
    return size + value->named.name_size + MESSAGE_HEADER_SIZE;
}

static void restore_page(struct keyd *keyd)
{
    struct restore *at = &keyd->restore;
    const struct names *values = &keyd->store.values;
    for (size_t told = 0; told < RESTORE_PAGE_SIZE && at->slot < values->slot_count;) {
        const struct value *value = (const struct value *)values->slots[at->slot];
        if (value)
            told += tell_part(keyd, value);
        else
            at->slot++;
    }
    if (at->slot < values->slot_count) {
        tell(keyd, MESSAGE_RESTORE_PAUSE, NULL);
    } else {
        at->under_way = false;
        tell(keyd, MESSAGE_RESTORE_END, NULL);
    }
}

static void restore(struct keyd *keyd)
{
    keyd->restore = (struct restore){.under_way = true};
    restore_page(keyd);
}

/* -- Counters ------------------------------------------------------------------------------------- */

static void tell_counters(struct keyd *keyd)
{
    uint8_t octets[COUNTERS_COUNT * 8];
    keyd->counters[COUNTER_KEYS_ADDED] = keyd->added.names.count;
    keyd->counters[COUNTER_KEYS_OF_FILE] = keyd->of_file.names.count;
    keyd->counters[COUNTER_VALUES] = keyd->store.values.count;
    keyd->counters[COUNTER_VALUES_OCTETS] = keyd->store.live_size;
    for (size_t i = 0; i < COUNTERS_COUNT; i++)
        for (size_t octet = 0; octet < 8; octet++)
            octets[i * 8 + octet] = (uint8_t)(keyd->counters[i] >> (56 - 8 * octet));
    struct message_counters told = {.values = {.at = octets, .size = sizeof octets}};
    tell(keyd, MESSAGE_COUNTERS, &told);
}

/* -- All of them ---------------------------------------------------------------------------------- */

void answer(struct keyd *keyd, const struct message *said)
{
    uint32_t number = said->header.number;
    switch (said->header.kind) {
    case MESSAGE_HELLO:
        hello(keyd);
        break;
    case MESSAGE_ADD_KEY:
        add_key(keyd, number, &said->as.add_key);
        break;
    case MESSAGE_DROP_KEY:
        if (!keys_drop(&keyd->added, said->as.drop_key.name.at, said->as.drop_key.name.size))
            refuse(keyd, number, ENOENT, "key", said->as.drop_key.name);
        crypto_forget();
        break;
    case MESSAGE_LOAD_KEYS:
        load_keys(keyd, number);
        break;
    case MESSAGE_AUTHENTICATE:
        authenticate(keyd, &said->as.authenticate);
        break;
    case MESSAGE_VERIFY:
        verify(keyd, &said->as.verify);
        break;
    case MESSAGE_SAVE:
        save(keyd, number, &said->as.save);
        break;
    case MESSAGE_FORGET:
        forget(keyd, number, &said->as.forget);
        break;
    case MESSAGE_RESTORE:
        restore(keyd);
        break;
    case MESSAGE_RESTORE_MORE:
        if (keyd->restore.under_way)
            restore_page(keyd);
        break;
    case MESSAGE_ASK_COUNTERS:
        tell_counters(keyd);
        break;
    default: /* of the table, but not for us */
        count(keyd, COUNTER_CLIENT_REFUSED_VALUE, 1);
        tell_done(keyd, number, EPROTO, "a message that only careof-keyd sends");
    }
}

static void take(void *owner)
{
    answer(owner, &message);
    crypto_wipe(&message.as, sizeof message.as);
}

static void odd(void *owner, enum channel_oddity oddity)
{
    static const enum counter counters[] = {
        [CHANNEL_REFUSED] = COUNTER_CLIENT_REFUSED,
        [CHANNEL_MALFORMED] = COUNTER_CLIENT_MALFORMED,
        [CHANNEL_UNKNOWN_KIND] = COUNTER_CLIENT_UNKNOWN_KIND,
    };
    count(owner, counters[oddity], 1);
}

static void gone(void *owner)
{
    struct keyd *keyd = owner;
    forget_added(keyd);
    keyd->restore.under_way = false;
    keyd->load_answered = true;
    store_client_gone(&keyd->store);
}

_Static_assert(VALUE_SIZE_MAX == WIRE_VALUE_SIZE_MAX, "one bound, said in two places");

bool answer_begin(struct keyd *keyd)
{
    static const struct channel_rules rules = {
        .rows = message_rows,
        .row_count = MESSAGE_ROW_COUNT,
        .queue_size = CLIENT_BUFFER_SIZE,
        .per_turn = CLIENT_DATAGRAMS_PER_TURN,
        .batch_size = WIRE_DATAGRAM_SIZE_MAX,
        .header = &message.header,
        .values = &message.as,
        .values_size = sizeof message.as,
        .take = take,
        .odd = odd,
        .gone = gone,
    };
    return channel_begin(&keyd->channel, &rules, &keyd->loop, keyd, &keyd->now_us);
}

/* -- The worker ----------------------------------------------------------------------------------- */

static void keys_loaded(struct keyd *keyd, const struct worker_job *job)
{
    char text[TEXT_SIZE];
    keyd->loading = false;
    if (job->error) {
        count(keyd, COUNTER_KEYS_LOAD_FAILED, 1);
        log_line(LOG_ERROR, "%s (the keys stay as they were)", job->text);
        snprintf(text, sizeof text, "%s", job->text);
        keys_end(&keyd->loaded);
    } else {
        struct keys before = keyd->of_file;
        keyd->of_file = keyd->loaded;
        keys_end(&before);
        crypto_forget();
        count(keyd, COUNTER_KEYS_LOADS, 1);
        snprintf(text, sizeof text, "%u keys", keyd->of_file.names.count);
        log_line(LOG_NOTICE, "%s: %s%s", keyd->worker.keys_path, text,
                 keyd->of_file.locked ? "" : ", not all of them locked in memory");
    }
    if (!keyd->load_answered)
        tell_done(keyd, keyd->load_number, job->error, text);
}

static void tell_saved(struct keyd *keyd, uint32_t number)
{
    struct message_saved saved = {.of_number = number};
    tell(keyd, MESSAGE_SAVED, &saved);
}

static void state_written(struct keyd *keyd, struct worker_job *job)
{
    bool failed_before = keyd->store.failing;
    struct store_outcome outcome = store_job_done(&keyd->store, job, keyd->now_us);
    if (job->error)
        count(keyd, COUNTER_STATE_FAILED, 1);
    else
        count(keyd, job->verb == WORKER_APPEND ? COUNTER_STATE_APPENDED : COUNTER_STATE_REWRITTEN, 1);
    if (outcome.trouble) {
        struct message_trouble trouble = {
            .error = (uint16_t)job->error, .text = {.at = (const uint8_t *)job->text, .size = strlen(job->text)}};
        static struct log_limit limit; /* one disk, whoever writes to it */
        log_limited(&limit, keyd->now_us, LOG_ERROR, "the state: %s", job->text);
        tell(keyd, MESSAGE_TROUBLE, &trouble);
    }
    if (failed_before && !job->error)
        log_line(LOG_NOTICE, "the state is written again");
    if (outcome.saved)
        tell_saved(keyd, outcome.number);
}

void answer_job_done(struct keyd *keyd)
{
    struct worker_job job;
    if (!worker_take_done(&keyd->worker, &job))
        return;
    if (job.verb == WORKER_KEYS)
        keys_loaded(keyd, &job);
    else
        state_written(keyd, &job);
}

uint64_t answer_work(struct keyd *keyd)
{
    bool told;
    uint64_t again_us = UINT64_MAX;
    if (keyd->load_asked && worker_is_idle(&keyd->worker)) {
        struct worker_job job = {.verb = WORKER_KEYS, .keys = &keyd->loaded};
        keys_begin(&keyd->loaded, keyd->secret);
        keyd->load_asked = false;
        keyd->loading = true;
        worker_ask(&keyd->worker, &job);
    }
    if (!keyd->loading) {
        again_us = store_work(&keyd->store, keyd->now_us, &told);
        if (told)
            tell_saved(keyd, keyd->store.pending_number);
    }
    channel_flush(&keyd->channel);
    return again_us;
}
