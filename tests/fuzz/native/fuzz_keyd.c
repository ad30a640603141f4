/* All of keyd but its process and its disk: datagrams of a careofd, jobs that the disk does or refuses, clients that
 * come and go, and power cuts, in any order.
 *
 * input:  op size16 octets  op size16 octets ...
 *
 * The worker is played here. Its disk takes a job whole, or refuses it after a part; reading it again, whenever that
 * is, gives what was on it after the last job that was done, and nothing of one that was not. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answer.h"
#include "buf.h"
#include "fuzz.h"
#include "keyd.h"
#include "log.h"

enum { OP_DATAGRAM, OP_DONE, OP_REFUSED, OP_POWER_CUT, OP_HANG_UP, OP_KEYS, OPS };
enum { DISK_SIZE = 8 * 1024 * 1024 };

static struct keyd keyd;
static int careofd = -1;
static struct worker_job job;
static bool asked, done;
static uint8_t disk[DISK_SIZE];
static size_t disk_size, good_size; /* octets there; of them, those of jobs that were done */
static bool there, keys_wrong;

/* In the place of native/keyd/worker.c and worker_thread.c. */
bool worker_is_idle(struct worker *worker)
{
    (void)worker;
    return !asked;
}

void worker_ask(struct worker *worker, const struct worker_job *what)
{
    (void)worker;
    PROMISE(!asked && !done);
    job = *what;
    asked = true;
}

bool worker_take_done(struct worker *worker, struct worker_job *what)
{
    (void)worker;
    if (!done)
        return false;
    *what = job;
    asked = done = false;
    return true;
}

bool worker_read_file(struct worker *worker, uint8_t **octets, size_t *size)
{
    (void)worker;
    *size = there ? disk_size : 0;
    *octets = there ? fuzz_copy(disk, disk_size) : NULL;
    return true;
}

void worker_file_is_good(struct worker *worker, size_t size)
{
    (void)worker;
    good_size = size;
}

static void do_job(bool refused, size_t part)
{
    if (!asked || done)
        return;
    done = true;
    job.error = refused ? ENOSPC : 0;
    job.text[0] = 0;
    if (job.verb == WORKER_KEYS) {
        static const uint8_t secret[SECRET_SIZE_MAX] = {9};
        job.error = keys_wrong ? EINVAL : 0;
        PROMISE(keys_put(job.keys, "file", 4, CRYPTO_SHA1, secret, 20));
    } else if (job.verb == WORKER_APPEND) {
        size_t size = refused ? part % (job.size + 1) : job.size;
        PROMISE(there && good_size + size <= DISK_SIZE);
        memcpy(disk + good_size, job.octets, size);
        disk_size = good_size + size;
        good_size += refused ? 0 : size;
    } else if (!refused) {
        PROMISE(job.size <= DISK_SIZE);
        memcpy(disk, job.octets, job.size);
        good_size = disk_size = job.size;
        there = true;
    }
    answer_job_done(&keyd);
}

static void connect_client(void)
{
    int pair[2];
    PROMISE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == 0);
    if (careofd >= 0)
        close(careofd);
    careofd = pair[1];
    PROMISE(channel_adopt(&keyd.channel, pair[0]));
}

static void begin_store(void)
{
    char text[KEYS_ERROR_SIZE];
    PROMISE(store_begin(&keyd.store, &keyd.worker, 7, text));
}

static void begin_once(void)
{
    const char *what;
    if (keyd.channel.message)
        return;
    log_begin("fuzz", LOG_ERROR);
    PROMISE(crypto_begin(&what) && loop_begin(&keyd.loop) && answer_begin(&keyd));
    keyd.worker.keys_path = "keys";
    keys_begin(&keyd.added, 7);
    keys_begin(&keyd.of_file, 7);
}

/* Everything that is said comes out again, and is whole messages of the table. */
static void read_all(void)
{
    static uint8_t datagram[MESSAGE_SIZE_MAX];
    ssize_t size;
    while ((size = recv(careofd, datagram, sizeof datagram, MSG_DONTWAIT)) > 0) {
        for (size_t at = 0, first; at < (size_t)size; at += first) {
            struct message message;
            const char *bad;
            first = codec_first_size(datagram + at, (size_t)size - at);
            PROMISE(first);
            PROMISE(codec_unpack(message_rows, MESSAGE_ROW_COUNT, datagram + at, first, &message.header, &message.as,
                                 &bad) == CODEC_FINE);
        }
    }
}

static void one_op(uint8_t op, const uint8_t *data, size_t size)
{
    if (op == OP_DATAGRAM && size && send(careofd, data, size, MSG_NOSIGNAL) >= 0)
        keyd.channel.client.ready(&keyd, &keyd.channel.client, 0);
    else if (op == OP_DONE || op == OP_REFUSED)
        do_job(op == OP_REFUSED, size ? (size_t)data[0] * 37 : 0);
    else if (op == OP_KEYS)
        keys_wrong = size & 1;
    else if (op == OP_HANG_UP)
        connect_client();
    if (op == OP_POWER_CUT) {
        if (asked && !done)
            do_job(true, size); /* a part of it may be there */
        store_end(&keyd.store);
        begin_store();
        connect_client();
    }
    keyd.now_us += (uint64_t)size * 10000;
    answer_work(&keyd);
}

/* With a disk that works again, it comes to have what memory has. */
static void settle(void)
{
    keyd.now_us += 10 * RETRY_US;
    for (int i = 0; i < 10; i++) {
        answer_work(&keyd);
        do_job(false, 0);
    }
    PROMISE(!asked && !keyd.store.failing && there);
    uint32_t values = keyd.store.values.count;
    size_t live_size = keyd.store.live_size;
    store_end(&keyd.store);
    begin_store();
    PROMISE(!keyd.store.must_rewrite && keyd.store.values.count == values && keyd.store.live_size == live_size);
    store_end(&keyd.store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin_once();
    there = keys_wrong = asked = done = false;
    disk_size = good_size = 0;
    begin_store();
    connect_client();
    while (size >= 3) {
        uint8_t op = data[0] % OPS;
        size_t length = (size_t)data[1] << 8 | data[2];
        data += 3;
        size -= 3;
        if (length > size)
            length = size;
        uint8_t *piece = fuzz_copy(data, length);
        one_op(op, piece, length);
        free(piece);
        data += length;
        size -= length;
        read_all();
        if (!channel_has_client(&keyd.channel))
            connect_client();
    }
    settle();
    read_all();
    return 0;
}
