/* The system calls of careof-keyd's two threads, and no others (see sandbox.h). */
#ifndef CAREOF_FILTER_H
#define CAREOF_FILTER_H

#include <stdbool.h>

/* The loop, which parses what careofd says and has the keys: it opens nothing. */
bool filter_loop(const char **what);

/* The worker, which opens files and has no socket. */
bool filter_worker(const char **what);

#endif
