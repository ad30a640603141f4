#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "apply.h"
#include "log.h"
#include "tunneld.h"

static void hang_up(struct tunneld *tunneld, const char *why)
{
    struct control *control = &tunneld->control;
    if (control->client.fd < 0)
        return;
    log_line(LOG_NOTICE, "careofd: %s", why);
    loop_forget(&tunneld->loop, &control->client);
    control->queue_begin = control->queue_end = 0;
}

/* -- Out ------------------------------------------------------------------------------------------ */

static bool queued(const struct control *control)
{
    return control->queue_begin != control->queue_end;
}

/* Room at the end of the queue for `size` octets, with `limit` of it in use at most. */
static uint8_t *queue_room(struct control *control, size_t size, size_t limit)
{
    size_t used = control->queue_end - control->queue_begin;
    if (used + size > limit)
        return NULL;
    if (control->queue_end + size > CLIENT_BUFFER_SIZE) {
        memmove(control->queue, control->queue + control->queue_begin, used);
        control->queue_begin = 0;
        control->queue_end = used;
    }
    uint8_t *at = control->queue + control->queue_end;
    control->queue_end += size;
    return at;
}

/* Sends what waits as far as it goes; false: the client is gone. */
static bool send_queued(struct tunneld *tunneld)
{
    struct control *control = &tunneld->control;
    while (queued(control)) {
        uint32_t size;
        const uint8_t *at = control->queue + control->queue_begin;
        memcpy(&size, at, sizeof size);
        if (send(control->client.fd, at + sizeof size, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
            if (errno == EAGAIN || errno == EINTR)
                return true;
            hang_up(tunneld, strerror(errno));
            return false;
        }
        control->queue_begin += sizeof size + size;
    }
    control->queue_begin = control->queue_end = 0;
    loop_change(&tunneld->loop, &control->client, EPOLLIN);
    return true;
}

static bool tell(struct tunneld *tunneld, uint16_t kind, const void *values, size_t limit)
{
    struct control *control = &tunneld->control;
    const struct message_row *row = codec_row(message_rows, MESSAGE_ROW_COUNT, kind);
    if (control->client.fd < 0)
        return false;
    uint32_t size = (uint32_t)codec_pack(row, control->number + 1, values, control->message, MESSAGE_SIZE_MAX);
    if (!size)
        return false;
    if (!queued(control)) {
        if (send(control->client.fd, control->message, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
            control->number++;
            return true;
        }
        if (errno != EAGAIN && errno != EINTR) {
            hang_up(tunneld, strerror(errno));
            return false;
        }
    }
    uint8_t *at = queue_room(control, sizeof size + size, limit);
    if (!at)
        return false;
    memcpy(at, &size, sizeof size);
    memcpy(at + sizeof size, control->message, size);
    control->number++;
    loop_change(&tunneld->loop, &control->client, EPOLLIN | EPOLLOUT);
    return true;
}

void control_tell(struct tunneld *tunneld, uint16_t kind, const void *values)
{
    if (!tell(tunneld, kind, values, CLIENT_BUFFER_SIZE) && control_has_client(&tunneld->control))
        hang_up(tunneld, "does not read what it is told");
}

bool control_tell_signal(struct tunneld *tunneld, uint16_t kind, const void *values)
{
    return tell(tunneld, kind, values, CLIENT_SIGNALS_SIZE);
}

/* -- In ------------------------------------------------------------------------------------------- */

static void take(struct tunneld *tunneld, size_t size)
{
    static struct log_limit limit;
    struct message message;
    const char *bad;
    memset(&message, 0, sizeof message);
    enum codec_error error = codec_unpack(message_rows, MESSAGE_ROW_COUNT, tunneld->control.received, size,
                                          &message.header, &message.as, &bad);
    if (error == CODEC_UNKNOWN) {
        count(tunneld, COUNTER_CLIENT_UNKNOWN_KIND, 1);
        log_limited(&limit, tunneld->now_us, LOG_WARNING, "careofd: message kind %u is not known", message.header.kind);
    } else if (error != CODEC_FINE) {
        count(tunneld, COUNTER_CLIENT_MALFORMED, 1);
        log_limited(&limit, tunneld->now_us, LOG_WARNING, "careofd: malformed message of kind %u: %s",
                    message.header.kind, bad);
    } else {
        apply(tunneld, &message);
    }
}

static void client_ready(struct tunneld *tunneld, struct watcher *watcher, uint32_t events)
{
    struct control *control = &tunneld->control;
    if ((events & EPOLLOUT) && !send_queued(tunneld))
        return;
    for (int i = 0; i < CLIENT_MESSAGES_PER_TURN && watcher->fd >= 0; i++) {
        ssize_t size = recv(watcher->fd, control->received, MESSAGE_SIZE_MAX, MSG_DONTWAIT | MSG_TRUNC);
        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (size <= 0) {
            hang_up(tunneld, size ? strerror(errno) : "disconnected");
            return;
        }
        if (size > MESSAGE_SIZE_MAX)
            count(tunneld, COUNTER_CLIENT_MALFORMED, 1);
        else
            take(tunneld, (size_t)size);
    }
}

static void listener_ready(struct tunneld *tunneld, struct watcher *watcher, uint32_t events)
{
    static struct log_limit limit;
    struct control *control = &tunneld->control;
    struct ucred peer;
    socklen_t size = sizeof peer;
    (void)events;
    int client = accept4(watcher->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0)
        return;
    if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) || (peer.uid != 0 && peer.uid != control->owner)) {
        count(tunneld, COUNTER_CLIENT_REFUSED, 1);
        log_limited(&limit, tunneld->now_us, LOG_WARNING, "a client of user %u is refused", peer.uid);
        close(client);
        return;
    }
    hang_up(tunneld, "another one takes its place");
    control->client = (struct watcher){.fd = client, .ready = client_ready};
    if (!loop_watch(&tunneld->loop, &control->client, EPOLLIN)) {
        close(client);
        control->client.fd = -1;
    }
}

bool control_listen(struct tunneld *tunneld, const char *path, uid_t owner)
{
    struct control *control = &tunneld->control;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    strcpy(address.sun_path, path);
    control->owner = owner;
    control->client.fd = -1;
    control->message = malloc(MESSAGE_SIZE_MAX);
    control->received = malloc(MESSAGE_SIZE_MAX);
    control->queue = malloc(CLIENT_BUFFER_SIZE);
    if (!control->message || !control->received || !control->queue)
        return false;
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0)
        return false;
    unlink(path); /* of a life that was killed; the helper's lock says that nobody lives there */
    mode_t mask = umask(0177);
    int bound = bind(listener, (struct sockaddr *)&address, sizeof address);
    umask(mask);
    control->listener = (struct watcher){.fd = listener, .ready = listener_ready};
    if (bound || chown(path, owner, (gid_t)-1) || listen(listener, 4) ||
        !loop_watch(&tunneld->loop, &control->listener, EPOLLIN)) {
        int error = errno;
        close(listener);
        control->listener.fd = -1;
        errno = error;
        return false;
    }
    return true;
}
