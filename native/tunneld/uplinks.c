#include "uplinks.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "in.h"
#include "objects.h"
#include "packet/gre.h"
#include "packet/ipv4.h"
#include "packet/minimal.h"
#include "tunneld.h"

/* One of an uplink's sockets; the one that is held stays if it is still the right one. */
static struct outcome open_socket(struct tunneld *tunneld, struct uplink *uplink, struct watcher *watcher,
                                  uint32_t *ifindex, const struct helper_request *request)
{
    struct helper_answer answer;
    int fd = -1;
    struct outcome outcome = outcome_of_helper(tunneld, request, &answer, &fd);
    if (outcome.error || answer.unchanged)
        return outcome;
    if (fd < 0)
        return outcome_of(EPROTO);
    loop_forget(&tunneld->loop, watcher);
    watcher->fd = fd;
    watcher->ready = request->verb == HELPER_OPEN_RAW ? in_raw_ready : in_udp_ready;
    *ifindex = answer.ifindex;
    uplink->udp_segment = tunneld->offloads & WIRE_OFFLOAD_UDP_SEGMENT;
    if (!loop_watch(&tunneld->loop, watcher, EPOLLIN))
        return outcome_of(errno);
    return outcome;
}

/* The raw sockets that are wanted and, unless this is the same uplink again, not yet there. */
static struct outcome open_raw_sockets(struct tunneld *tunneld, struct uplink *uplink, struct helper_request *request,
                                       bool again)
{
    static const uint16_t protocols[RAW_PROTOCOLS] = {PROTOCOL_IPIP, PROTOCOL_GRE, PROTOCOL_MINIMAL, PROTOCOL_ICMP};
    struct outcome outcome = {0};
    request->verb = HELPER_OPEN_RAW;
    for (int i = 0; i < RAW_PROTOCOLS && !outcome.error; i++) {
        struct raw_socket *raw = &uplink->raw[i];
        if (!raw->wanted)
            continue;
        request->size = protocols[i];
        request->again = again && raw->watcher.fd >= 0;
        request->ifindex = raw->ifindex;
        outcome = open_socket(tunneld, uplink, &raw->watcher, &raw->ifindex, request);
    }
    return outcome;
}

static struct helper_request at_uplink(const struct uplink *uplink)
{
    struct helper_request request = {.length = 32, .address = uplink->address, .port = uplink->port};
    memcpy(request.device, uplink->device, sizeof request.device);
    return request;
}

struct outcome uplinks_set_tunnel(struct tunneld *tunneld, const struct message_set_tunnel *set)
{
    struct outcome outcome = outcome_of(objects_set_tunnel(tunneld, set));
    if (outcome.error)
        return outcome;
    struct tunnel *tunnel = map_get(&tunneld->state.tunnels, set->tunnel);
    struct uplink *uplink = tunnel->uplink;
    enum raw_protocol protocol = set->kind == WIRE_KIND_GRE       ? RAW_GRE
                                 : set->kind == WIRE_KIND_MINIMAL ? RAW_MINIMAL
                                                                  : RAW_IPIP;
    bool was_wanted = uplink->raw[protocol].wanted;
    uplink->raw[protocol].wanted = true;
    if (was_wanted || !uplink->name.set || uplink->udp.fd < 0)
        return outcome; /* it is open, or is opened with the uplink */
    struct helper_request request = at_uplink(uplink);
    return open_raw_sockets(tunneld, uplink, &request, true);
}

static void close_sockets(struct tunneld *tunneld, struct uplink *uplink)
{
    loop_forget(&tunneld->loop, &uplink->udp);
    for (int i = 0; i < RAW_PROTOCOLS; i++)
        loop_forget(&tunneld->loop, &uplink->raw[i].watcher);
}

/* A device that is not there (any more) leaves the uplink set but without sockets: what would leave by it is
 * counted, and it can be set again when the device is back. */
struct outcome uplinks_set(struct tunneld *tunneld, const struct message_set_uplink *set)
{
    struct uplink *uplink = state_uplink(&tunneld->state, set->uplink);
    if (!uplink)
        return outcome_of(ENOSPC);
    bool again = uplink->name.set && uplink->address == set->address && uplink->port == set->port &&
                 strcmp(uplink->device, set->device) == 0;
    if (!again)
        close_sockets(tunneld, uplink);
    uplink->name.set = true;
    uplink->name.replay = tunneld->state.replay;
    uplink->address = set->address;
    uplink->port = set->port;
    memcpy(uplink->device, set->device, sizeof uplink->device);

    struct helper_request request = at_uplink(uplink);
    request.verb = HELPER_OPEN_UDP;
    request.again = again && uplink->udp.fd >= 0;
    request.ifindex = uplink->ifindex;
    struct outcome outcome = open_socket(tunneld, uplink, &uplink->udp, &uplink->ifindex, &request);
    if (!outcome.error)
        outcome = open_raw_sockets(tunneld, uplink, &request, again);
    if (outcome.error)
        close_sockets(tunneld, uplink);
    return outcome;
}

struct outcome uplinks_drop(struct tunneld *tunneld, uint32_t id)
{
    struct uplink *uplink = map_get(&tunneld->state.uplinks, id);
    if (!uplink || !uplink->name.set)
        return outcome_of(ENOENT);
    close_sockets(tunneld, uplink);
    uplink->name.set = false;
    state_release_uplink(&tunneld->state, uplink);
    return outcome_of(0);
}

void uplinks_sweep(struct tunneld *tunneld)
{
    struct map *uplinks = &tunneld->state.uplinks;
    for (uint32_t at = 0; at < map_slots(uplinks);) {
        struct uplink *uplink = map_at(uplinks, at);
        if (uplink && uplink->name.set && uplink->name.replay != tunneld->state.replay) {
            at += uplink->name.references != 0;
            uplinks_drop(tunneld, uplink->name.id);
        } else {
            at++;
        }
    }
}
