/* Everything that one careof-tunneld is, and the time of the turn. */
#ifndef CAREOF_TUNNELD_H
#define CAREOF_TUNNELD_H

#include <stdint.h>

#include "control.h"
#include "helper.h"
#include "in.h"
#include "limiter.h"
#include "loop.h"
#include "messages.h"
#include "out.h"
#include "send.h"
#include "signals.h"
#include "state.h"

/* Exit statuses, for whoever supervises: what is worth another try at once, later, or not at all. */
enum exit_status {
    EXIT_STOPPED = 0,   /* by SIGTERM or SIGINT */
    EXIT_USE = 2,       /* wrong use: no try will help */
    EXIT_SOCKET = 3,    /* the socket to careofd cannot be made */
    EXIT_PRIVILEGE = 4, /* not root, or not allowed to give up rights */
    EXIT_TUN = 5,       /* no TUN: not in this kernel, or another program's */
    EXIT_HELPER = 6,    /* the helper died */
    EXIT_MEMORY = 7,
    EXIT_ANOTHER = 8,   /* another careof-tunneld is in this network namespace, or has the socket */
};

struct tunneld {
    struct loop loop;
    struct helper helper;
    struct watcher helper_watcher, stop_watcher, tun;
    struct state state;
    struct channel control;
    struct sender sender;
    struct out out;
    struct in in;
    struct signals signals;
    struct limiter icmp_limit, broadcast_limit, errors_limit;
    uint64_t counters[COUNTERS_COUNT];
    uint64_t now_us; /* monotonic, read once a turn */
    uint64_t epoch;
    uint32_t offloads;
    int exit_code; /* not negative: the loop ends with it */
};

static inline void count(struct tunneld *tunneld, enum counter counter, uint64_t more)
{
    tunneld->counters[counter] += more;
}

#endif
