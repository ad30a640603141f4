#include "filter.h"

#include "sandbox_calls.h"

bool filter_loop(const char **what)
{
    static const struct sandbox_call calls[] = {
        SANDBOX_RUNTIME_CALLS,     SANDBOX_MEMORY_CALLS,     SANDBOX_SOCKET_CALLS,        SANDBOX_LOOP_CALLS,
        SANDBOX_TIME_CALLS,        SANDBOX_CALL(SYS_mlock),  SANDBOX_CALL(SYS_getrandom),
    };
    return sandbox_filter(calls, SANDBOX_COUNT(calls), false, what);
}

bool filter_worker(const char **what)
{
    static const struct sandbox_call calls[] = {
        SANDBOX_RUNTIME_CALLS,
        SANDBOX_MEMORY_CALLS,
        SANDBOX_TIME_CALLS,
        SANDBOX_CALL(SYS_mlock),
        SANDBOX_CALL(SYS_openat),
#ifdef SYS_open
        SANDBOX_CALL(SYS_open),
#endif
        SANDBOX_CALL(SYS_pwrite64),
        SANDBOX_CALL(SYS_fsync),
        SANDBOX_CALL(SYS_fdatasync),
        SANDBOX_CALL(SYS_ftruncate),
#ifdef SYS_ftruncate64
        SANDBOX_CALL(SYS_ftruncate64),
#endif
#ifdef SYS_renameat
        SANDBOX_CALL(SYS_renameat),
#endif
        SANDBOX_CALL(SYS_renameat2),
#ifdef SYS_fstat
        SANDBOX_CALL(SYS_fstat),
#endif
#ifdef SYS_fstat64
        SANDBOX_CALL(SYS_fstat64),
#endif
#ifdef SYS_fstatat64
        SANDBOX_CALL(SYS_fstatat64),
#endif
#ifdef SYS_newfstatat
        SANDBOX_CALL(SYS_newfstatat),
#endif
        SANDBOX_CALL(SYS_statx),
        SANDBOX_CALL(SYS_fcntl),
#ifdef SYS_fcntl64
        SANDBOX_CALL(SYS_fcntl64),
#endif
    };
    return sandbox_filter(calls, SANDBOX_COUNT(calls), false, what);
}
