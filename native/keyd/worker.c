#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "limits.h"

/* The folder that a path is in, and the name there. */
static int open_folder(const char *path, const char **name)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    size_t size = slash ? (size_t)(slash - path) : 0;
    *name = slash ? slash + 1 : path;
    errno = ENAMETOOLONG;
    if (size >= sizeof folder)
        return -1;
    snprintf(folder, sizeof folder, "%.*s", size ? (int)size : 1, size ? path : slash ? "/" : ".");
    return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool worker_open(struct worker *worker, const char *state_path, const char *keys_path, const char **path)
{
    const char *name;
    worker->folder = worker->file = worker->done_event = worker->keys_folder = -1;
    worker->keys_path = *path = keys_path;
    if (keys_path && (worker->keys_folder = open_folder(keys_path, &worker->keys_name)) < 0)
        return false;
    *path = state_path;
    worker->folder = open_folder(state_path, &name);
    if (worker->folder < 0)
        return false;
    errno = EINVAL;
    if (strlen(name) >= sizeof worker->name || !*name)
        return false;
    snprintf(worker->name, sizeof worker->name, "%s", name);
    snprintf(worker->temporary, sizeof worker->temporary, "%s.new", worker->name);
    return flock(worker->folder, LOCK_EX | LOCK_NB) == 0;
}

bool worker_read_keys(struct worker *worker, struct keys *keys, int *error, char text[KEYS_ERROR_SIZE])
{
    return keys_file_read(worker->keys_folder, worker->keys_name, worker->keys_path, keys, error, text);
}

static bool read_all(int fd, uint8_t *to, size_t size)
{
    while (size) {
        ssize_t some = read(fd, to, size);
        if (some < 0 && errno == EINTR)
            continue;
        if (some <= 0) {
            if (some == 0)
                errno = EIO; /* it was longer a moment ago */
            return false;
        }
        to += some;
        size -= (size_t)some;
    }
    return true;
}

bool worker_read_file(struct worker *worker, uint8_t **octets, size_t *size)
{
    struct stat status;
    *octets = NULL;
    *size = 0;
    worker->file = openat(worker->folder, worker->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (worker->file < 0)
        return errno == ENOENT;
    if (fstat(worker->file, &status))
        return false;
    if (!S_ISREG(status.st_mode) || status.st_size > STATE_FILE_SIZE_MAX) {
        errno = S_ISREG(status.st_mode) ? EFBIG : EINVAL;
        return false;
    }
    *size = (size_t)status.st_size;
    *octets = malloc(*size ? *size : 1);
    if (*octets && read_all(worker->file, *octets, *size))
        return true;
    free(*octets);
    *octets = NULL;
    return false;
}

void worker_file_is_good(struct worker *worker, size_t good_size)
{
    worker->end = good_size;
}

/* -- Jobs ----------------------------------------------------------------------------------------- */

static int write_all(int fd, const uint8_t *octets, size_t size, uint64_t at)
{
    while (size) {
        ssize_t some = pwrite(fd, octets, size, (off_t)at);
        if (some < 0 && errno == EINTR)
            continue;
        if (some <= 0)
            return some ? errno : EIO;
        octets += some;
        size -= (size_t)some;
        at += (uint64_t)some;
    }
    return 0;
}

static int append(struct worker *worker, const struct worker_job *job)
{
    if (worker->file < 0)
        return EBADF;
    int error = write_all(worker->file, job->octets, job->size, worker->end);
    if (!error && fdatasync(worker->file))
        error = errno;
    if (!error)
        worker->end += job->size;
    else if (ftruncate(worker->file, (off_t)worker->end))
        return error; /* whatever lies there: reading ends before what is no record */
    return error;
}

static int replace(struct worker *worker, const struct worker_job *job)
{
    int fd = openat(worker->folder, worker->temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno;
    int error = write_all(fd, job->octets, job->size, 0);
    if (!error && fsync(fd))
        error = errno;
    if (!error && renameat(worker->folder, worker->temporary, worker->folder, worker->name))
        error = errno;
    if (!error && fsync(worker->folder))
        error = errno;
    if (error) {
        close(fd);
        return error; /* the temporary file is truncated by the next try, and read by nobody */
    }
    if (worker->file >= 0)
        close(worker->file);
    worker->file = fd;
    worker->end = job->size;
    return 0;
}

void worker_do(struct worker *worker, struct worker_job *job)
{
    job->text[0] = 0;
    job->error = 0;
    if (job->verb == WORKER_KEYS) {
        worker_read_keys(worker, job->keys, &job->error, job->text);
        return;
    }
    job->error = job->verb == WORKER_APPEND ? append(worker, job) : replace(worker, job);
    if (job->error)
        snprintf(job->text, sizeof job->text, "cannot be %s: %s", job->verb == WORKER_APPEND ? "appended to" : "written",
                 strerror(job->error));
}
