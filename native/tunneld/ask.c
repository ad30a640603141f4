/* The packet part's end of the helper's socket. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "helper.h"
#include "limits.h"

bool helper_start(struct helper *helper, const char *tun_name, bool fence)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return false;
    struct timeval patience = {.tv_sec = HELPER_ANSWER_S};
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    helper->pid = fork();
    if (helper->pid == 0) {
        close(pair[0]);
        helper_main(pair[1], tun_name, fence);
    }
    close(pair[1]);
    helper->socket = pair[0];
    if (helper->pid > 0)
        return true;
    close(pair[0]);
    helper->socket = -1;
    return false;
}

static int descriptor_in(struct msghdr *message)
{
    int descriptor = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
            memcpy(&descriptor, CMSG_DATA(c), sizeof descriptor);
    return descriptor;
}

bool helper_ask(struct helper *helper, const struct helper_request *request, struct helper_answer *answer,
                int *descriptor)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = answer, .iov_len = sizeof *answer};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    if (descriptor)
        *descriptor = -1;
    if (helper->socket < 0) {
        errno = EPIPE;
        return false;
    }
    ssize_t size = send(helper->socket, request, sizeof *request, MSG_NOSIGNAL);
    if (size == (ssize_t)sizeof *request) {
        do
            size = recvmsg(helper->socket, &message, MSG_CMSG_CLOEXEC);
        while (size < 0 && errno == EINTR);
    }
    if (size == (ssize_t)sizeof *answer) {
        int received = descriptor_in(&message);
        if (descriptor)
            *descriptor = received;
        else if (received >= 0)
            close(received);
        answer->text[sizeof answer->text - 1] = 0;
        return true;
    }
    if (size >= 0)
        errno = EPIPE;
    close(helper->socket); /* an answer that comes late must not be taken for the next one's */
    helper->socket = -1;
    return false;
}
