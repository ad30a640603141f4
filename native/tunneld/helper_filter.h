/* The helper's system calls, and no others (see sandbox.h). */
#ifndef CAREOF_HELPER_FILTER_H
#define CAREOF_HELPER_FILTER_H

#include <stdbool.h>

bool helper_filter(const char **what);

#endif
