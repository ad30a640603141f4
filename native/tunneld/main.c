/* careof-tunneld: every packet, no decision (README; wire/tunneld.py says what it can be told).
 *
 *     careof-tunneld --socket PATH [--user USER[:GROUP]] [--owner USER] [--tun careof0] [--fence]
 *                    [--log-level info]
 *
 * It starts as root, forks the helper that stays so, opens its TUN and its socket, and then becomes --user for
 * good: without capabilities, under a filter of system calls. */
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "apply.h"
#include "filter.h"
#include "hold.h"
#include "log.h"
#include "options.h"
#include "sandbox.h"
#include "tunneld.h"
#include "watch.h"

struct options {
    const char *socket, *tun;
    struct sandbox_user user, owner;
    enum log_level level;
    bool fence;
};

static const char usage[] =
    "usage: careof-tunneld --socket PATH [--user USER[:GROUP]] [--owner USER] [--tun DEVICE] [--fence]\n"
    "                      [--log-level LEVEL]\n";

static bool read_options(int argc, char **argv, struct options *options)
{
    const struct option_row rows[] = {
        {"socket", OPTION_TEXT, &options->socket},   {"user", OPTION_USER, &options->user},
        {"owner", OPTION_USER, &options->owner},     {"tun", OPTION_DEVICE, &options->tun},
        {"log-level", OPTION_LEVEL, &options->level}, {"fence", OPTION_SET, &options->fence},
    };
    return options_read("careof-tunneld", argc, argv, rows, sizeof rows / sizeof *rows) && options->socket;
}

static int begin_failed(enum exit_status status, const char *what, const char *why)
{
    log_line(LOG_ERROR, "%s: %s", what, why);
    return status;
}

static void stop_ready(void *owner, struct watcher *watcher, uint32_t events)
{
    struct tunneld *tunneld = owner;
    struct signalfd_siginfo signal;
    (void)events;
    if (read(watcher->fd, &signal, sizeof signal) > 0)
        tunneld->exit_code = EXIT_STOPPED;
}

static void helper_gone(void *owner, struct watcher *watcher, uint32_t events)
{
    struct tunneld *tunneld = owner;
    (void)watcher, (void)events;
    log_line(LOG_ERROR, "the helper died");
    tunneld->exit_code = EXIT_HELPER;
}

/* The TUN from the helper, while it and we have just started. Returns an exit status. */
static int open_tun(struct tunneld *tunneld, uint32_t *ifindex)
{
    struct helper_request request = {.verb = HELPER_OPEN_TUN, .length = 32};
    struct helper_answer answer;
    int fd = -1;
    if (!helper_ask(&tunneld->helper, &request, &answer, &fd))
        return begin_failed(EXIT_HELPER, "the helper does not answer", strerror(errno));
    if (answer.error || fd < 0) {
        const char *hint = answer.error == ENOENT || answer.error == ENODEV ? " (is the kernel's tun module there?)"
                           : answer.error == EBUSY                          ? " (there is a device of that name)"
                           : answer.error == EINVAL                         ? " (the kernel is too old)"
                                                                            : "";
        if (answer.error == EBUSY && answer.another)
            return begin_failed(EXIT_ANOTHER, "not started", answer.text);
        log_line(LOG_ERROR, "no TUN: %s%s", answer.text, hint);
        return answer.error == EPERM || answer.error == EACCES ? EXIT_PRIVILEGE : EXIT_TUN;
    }
    tunneld->tun = (struct watcher){.fd = fd, .ready = out_tun_ready};
    tunneld->offloads = answer.offloads;
    *ifindex = answer.ifindex;
    return 0;
}

/* What can only be watched, not asked. Returns false with errno set. */
static bool watch_all(struct tunneld *tunneld)
{
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGHUP);
    tunneld->stop_watcher = (struct watcher){.ready = stop_ready};
    if (sigprocmask(SIG_BLOCK, &stops, NULL) || (tunneld->stop_watcher.fd = signalfd(-1, &stops, SFD_CLOEXEC)) < 0)
        return false;
    tunneld->helper_watcher = (struct watcher){.fd = dup(tunneld->helper.socket), .ready = helper_gone};
    return tunneld->helper_watcher.fd >= 0 && loop_watch(&tunneld->loop, &tunneld->stop_watcher, EPOLLIN) &&
           loop_watch(&tunneld->loop, &tunneld->helper_watcher, EPOLLRDHUP) &&
           loop_watch(&tunneld->loop, &tunneld->tun, EPOLLIN);
}

/* No way back from here. What a kernel lacks is said; what fails otherwise ends it. */
static int give_up_rights(const struct options *options)
{
    const char *what;
    if (!sandbox_become(&options->user, &what) || !sandbox_harden(&what))
        return begin_failed(EXIT_PRIVILEGE, what, strerror(errno));
    if (!filter_packet_part(&what)) {
        if (errno != EINVAL && errno != ENOSYS)
            return begin_failed(EXIT_PRIVILEGE, what, strerror(errno));
        log_line(LOG_WARNING, "this kernel cannot %s: going on without", what);
    }
    return 0;
}

static int listen_failed(const char *path)
{
    if (errno == EADDRINUSE)
        return begin_failed(EXIT_ANOTHER, path, "another process listens there");
    return begin_failed(EXIT_SOCKET, path, errno == EEXIST ? "it is there, and no socket" : strerror(errno));
}

/* Root in a container may have less than root. Returns an exit status. */
static int check_rights(void)
{
    static const struct {
        unsigned bit;
        const char *name;
    } needed[] = {
        {CAP_NET_ADMIN, " CAP_NET_ADMIN"}, {CAP_NET_RAW, " CAP_NET_RAW"}, {CAP_NET_BIND_SERVICE, " CAP_NET_BIND_SERVICE"},
        {CAP_SETUID, " CAP_SETUID"},       {CAP_SETGID, " CAP_SETGID"},   {CAP_SETPCAP, " CAP_SETPCAP"},
    };
    char names[160] = "";
    if (geteuid() != 0)
        return begin_failed(EXIT_PRIVILEGE, "not root", "the TUN, routes and sockets need it at the start");
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (sandbox_lacks(1ull << needed[i].bit))
            strcat(names, needed[i].name); /* all of them fit */
    return names[0] ? begin_failed(EXIT_PRIVILEGE, "root without", names + 1) : 0;
}

/* Returns an exit status. */
static int begin(struct tunneld *tunneld, const struct options *options)
{
    struct {
        uint64_t epoch, state_secret, signal_secret;
        uint8_t duplicates_key[16];
    } random;
    uint32_t tun_ifindex;
    int status = check_rights();
    if (status)
        return status;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return begin_failed(EXIT_PRIVILEGE, "no random numbers", strerror(errno));
    if (!helper_start(&tunneld->helper, options->tun, options->fence))
        return begin_failed(EXIT_HELPER, "cannot fork the helper", strerror(errno));
    status = open_tun(tunneld, &tun_ifindex);
    if (status)
        return status;
    tunneld->epoch = random.epoch;
    state_begin(&tunneld->state, random.state_secret);
    signals_begin(&tunneld->signals, random.signal_secret);
    if (!out_begin(tunneld) || !in_begin(tunneld, tun_ifindex, random.duplicates_key))
        return begin_failed(EXIT_MEMORY, "no memory", strerror(errno));
    if (!loop_begin(&tunneld->loop) || !watch_all(tunneld))
        return begin_failed(EXIT_MEMORY, "the event loop", strerror(errno));
    if (!control_begin(tunneld))
        return begin_failed(EXIT_MEMORY, "no memory", strerror(errno));
    if (!channel_listen(&tunneld->control, options->socket, options->owner.uid))
        return listen_failed(options->socket);
    return give_up_rights(options);
}

static void run(struct tunneld *tunneld)
{
    while (tunneld->exit_code < 0) {
        uint64_t deadline_us = watch_expire(tunneld);
        uint64_t hold_us = hold_expire(tunneld);
        uint64_t expiry_us = apply_expiries(tunneld);
        if (hold_us < deadline_us)
            deadline_us = hold_us;
        if (expiry_us < deadline_us)
            deadline_us = expiry_us;
        loop_turn(&tunneld->loop, tunneld, &tunneld->now_us, deadline_us);
    }
}

int main(int argc, char **argv)
{
    static struct tunneld tunneld;
    struct options options = {.tun = "careof0", .user = {65534, 65534}, .level = LOG_INFO};
    if (!read_options(argc, argv, &options)) {
        fputs(usage, stderr);
        return EXIT_USE;
    }
    log_begin("careof-tunneld", options.level);
    signal(SIGPIPE, SIG_IGN);
    tunneld.exit_code = -1;
    tunneld.now_us = clock_us();
    int status = begin(&tunneld, &options);
    if (status)
        return status;
    log_line(LOG_NOTICE, "%s is up: offloads 0x%x", options.tun, tunneld.offloads);
    run(&tunneld);
    if (tunneld.exit_code == EXIT_STOPPED) {
        struct helper_request stops = {.verb = HELPER_STOPS, .length = 32};
        struct helper_answer answer;
        helper_ask(&tunneld.helper, &stops, &answer, NULL);
    }
    log_line(LOG_NOTICE, "stopped");
    return tunneld.exit_code;
}
