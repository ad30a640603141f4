/* Giving up rights, once and for all. Nothing here needs a library: capabilities and the seccomp filter
 * are set by system calls alone. Each returns false with errno set and `what` naming the step. */
#ifndef CAREOF_SANDBOX_H
#define CAREOF_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sandbox_user {
    uid_t uid;
    gid_t gid;
};

/* "nobody", "65534", "careof:careof", "100:100". Reads /etc/passwd and /etc/group. */
bool sandbox_user_named(const char *text, struct sandbox_user *user);

/* That user, no supplementary groups, no capabilities, no way back. */
bool sandbox_become(const struct sandbox_user *user, const char **what);

/* Of all capabilities only these bits (1 << CAP_...) stay; the bounding set shrinks with them. */
bool sandbox_keep_capabilities(uint64_t mask, const char **what);

/* Of these bits, those that this process has not got. */
uint64_t sandbox_lacks(uint64_t mask);

/* No new privileges by exec, no core dump, no tracing by the same user. */
bool sandbox_harden(const char **what);

/* Only these system calls from now on; anything else fails with EPERM or kills, as `deadly` says. Where the
 * kernel has no seccomp filter, errno is EINVAL or ENOSYS. */
struct sandbox_call {
    uint32_t number;
    int8_t argument;  /* if not negative: this argument must be one of `values` */
    uint8_t value_count;
    uint32_t values[4];
};
bool sandbox_filter(const struct sandbox_call *calls, size_t count, bool deadly, const char **what);

#endif
