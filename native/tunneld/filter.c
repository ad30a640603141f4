#include "filter.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include "helper_filter.h"
#include "sandbox.h"

#define CALL(number) {number, -1, 0, {0}}
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Memory is for data: nothing becomes executable. */
#define MEMORY_CALLS                                                                                          \
    {MMAP_CALL, 2, 3, {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE}},                                             \
    {                                                                                                              \
        SYS_mprotect, 2, 3, { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE }                                       \
    }

#ifdef SYS_mmap2
#define MMAP_CALL SYS_mmap2
#else
#define MMAP_CALL SYS_mmap
#endif

/* The C library chooses among calls that do the same; what a kernel or an architecture lacks is left out. */
bool filter_packet_part(const char **what)
{
    static const struct sandbox_call calls[] = {
        FILTER_RUNTIME_CALLS,
        MEMORY_CALLS,
        CALL(SYS_readv),
        CALL(SYS_sendto),
        CALL(SYS_sendmsg),
        CALL(SYS_sendmmsg),
        CALL(SYS_recvfrom),
        CALL(SYS_recvmsg),
        CALL(SYS_recvmmsg),
#ifdef SYS_recvmmsg_time64
        CALL(SYS_recvmmsg_time64),
#endif
#ifdef SYS_send
        CALL(SYS_send),
#endif
#ifdef SYS_recv
        CALL(SYS_recv),
#endif
        CALL(SYS_accept4),
        CALL(SYS_getsockopt),
#ifdef SYS_epoll_wait
        CALL(SYS_epoll_wait),
#endif
        CALL(SYS_epoll_pwait),
        CALL(SYS_epoll_ctl),
#ifdef SYS_clock_gettime
        CALL(SYS_clock_gettime),
#endif
#ifdef SYS_clock_gettime32 /* musl's name of the old one, where there are two */
        CALL(SYS_clock_gettime32),
#endif
#ifdef SYS_clock_gettime64
        CALL(SYS_clock_gettime64),
#endif
        CALL(SYS_gettid),
        CALL(SYS_futex),
    };
    return sandbox_filter(calls, COUNT(calls), false, what);
}

bool helper_filter(const char **what)
{
    static const struct sandbox_call calls[] = {
        FILTER_RUNTIME_CALLS,
        MEMORY_CALLS,
        CALL(SYS_socket),
        CALL(SYS_bind),
        CALL(SYS_setsockopt),
        CALL(SYS_ioctl),
        CALL(SYS_openat),
#ifdef SYS_open
        CALL(SYS_open),
#endif
        CALL(SYS_fcntl),
#ifdef SYS_fcntl64
        CALL(SYS_fcntl64),
#endif
        CALL(SYS_sendto),
        CALL(SYS_sendmsg),
        CALL(SYS_recvfrom),
        CALL(SYS_recvmsg),
#ifdef SYS_send
        CALL(SYS_send),
#endif
#ifdef SYS_recv
        CALL(SYS_recv),
#endif
        CALL(SYS_nanosleep),
#ifdef SYS_clock_nanosleep
        CALL(SYS_clock_nanosleep),
#endif
#ifdef SYS_clock_nanosleep_time32
        CALL(SYS_clock_nanosleep_time32),
#endif
#ifdef SYS_clock_nanosleep_time64
        CALL(SYS_clock_nanosleep_time64),
#endif
    };
    return sandbox_filter(calls, COUNT(calls), false, what);
}
