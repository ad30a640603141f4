#include "channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

void channel_hang_up(struct channel *channel, const char *why)
{
    if (channel->client.fd < 0)
        return;
    log_line(LOG_NOTICE, "careofd: %s", why);
    loop_forget(channel->loop, &channel->client);
    channel->queue_begin = channel->queue_end = channel->filled = 0;
    if (channel->rules->gone)
        channel->rules->gone(channel->owner);
}

/* -- Out ------------------------------------------------------------------------------------------ */

static size_t queued(const struct channel *channel)
{
    return channel->queue_end - channel->queue_begin;
}

size_t channel_room(const struct channel *channel)
{
    return channel->rules->queue_size - queued(channel);
}

/* Does it read what it is told? If not, nothing more is read of it, where answers are many. */
static bool keeps_up(const struct channel *channel)
{
    return channel->rules->batch_size == 0 || queued(channel) <= channel->rules->queue_size / 2;
}

static void watch_client(struct channel *channel)
{
    uint32_t events = (keeps_up(channel) ? EPOLLIN : 0) | (queued(channel) ? EPOLLOUT : 0);
    loop_change(channel->loop, &channel->client, events);
}

/* Room at the end of the queue for `size` octets, with `limit` of it in use at most. */
static uint8_t *queue_room(struct channel *channel, size_t size, size_t limit)
{
    size_t used = queued(channel);
    if (used + size > limit)
        return NULL;
    if (channel->queue_end + size > channel->rules->queue_size) {
        memmove(channel->queue, channel->queue + channel->queue_begin, used);
        channel->queue_begin = 0;
        channel->queue_end = used;
    }
    uint8_t *at = channel->queue + channel->queue_end;
    channel->queue_end += size;
    return at;
}

/* Sends what waits as far as it goes; false: the client is gone. */
static bool send_queued(struct channel *channel)
{
    while (queued(channel)) {
        uint32_t size;
        const uint8_t *at = channel->queue + channel->queue_begin;
        memcpy(&size, at, sizeof size);
        if (send(channel->client.fd, at + sizeof size, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
            if (errno == EAGAIN || errno == EINTR)
                break;
            channel_hang_up(channel, strerror(errno));
            return false;
        }
        channel->queue_begin += sizeof size + size;
    }
    if (!queued(channel))
        channel->queue_begin = channel->queue_end = 0;
    watch_client(channel);
    return true;
}

/* The datagram goes out, or into the queue. False: there was no room in that, or the client is gone. */
static bool send_filled(struct channel *channel, size_t limit)
{
    uint32_t size = (uint32_t)channel->filled;
    channel->filled = 0;
    if (!queued(channel)) {
        if (send(channel->client.fd, channel->message, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return true;
        if (errno != EAGAIN && errno != EINTR) {
            channel_hang_up(channel, strerror(errno));
            return false;
        }
    }
    uint8_t *at = queue_room(channel, sizeof size + size, limit);
    if (!at)
        return false;
    memcpy(at, &size, sizeof size);
    memcpy(at + sizeof size, channel->message, size);
    watch_client(channel);
    return true;
}

void channel_flush(struct channel *channel)
{
    if (channel->filled && !send_filled(channel, channel->rules->queue_size))
        channel_hang_up(channel, "does not read what it is told");
}

bool channel_tell_within(struct channel *channel, uint16_t kind, const void *values, size_t limit)
{
    const struct message_row *row = codec_row(channel->rules->rows, channel->rules->row_count, kind);
    if (channel->client.fd < 0)
        return false;
    channel->filled = codec_pack(row, channel->number + 1, values, channel->message, MESSAGE_SIZE_MAX);
    if (!channel->filled || !send_filled(channel, limit))
        return false;
    channel->number++;
    return true;
}

/* Into the datagram that is being filled; a message that is longer than a batch goes alone. */
static bool add_to_batch(struct channel *channel, uint16_t kind, const void *values)
{
    const struct message_row *row = codec_row(channel->rules->rows, channel->rules->row_count, kind);
    size_t size = 0;
    if (channel->filled && channel->filled < channel->rules->batch_size)
        size = codec_pack(row, channel->number + 1, values, channel->message + channel->filled,
                          channel->rules->batch_size - channel->filled);
    if (!size) {
        channel_flush(channel);
        size = codec_pack(row, channel->number + 1, values, channel->message, MESSAGE_SIZE_MAX);
    }
    if (!size || channel->client.fd < 0)
        return false;
    channel->filled += size;
    channel->number++;
    return true;
}

void channel_tell(struct channel *channel, uint16_t kind, const void *values)
{
    if (channel->client.fd < 0)
        return;
    bool told = channel->rules->batch_size ? add_to_batch(channel, kind, values)
                                           : channel_tell_within(channel, kind, values, channel->rules->queue_size);
    if (!told)
        channel_hang_up(channel, "does not read what it is told");
}

/* -- In ------------------------------------------------------------------------------------------- */

/* What is wrong with a message: counted, said, and nothing else. */
static void odd(struct channel *channel, enum channel_oddity oddity, const char *field)
{
    static struct log_limit limit;
    channel->rules->odd(channel->owner, oddity);
    if (oddity == CHANNEL_UNKNOWN_KIND)
        log_limited(&limit, *channel->now_us, LOG_WARNING, "careofd: message kind %u is not known",
                    channel->rules->header->kind);
    else
        log_limited(&limit, *channel->now_us, LOG_WARNING, "careofd: malformed message of kind %u: %s",
                    channel->rules->header->kind, field);
}

static void take(struct channel *channel, const uint8_t *data, size_t size)
{
    const struct channel_rules *rules = channel->rules;
    const char *bad;
    memset(rules->values, 0, rules->values_size);
    enum codec_error error =
        codec_unpack(rules->rows, rules->row_count, data, size, rules->header, rules->values, &bad);
    if (error == CODEC_UNKNOWN)
        odd(channel, CHANNEL_UNKNOWN_KIND, bad);
    else if (error != CODEC_FINE)
        odd(channel, CHANNEL_MALFORMED, bad);
    else
        rules->take(channel->owner);
}

/* A datagram of several messages, up to the first whose length lies. */
static void take_all(struct channel *channel, size_t size)
{
    const uint8_t *at = channel->received;
    while (size && channel->client.fd >= 0) {
        size_t first = channel->rules->batch_size || channel->rules->many_in ? codec_first_size(at, size) : size;
        if (!first) {
            channel->rules->header->kind = 0;
            odd(channel, CHANNEL_MALFORMED, "length");
            return;
        }
        take(channel, at, first);
        at += first;
        size -= first;
    }
}

static void client_ready(void *owner, struct watcher *watcher, uint32_t events)
{
    struct channel *channel = (struct channel *)((char *)watcher - offsetof(struct channel, client));
    (void)owner;
    if ((events & EPOLLOUT) && !send_queued(channel))
        return;
    for (unsigned i = 0; i < channel->rules->per_turn && watcher->fd >= 0 && keeps_up(channel); i++) {
        ssize_t size = recv(watcher->fd, channel->received, MESSAGE_SIZE_MAX, MSG_DONTWAIT | MSG_TRUNC);
        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (size <= 0) {
            channel_hang_up(channel, size ? strerror(errno) : "disconnected");
            return;
        }
        if (size > MESSAGE_SIZE_MAX)
            channel->rules->odd(channel->owner, CHANNEL_MALFORMED);
        else
            take_all(channel, (size_t)size);
    }
    channel_flush(channel);
}

bool channel_adopt(struct channel *channel, int client)
{
    channel_hang_up(channel, "another one takes its place");
    channel->client = (struct watcher){.fd = client, .ready = client_ready};
    if (loop_watch(channel->loop, &channel->client, EPOLLIN))
        return true;
    close(client);
    channel->client.fd = -1;
    return false;
}

static void listener_ready(void *owner, struct watcher *watcher, uint32_t events)
{
    static struct log_limit limit;
    struct channel *channel = (struct channel *)((char *)watcher - offsetof(struct channel, listener));
    struct ucred peer;
    socklen_t size = sizeof peer;
    (void)owner, (void)events;
    int client = accept4(watcher->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0)
        return;
    if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) ||
        (peer.uid != 0 && peer.uid != channel->client_owner)) {
        channel->rules->odd(channel->owner, CHANNEL_REFUSED);
        log_limited(&limit, *channel->now_us, LOG_WARNING, "a client of user %u is refused", peer.uid);
        close(client);
        return;
    }
    channel_adopt(channel, client);
}

/* -- Life ----------------------------------------------------------------------------------------- */

bool channel_begin(struct channel *channel, const struct channel_rules *rules, struct loop *loop, void *owner,
                   const uint64_t *now_us)
{
    *channel = (struct channel){.rules = rules, .loop = loop, .owner = owner, .now_us = now_us};
    channel->client.fd = channel->listener.fd = -1;
    channel->message = malloc(MESSAGE_SIZE_MAX);
    channel->received = malloc(MESSAGE_SIZE_MAX);
    channel->queue = malloc(rules->queue_size);
    return channel->message && channel->received && channel->queue;
}

/* Removes what a life that was killed left there. Not what somebody lives behind: that a stream is of the wrong type
 * for its socket says so (EPROTOTYPE) and is no connection, which would take the place of its client. Nor what is no
 * socket at all. False with errno: EADDRINUSE, EEXIST, or what else there is against it. */
static bool make_room(const struct sockaddr_un *address)
{
    struct stat found;
    if (lstat(address->sun_path, &found))
        return errno == ENOENT;
    if (!S_ISSOCK(found.st_mode)) {
        errno = EEXIST;
        return false;
    }
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return false;
    int error = connect(probe, (const struct sockaddr *)address, sizeof *address) ? errno : 0;
    close(probe);
    if (error == ECONNREFUSED)
        return unlink(address->sun_path) == 0;
    errno = error == EPROTOTYPE || error == EAGAIN || !error ? EADDRINUSE : error;
    return false;
}

bool channel_listen(struct channel *channel, const char *path, uid_t client_owner)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    strcpy(address.sun_path, path);
    if (!make_room(&address))
        return false;
    channel->client_owner = client_owner;
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0)
        return false;
    mode_t mask = umask(0177);
    int bound = bind(listener, (struct sockaddr *)&address, sizeof address);
    umask(mask);
    channel->listener = (struct watcher){.fd = listener, .ready = listener_ready};
    if (bound || chown(path, client_owner, (gid_t)-1) || listen(listener, 4) ||
        !loop_watch(channel->loop, &channel->listener, EPOLLIN)) {
        int error = errno;
        close(listener);
        channel->listener.fd = -1;
        errno = error;
        return false;
    }
    return true;
}
