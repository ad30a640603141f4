#include "quiet.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "limits.h"

/* The kernel's switches (Documentation/networking/ip-sysctl.rst), and what they are to be: reply only for
 * addresses of the device that was asked on; ask only with one of them as the sender. */
static const struct {
    const char *name;
    char quiet;
} switches[] = {{"arp_ignore", '1'}, {"arp_announce", '2'}};
enum { SWITCHES = sizeof switches / sizeof switches[0], PATH_SIZE = 80 };

static struct quiet_device {
    char name[IFNAMSIZ]; /* empty: free */
    char before[SWITCHES];
} devices[LINKS_MAX];

static struct quiet_device *find(const char *name)
{
    for (int i = 0; i < LINKS_MAX; i++)
        if (strncmp(devices[i].name, name, IFNAMSIZ) == 0)
            return &devices[i];
    return NULL;
}

/* All of them are one digit. One is read, or written. Returns 0 or an errno. */
static int access_switch(const char *device, int i, int flags, char *digit)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "/proc/sys/net/ipv4/conf/%s/%s", device, switches[i].name);
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ENODEV : errno;
    errno = EIO;
    int error = (flags == O_RDONLY ? read(fd, digit, 1) : write(fd, digit, 1)) == 1 ? 0 : errno;
    close(fd);
    return error;
}

static int turn(const char *device, int i, char to)
{
    return access_switch(device, i, O_WRONLY, &to);
}

static int begin(const char *name)
{
    struct quiet_device *device = find("");
    if (!device)
        return ENOSPC;
    for (int i = 0; i < SWITCHES; i++) {
        int error = access_switch(name, i, O_RDONLY, &device->before[i]);
        if (!error)
            error = turn(name, i, switches[i].quiet);
        if (error) {
            while (i-- > 0)
                turn(name, i, device->before[i]);
            return error;
        }
    }
    memcpy(device->name, name, IFNAMSIZ);
    return 0;
}

static void end(struct quiet_device *device)
{
    for (int i = 0; i < SWITCHES; i++)
        turn(device->name, i, device->before[i]); /* a device that is gone took them with it */
    memset(device, 0, sizeof *device);
}

int quiet_set(const char *name, bool quiet)
{
    if (!name[0])
        return EINVAL;
    struct quiet_device *device = find(name);
    if (quiet)
        return device ? 0 : begin(name);
    if (device)
        end(device);
    return 0;
}

void quiet_sweep(void)
{
    for (int i = 0; i < LINKS_MAX; i++)
        if (devices[i].name[0])
            end(&devices[i]);
}
