#include "filter.h"

#include "helper_filter.h"
#include "sandbox_calls.h"

bool filter_packet_part(const char **what)
{
    static const struct sandbox_call calls[] = {
        SANDBOX_RUNTIME_CALLS,
        SANDBOX_MEMORY_CALLS,
        SANDBOX_SOCKET_CALLS,
        SANDBOX_LOOP_CALLS,
        SANDBOX_TIME_CALLS,
        SANDBOX_CALL(SYS_readv),
        SANDBOX_CALL(SYS_sendmmsg),
        SANDBOX_CALL(SYS_recvmmsg),
#ifdef SYS_recvmmsg_time64
        SANDBOX_CALL(SYS_recvmmsg_time64),
#endif
    };
    return sandbox_filter(calls, SANDBOX_COUNT(calls), false, what);
}

bool helper_filter(const char **what)
{
    static const struct sandbox_call calls[] = {
        SANDBOX_RUNTIME_CALLS,
        SANDBOX_MEMORY_CALLS,
        SANDBOX_SOCKET_CALLS,
        SANDBOX_CALL(SYS_socket),
        SANDBOX_CALL(SYS_bind),
        SANDBOX_CALL(SYS_setsockopt),
        SANDBOX_CALL(SYS_ioctl),
        SANDBOX_CALL(SYS_openat),
#ifdef SYS_open
        SANDBOX_CALL(SYS_open),
#endif
        SANDBOX_CALL(SYS_fcntl),
#ifdef SYS_fcntl64
        SANDBOX_CALL(SYS_fcntl64),
#endif
        SANDBOX_CALL(SYS_nanosleep),
#ifdef SYS_clock_nanosleep
        SANDBOX_CALL(SYS_clock_nanosleep),
#endif
#ifdef SYS_clock_nanosleep_time32
        SANDBOX_CALL(SYS_clock_nanosleep_time32),
#endif
#ifdef SYS_clock_nanosleep_time64
        SANDBOX_CALL(SYS_clock_nanosleep_time64),
#endif
    };
    return sandbox_filter(calls, SANDBOX_COUNT(calls), false, what);
}
