#include "sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool number_of(const char *text, uint32_t *number)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || end == text || *end || value >= 0xffffffffu || text[0] == '-')
        return false;
    *number = (uint32_t)value;
    return true;
}

bool sandbox_user_named(const char *text, struct sandbox_user *user)
{
    char name[64];
    size_t size = strcspn(text, ":");
    if (size == 0 || size >= sizeof name)
        return false;
    memcpy(name, text, size);
    name[size] = 0;
    uint32_t number;
    struct passwd *entry = NULL;
    if (number_of(name, &number)) {
        user->uid = number;
        user->gid = number;
        entry = getpwuid(number);
    } else if (!(entry = getpwnam(name))) {
        return false;
    }
    if (entry) {
        user->uid = entry->pw_uid;
        user->gid = entry->pw_gid;
    }
    if (text[size] == 0)
        return true;
    const char *group_name = text + size + 1;
    if (number_of(group_name, &number)) {
        user->gid = number;
        return true;
    }
    struct group *group = getgrnam(group_name);
    if (group)
        user->gid = group->gr_gid;
    return group != NULL;
}

/* What no exec can bring back. */
static bool shrink_bounding_set(uint64_t mask, const char **what)
{
    *what = "shrink the bounding set";
    for (int bit = 0; prctl(PR_CAPBSET_READ, bit) >= 0; bit++)
        if (!(mask >> bit & 1) && prctl(PR_CAPBSET_DROP, bit))
            return false;
    return true;
}

bool sandbox_become(const struct sandbox_user *user, const char **what)
{
    if (!shrink_bounding_set(0, what))
        return false;
    *what = "give up supplementary groups";
    if (setgroups(0, NULL))
        return false;
    *what = "become that group";
    if (setresgid(user->gid, user->gid, user->gid))
        return false;
    *what = "become that user";
    if (setresuid(user->uid, user->uid, user->uid))
        return false;
    if (user->uid != 0) {
        *what = "stay that user";
        errno = EPERM;
        return setuid(0) != 0; /* must not be possible any more */
    }
    return sandbox_keep_capabilities(0, what);
}

uint64_t sandbox_lacks(uint64_t mask)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    memset(data, 0, sizeof data);
    if (syscall(SYS_capget, &header, data))
        return 0; /* whoever cannot be asked is let try */
    return mask & ~((uint64_t)data[1].permitted << 32 | data[0].permitted);
}

bool sandbox_keep_capabilities(uint64_t mask, const char **what)
{
    if (!shrink_bounding_set(mask, what))
        return false;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    memset(data, 0, sizeof data);
    data[0].effective = data[0].permitted = (uint32_t)mask;
    data[1].effective = data[1].permitted = (uint32_t)(mask >> 32);
    *what = "drop capabilities";
    return syscall(SYS_capset, &header, data) == 0;
}

bool sandbox_harden(const char **what)
{
    struct rlimit none = {0, 0};
    *what = "forbid core dumps";
    if (setrlimit(RLIMIT_CORE, &none))
        return false;
    *what = "forbid tracing";
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
        return false;
    *what = "forbid new privileges";
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}
