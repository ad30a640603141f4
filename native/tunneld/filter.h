/* The packet part's system calls, and no others (see sandbox.h). */
#ifndef CAREOF_FILTER_H
#define CAREOF_FILTER_H

#include <stdbool.h>

bool filter_packet_part(const char **what);

#endif
