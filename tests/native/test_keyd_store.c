/* The state on a disk that fails: each system call in turn, and each allocation.
 *
 * After every failure the power is cut (another store reads the same file): it must have every value that was told to
 * be saved, or a newer one, and never anything that was not said. When nothing fails any more, it comes to have all. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto.h"
#include "limits.h"
#include "log.h"
#include "store.h"

#include "test.h"

enum { NAMES = 4, ROUNDS = 6, STEPS_MAX = 400 };

/* -- The machine, which fails when it is told to (linked in the place of the real calls) ------------ */

static int calls_left = -1;       /* until the one that fails; negative: none does */
static int allocations_left = -1; /* the same of memory */
static bool failed;

static bool fails(int *left)
{
    if (*left < 0 || (*left)-- > 0)
        return false;
    failed = true;
    return true;
}

/* glibc's calls with 64-bit offsets have names of their own; musl has no others. */
#ifdef __GLIBC__
#define FTRUNCATE ftruncate64
#define REAL_PWRITE __real_pwrite64
#define WRAP_PWRITE __wrap_pwrite64
#else
#define FTRUNCATE ftruncate
#define REAL_PWRITE __real_pwrite
#define WRAP_PWRITE __wrap_pwrite
#endif

#define REAL(result, name, parameters, arguments, error) REAL_(result, name, parameters, arguments, error)
#define REAL_(result, name, parameters, arguments, error)                                         \
    result __real_##name parameters;                                                               \
    result __wrap_##name parameters;                                                               \
    result __wrap_##name parameters                                                                \
    {                                                                                              \
        if (fails(&calls_left)) {                                                                  \
            errno = error;                                                                         \
            return -1;                                                                             \
        }                                                                                          \
        return __real_##name arguments;                                                            \
    }

REAL(int, fdatasync, (int fd), (fd), EIO)
REAL(int, fsync, (int fd), (fd), EIO)
REAL(int, FTRUNCATE, (int fd, off_t size), (fd, size), EIO)
REAL(int, renameat, (int from, const char *old, int to, const char *new), (from, old, to, new), ENOSPC)

ssize_t REAL_PWRITE(int fd, const void *octets, size_t size, off_t at);
ssize_t WRAP_PWRITE(int fd, const void *octets, size_t size, off_t at);

/* A write that fails leaves the half of it there. */
ssize_t WRAP_PWRITE(int fd, const void *octets, size_t size, off_t at)
{
    if (!fails(&calls_left))
        return REAL_PWRITE(fd, octets, size > 100 ? size - 7 : size, at); /* and a short one is none */
    if (REAL_PWRITE(fd, octets, size / 2, at) < 0)
        return -1;
    errno = ENOSPC;
    return -1;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_realloc(void *at, size_t size);
void *__wrap_realloc(void *at, size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails(&allocations_left) ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *at, size_t size)
{
    return fails(&allocations_left) ? NULL : __real_realloc(at, size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails(&allocations_left) ? NULL : __real_calloc(count, size);
}

/* -- A worker without a thread ---------------------------------------------------------------------- */

static struct worker_job job;
static bool asked;

bool worker_is_idle(struct worker *worker)
{
    (void)worker;
    return !asked;
}

void worker_ask(struct worker *worker, const struct worker_job *what)
{
    (void)worker;
    job = *what;
    asked = true;
}

/* -- One life --------------------------------------------------------------------------------------- */

static char folder[] = "/tmp/careof-test-store-XXXXXX";
static char path[sizeof folder + 16];
static uint32_t said[NAMES], saved[NAMES]; /* versions; 0: none */
static uint32_t number;
static uint32_t said_by[STEPS_MAX][2]; /* number -> name and version */

static struct named name_of(uint32_t which)
{
    struct named name;
    char text[8];
    snprintf(text, sizeof text, "ha.%u", which);
    named_set(&name, text, strlen(text));
    return name;
}

static size_t value_of(uint32_t which, uint32_t version, uint8_t value[600])
{
    size_t size = (which * 131 + version * 37) % 500 + 8;
    memset(value, (int)(version * 16 + which), size);
    memcpy(value, &version, sizeof version);
    return size;
}

static bool begin(struct worker *worker, struct store *store)
{
    char text[KEYS_ERROR_SIZE];
    const char *about;
    memset(worker, 0, sizeof *worker);
    if (!worker_open(worker, path, NULL, &about))
        return false;
    return store_begin(store, worker, 7, text);
}

static void end(struct worker *worker, struct store *store)
{
    if (asked)
        free(job.octets);
    asked = false;
    store_end(store);
    close(worker->folder);
    if (worker->file >= 0)
        close(worker->file);
}

static void acknowledge(uint32_t up_to)
{
    for (uint32_t i = 1; i <= up_to && i < STEPS_MAX; i++)
        if (said_by[i][1] > saved[said_by[i][0]])
            saved[said_by[i][0]] = said_by[i][1];
}

static void work(struct store *store, uint64_t now_us)
{
    bool told;
    store_work(store, now_us, &told);
    if (told)
        acknowledge(store->pending_number);
    if (!asked)
        return;
    worker_do(store->worker, &job);
    struct store_outcome outcome = store_job_done(store, &job, now_us);
    asked = false;
    if (outcome.saved)
        acknowledge(outcome.number);
}

static void say(struct store *store, uint32_t which)
{
    uint8_t value[600];
    struct named name = name_of(which);
    uint32_t version = said[which] + 1;
    size_t size = value_of(which, version, value);
    int error = store_save(store, ++number, &name, value, size, false);
    CHECK(error == 0 || error == ENOMEM);
    if (error)
        return; /* refused: it was not said */
    said[which] = version;
    said_by[number][0] = which;
    said_by[number][1] = version;
}

/* What another life would find now. `all`: it must be what was said last. */
static void check_file(bool all)
{
    struct worker worker;
    struct store store;
    int calls = calls_left, allocations = allocations_left;
    calls_left = allocations_left = -1;
    CHECK(begin(&worker, &store));
    for (uint32_t which = 0; which < NAMES; which++) {
        struct named name = name_of(which);
        uint8_t wanted[600];
        uint32_t version = 0;
        const struct value *value = (const struct value *)names_get(&store.values, name.name, name.name_size);
        if (value) {
            memcpy(&version, value->octets, sizeof version);
            CHECK_EQUAL(value->size, value_of(which, version, wanted));
            CHECK_OCTETS(value->octets, wanted, value->size);
        }
        CHECK(version >= saved[which] && version <= said[which]);
        CHECK(!all || version == said[which]);
    }
    store_end(&store);
    close(worker.folder);
    if (worker.file >= 0)
        close(worker.file);
    calls_left = calls;
    allocations_left = allocations;
}

/* Everything that is done in a life; true if something failed in it. */
static bool one_life(int fail_call, int fail_allocation)
{
    struct worker worker;
    struct store store;
    memset(said, 0, sizeof said);
    memset(saved, 0, sizeof saved);
    memset(said_by, 0, sizeof said_by);
    number = 0;
    failed = false;
    unlink(path);
    calls_left = fail_call;
    allocations_left = fail_allocation;
    if (!begin(&worker, &store)) {
        CHECK(failed && fail_allocation >= 0);
        calls_left = allocations_left = -1;
        end(&worker, &store);
        return true;
    }
    CHECK(flock(worker.folder, LOCK_UN) == 0); /* so that another life can look into it */
    uint64_t now_us = 1000000;
    for (int round = 0; round < ROUNDS; round++) {
        for (uint32_t which = 0; which < NAMES; which++) {
            say(&store, which);
            if (which % 2)
                work(&store, now_us);
            check_file(false);
        }
        if (round == 3)
            store.must_rewrite = true; /* as when most of it is out of date */
        work(&store, now_us);
        check_file(false);
        now_us += 100000;
    }
    calls_left = allocations_left = -1;
    for (int i = 0; i < 4; i++)
        work(&store, now_us += RETRY_US);
    CHECK(!store.failing);
    check_file(true);
    end(&worker, &store);
    return failed;
}

static void test_each_system_call_in_turn(void)
{
    int n = 0;
    CHECK(!one_life(-1, -1));
    while (n < STEPS_MAX && one_life(n, -1))
        n++;
    CHECK(n > 40 && n < STEPS_MAX); /* to the end, and there were many */
}

static void test_each_allocation_in_turn(void)
{
    int n = 0;
    while (n < STEPS_MAX && one_life(-1, n))
        n++;
    CHECK(n > 20 && n < STEPS_MAX);
}

int main(void)
{
    const char *what;
    log_begin("test", LOG_ERROR);
    if (!crypto_begin(&what) || !mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/state", folder);
    TEST(test_each_system_call_in_turn);
    TEST(test_each_allocation_in_turn);
    unlink(path);
    strcat(path, ".new");
    unlink(path);
    rmdir(folder);
    crypto_end();
    return test_result();
}
