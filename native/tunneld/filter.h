/* The packet part's system calls, and no others (see sandbox.h). */
#ifndef CAREOF_FILTER_H
#define CAREOF_FILTER_H

#include <stdbool.h>

/* Those that any C library needs to run at all, for both parts. */
#define FILTER_RUNTIME_CALLS                                                                                  \
    {SYS_brk, -1, 0, {0}}, {SYS_munmap, -1, 0, {0}}, {SYS_mremap, -1, 0, {0}}, {SYS_madvise, -1, 0, {0}},          \
        {SYS_exit, -1, 0, {0}}, {SYS_exit_group, -1, 0, {0}}, {SYS_close, -1, 0, {0}}, {SYS_read, -1, 0, {0}},     \
        {SYS_write, -1, 0, {0}}, {SYS_writev, -1, 0, {0}}, {SYS_rt_sigreturn, -1, 0, {0}},                         \
        {SYS_restart_syscall, -1, 0, {0}}

bool filter_packet_part(const char **what);

#endif
