/* Lists of system calls for sandbox_filter(), by what they are for. The C library chooses among calls that do the
 * same; what a kernel or an architecture lacks is left out. */
#ifndef CAREOF_SANDBOX_CALLS_H
#define CAREOF_SANDBOX_CALLS_H

#include <sys/mman.h>
#include <sys/syscall.h>

#include "sandbox.h"

/* clang-format off */
#define SANDBOX_CALL(number) {number, -1, 0, {0}}
#define SANDBOX_COUNT(array) (sizeof(array) / sizeof *(array))

/* What any C library needs to run at all. */
#define SANDBOX_RUNTIME_CALLS                                                                             \
    SANDBOX_CALL(SYS_brk), SANDBOX_CALL(SYS_munmap), SANDBOX_CALL(SYS_mremap), SANDBOX_CALL(SYS_madvise),     \
    SANDBOX_CALL(SYS_exit), SANDBOX_CALL(SYS_exit_group), SANDBOX_CALL(SYS_close), SANDBOX_CALL(SYS_read),    \
    SANDBOX_CALL(SYS_write), SANDBOX_CALL(SYS_writev), SANDBOX_CALL(SYS_rt_sigreturn),                        \
    SANDBOX_CALL(SYS_restart_syscall)

/* Memory is for data: nothing becomes executable. */
#ifdef SYS_mmap2
#define SANDBOX_SYS_MMAP SYS_mmap2
#else
#define SANDBOX_SYS_MMAP SYS_mmap
#endif
#define SANDBOX_MEMORY_CALLS                                                                              \
    {SANDBOX_SYS_MMAP, 2, 3, {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE}},                                  \
    {SYS_mprotect, 2, 3, {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE}}

#ifdef SYS_send
#define SANDBOX_PLAIN_SEND SANDBOX_CALL(SYS_send), SANDBOX_CALL(SYS_recv),
#else
#define SANDBOX_PLAIN_SEND
#endif
#define SANDBOX_SOCKET_CALLS                                                                              \
    SANDBOX_PLAIN_SEND SANDBOX_CALL(SYS_sendto), SANDBOX_CALL(SYS_sendmsg), SANDBOX_CALL(SYS_recvfrom),       \
    SANDBOX_CALL(SYS_recvmsg)

/* Of an event loop with a listening socket. */
#ifdef SYS_epoll_wait
#define SANDBOX_PLAIN_EPOLL SANDBOX_CALL(SYS_epoll_wait),
#else
#define SANDBOX_PLAIN_EPOLL
#endif
#define SANDBOX_LOOP_CALLS                                                                                \
    SANDBOX_PLAIN_EPOLL SANDBOX_CALL(SYS_epoll_pwait), SANDBOX_CALL(SYS_epoll_ctl), SANDBOX_CALL(SYS_accept4), \
    SANDBOX_CALL(SYS_getsockopt)

/* Time, and waiting for another thread. musl has its own names for the old ones, where there are two. */
#ifdef SYS_clock_gettime
#define SANDBOX_CLOCK SANDBOX_CALL(SYS_clock_gettime),
#else
#define SANDBOX_CLOCK
#endif
#ifdef SYS_clock_gettime32
#define SANDBOX_CLOCK_32 SANDBOX_CALL(SYS_clock_gettime32),
#else
#define SANDBOX_CLOCK_32
#endif
#ifdef SYS_clock_gettime64
#define SANDBOX_CLOCK_64 SANDBOX_CALL(SYS_clock_gettime64),
#else
#define SANDBOX_CLOCK_64
#endif
#ifdef SYS_futex_time64
#define SANDBOX_FUTEX_64 SANDBOX_CALL(SYS_futex_time64),
#else
#define SANDBOX_FUTEX_64
#endif
#define SANDBOX_TIME_CALLS                                                                                \
    SANDBOX_CLOCK SANDBOX_CLOCK_32 SANDBOX_CLOCK_64 SANDBOX_FUTEX_64 SANDBOX_CALL(SYS_gettid),                \
    SANDBOX_CALL(SYS_futex)
/* clang-format on */

#endif
