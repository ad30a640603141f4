/* Everything that one careof-keyd is, and the time of the turn. */
#ifndef CAREOF_KEYD_H
#define CAREOF_KEYD_H

#include <stdint.h>

#include "channel.h"
#include "keys.h"
#include "loop.h"
#include "messages.h"
#include "store.h"
#include "worker.h"

/* Exit statuses, for whoever supervises: what is worth another try at once, later, or not at all. */
enum exit_status {
    EXIT_STOPPED = 0,   /* by SIGTERM or SIGINT */
    EXIT_USE = 2,       /* wrong use: no try will help */
    EXIT_SOCKET = 3,    /* the socket to careofd cannot be made */
    EXIT_PRIVILEGE = 4, /* not allowed to give up rights, or the library of cryptography does not work */
    EXIT_STATE = 5,     /* the state file is not ours or cannot be read */
    EXIT_KEYS = 6,      /* the file of keys is wrong */
    EXIT_MEMORY = 7,
    EXIT_ANOTHER = 8,   /* another careof-keyd has the folder of the state file, or the socket */
};

/* Where sending all values to careofd is. */
struct restore {
    bool under_way;
    uint32_t slot;   /* of store.values */
    uint32_t offset; /* in that value */
};

struct keyd {
    struct loop loop;
    struct watcher stop_watcher, worker_watcher;
    struct channel channel;
    struct worker worker;
    struct store store;
    struct keys added, of_file;
    bool load_asked, loading; /* LoadKeys: waits for the worker, or is there */
    struct keys loaded;       /* what the worker fills */
    uint32_t load_number;     /* of the LoadKeys that is to be answered */
    bool load_answered;       /* nobody waits for it any more */
    struct restore restore;
    uint64_t counters[COUNTERS_COUNT];
    uint64_t now_us; /* monotonic, read once a turn */
    uint64_t epoch, secret;
    int exit_code;    /* not negative: the loop ends with it, */
    uint64_t stop_us; /* when the state is on the disk, or at this time */
};

static inline void count(struct keyd *keyd, enum counter counter, uint64_t more)
{
    keyd->counters[counter] += more;
}

#endif
