/* careof-keyd: keys, authenticators, and the state that outlives a power cut (README; wire/keyd.py says what it can
 * be asked).
 *
 *     careof-keyd --socket PATH --state FILE [--keys FILE] [--user USER[:GROUP]] [--owner USER] [--log-level info]
 *
 * If it starts as root it makes its socket, and the folder of --state if that is not there, and then becomes --user
 * for good: without capabilities, under a filter of system calls. It opens the folders of its files before, and the
 * files themselves as that user. A folder of state files belongs to one careof-keyd. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "answer.h"
#include "crypto.h"
#include "filter.h"
#include "keyd.h"
#include "log.h"
#include "options.h"
#include "sandbox.h"

struct options {
    const char *socket, *state, *keys;
    struct sandbox_user user, owner;
    enum log_level level;
};

static const char usage[] =
    "usage: careof-keyd --socket PATH --state FILE [--keys FILE] [--user USER[:GROUP]] [--owner USER] "
    "[--log-level LEVEL]\n";

static bool read_options(int argc, char **argv, struct options *options)
{
    const struct option_row rows[] = {
        {"socket", OPTION_TEXT, &options->socket}, {"state", OPTION_TEXT, &options->state},
        {"keys", OPTION_TEXT, &options->keys},     {"user", OPTION_USER, &options->user},
        {"owner", OPTION_USER, &options->owner},   {"log-level", OPTION_LEVEL, &options->level},
    };
    return options_read("careof-keyd", argc, argv, rows, sizeof rows / sizeof *rows) && options->socket &&
           options->state;
}

static int begin_failed(enum exit_status status, const char *what, const char *why)
{
    log_line(LOG_ERROR, "%s: %s", what, why);
    return status;
}

static void stop_ready(void *owner, struct watcher *watcher, uint32_t events)
{
    struct keyd *keyd = owner;
    struct signalfd_siginfo signal;
    (void)events;
    if (read(watcher->fd, &signal, sizeof signal) < 0)
        return;
    keyd->stop_us = keyd->exit_code < 0 ? keyd->now_us + STOP_US : keyd->now_us; /* asked twice, it does not wait */
    keyd->exit_code = EXIT_STOPPED;
}

/* Asked to stop, and either done with the state or out of time? */
static bool may_stop(const struct keyd *keyd)
{
    return keyd->exit_code >= 0 && (store_is_on_disk(&keyd->store) || keyd->now_us >= keyd->stop_us);
}

static void worker_ready(void *owner, struct watcher *watcher, uint32_t events)
{
    (void)watcher, (void)events;
    answer_job_done(owner);
}

/* The folder that a package would have made, beside one that is there. */
static void make_folder(const struct options *options)
{
    char folder[4096];
    const char *slash = strrchr(options->state, '/');
    if (!slash || slash == options->state || (size_t)(slash - options->state) >= sizeof folder)
        return;
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - options->state), options->state);
    if (mkdir(folder, 0700) == 0 && chown(folder, options->user.uid, options->user.gid))
        log_line(LOG_WARNING, "%s: %s", folder, strerror(errno));
}

/* As much locked memory as keys may ever need, or as much as may be had. */
static void allow_locking(void)
{
    struct rlimit limit = {KEYS_LOCKED_MAX, KEYS_LOCKED_MAX};
    if (setrlimit(RLIMIT_MEMLOCK, &limit) == 0 || getrlimit(RLIMIT_MEMLOCK, &limit))
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_MEMLOCK, &limit);
}

static int listen_failed(const char *path)
{
    if (errno == EADDRINUSE)
        return begin_failed(EXIT_ANOTHER, path, "another process listens there");
    return begin_failed(EXIT_SOCKET, path, errno == EEXIST ? "it is there, and no socket" : strerror(errno));
}

/* What only root can do, and what must be before rights are given up. Returns an exit status. */
static int begin_as_root(struct keyd *keyd, const struct options *options)
{
    const char *what;
    if (geteuid() == 0) {
        make_folder(options);
        allow_locking();
    }
    const char *path;
    if (!worker_open(&keyd->worker, options->state, options->keys, &path)) {
        if (errno == EWOULDBLOCK)
            return begin_failed(EXIT_ANOTHER, path, "another careof-keyd has its folder");
        return begin_failed(path == options->keys ? EXIT_KEYS : EXIT_STATE, path, strerror(errno));
    }
    if (!channel_listen(&keyd->channel, options->socket, options->owner.uid))
        return listen_failed(options->socket);
    if (geteuid() == 0 && !sandbox_become(&options->user, &what))
        return begin_failed(EXIT_PRIVILEGE, what, strerror(errno));
    if (!sandbox_harden(&what))
        return begin_failed(EXIT_PRIVILEGE, what, strerror(errno));
    if (!crypto_begin(&what))
        return begin_failed(EXIT_PRIVILEGE, crypto_backend, what);
    return 0;
}

static int begin_files(struct keyd *keyd, const struct options *options)
{
    char text[KEYS_ERROR_SIZE];
    int error;
    keys_begin(&keyd->added, keyd->secret);
    keys_begin(&keyd->of_file, keyd->secret);
    if (options->keys && !worker_read_keys(&keyd->worker, &keyd->of_file, &error, text))
        return begin_failed(EXIT_KEYS, "keys", text);
    if (!keyd->of_file.locked)
        log_line(LOG_NOTICE, "not all keys could be locked in memory");
    if (!store_begin(&keyd->store, &keyd->worker, keyd->secret, text))
        return begin_failed(EXIT_STATE, options->state, text[0] ? text : strerror(errno));
    return 0;
}

/* No way back from here. What a kernel lacks is said; what fails otherwise ends it. */
static int filter_failed(const char *what)
{
    if (errno != EINVAL && errno != ENOSYS)
        return begin_failed(EXIT_PRIVILEGE, what, strerror(errno));
    log_line(LOG_WARNING, "this kernel cannot %s: going on without", what);
    return 0;
}

static int begin_watching(struct keyd *keyd)
{
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGHUP);
    keyd->stop_watcher = (struct watcher){.ready = stop_ready};
    if (sigprocmask(SIG_BLOCK, &stops, NULL) || (keyd->stop_watcher.fd = signalfd(-1, &stops, SFD_CLOEXEC)) < 0 ||
        !loop_watch(&keyd->loop, &keyd->stop_watcher, EPOLLIN))
        return begin_failed(EXIT_MEMORY, "the event loop", strerror(errno));
    const char *what;
    if (!worker_start(&keyd->worker, filter_worker, &what)) {
        int status = filter_failed(what);
        if (status)
            return status;
    }
    keyd->worker_watcher = (struct watcher){.fd = keyd->worker.done_event, .ready = worker_ready};
    if (!loop_watch(&keyd->loop, &keyd->worker_watcher, EPOLLIN))
        return begin_failed(EXIT_MEMORY, "the event loop", strerror(errno));
    return filter_loop(&what) ? 0 : filter_failed(what);
}

/* Returns an exit status. */
static int begin(struct keyd *keyd, const struct options *options)
{
    uint64_t random[2];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return begin_failed(EXIT_PRIVILEGE, "no random numbers", strerror(errno));
    keyd->epoch = random[0];
    keyd->secret = random[1];
    if (!loop_begin(&keyd->loop) || !answer_begin(keyd))
        return begin_failed(EXIT_MEMORY, "no memory", strerror(errno));
    int status = begin_as_root(keyd, options);
    if (!status)
        status = begin_files(keyd, options);
    return status ? status : begin_watching(keyd);
}

int main(int argc, char **argv)
{
    static struct keyd keyd;
    struct options options = {.user = {65534, 65534}, .level = LOG_INFO};
    options.owner.uid = geteuid();
    if (!read_options(argc, argv, &options)) {
        fputs(usage, stderr);
        return EXIT_USE;
    }
    log_begin("careof-keyd", options.level);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of write() */
    keyd.exit_code = -1;
    keyd.now_us = clock_us();
    int status = begin(&keyd, &options);
    if (status)
        return status;
    log_line(LOG_NOTICE, "up: %s %s, %u keys, %u values", crypto_backend, crypto_version(), keyd.of_file.names.count,
             keyd.store.values.count);
    while (!may_stop(&keyd)) {
        uint64_t deadline_us = answer_work(&keyd);
        if (keyd.exit_code >= 0 && keyd.stop_us < deadline_us)
            deadline_us = keyd.stop_us;
        loop_turn(&keyd.loop, &keyd, &keyd.now_us, deadline_us);
    }
    if (!store_is_on_disk(&keyd.store))
        log_line(LOG_ERROR, "stops without all of the state on the disk");
    keys_end(&keyd.added);
    keys_end(&keyd.of_file);
    log_line(LOG_NOTICE, "stopped");
    return keyd.exit_code;
}
