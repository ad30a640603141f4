#include "kernel_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tunneld.h"

static uint64_t kernel_key(uint32_t verb, uint32_t device, uint32_t prefix, uint8_t length)
{
    return (uint64_t)verb << 56 | (uint64_t)device << 40 | prefix_key(prefix, length);
}

/* -- Captured sources where foreign ones are dropped ---------------------------------------------- */

/* What a captured source sends to where is spared comes back from its table to the rules: there it is let past those
 * that drop. Only while there are any, as each rule is asked for each packet. */
static struct outcome admit(struct tunneld *tunneld, const struct helper_request *capture, bool add)
{
    struct helper_request request = *capture;
    struct helper_answer answer;
    request.verb = HELPER_ADMIT;
    request.add = add;
    return outcome_of_helper(tunneld, &request, &answer, NULL);
}

static struct outcome admit_all(struct tunneld *tunneld, bool add)
{
    struct map *rows = &tunneld->state.kernel_rows;
    struct outcome outcome = outcome_of(0);
    for (uint32_t at = 0; at < map_slots(rows) && !outcome.error; at++) {
        const struct kernel_row *row = map_at(rows, at);
        if (!row || row->verb != HELPER_CAPTURE)
            continue;
        struct helper_request capture = {.length = row->length, .address = row->prefix};
        memcpy(capture.device, tunneld->state.devices[row->device], sizeof capture.device);
        outcome = admit(tunneld, &capture, add);
    }
    return outcome;
}

/* -- Rows ------------------------------------------------------------------------------------------- */

/* request: verb, address, length, device and mac. */
static struct outcome set_row(struct tunneld *tunneld, struct helper_request *request)
{
    struct map *rows = &tunneld->state.kernel_rows;
    int device = state_device(&tunneld->state, request->device);
    if (device < 0)
        return outcome_of(ENOSPC);
    uint64_t key = kernel_key(request->verb, (uint32_t)device, request->address, request->length);
    struct kernel_row *row = map_get(rows, key);
    struct helper_answer answer;
    struct kernel_row *fresh = NULL;
    request->add = true;
    request->again = row != NULL;
    if (!row) {
        fresh = calloc(1, sizeof *fresh);
        if (!fresh || !map_put(rows, key, fresh)) {
            free(fresh);
            return outcome_of(ENOSPC);
        }
        *fresh = (struct kernel_row){.verb = request->verb,
                                     .prefix = request->address,
                                     .length = request->length,
                                     .device = (uint8_t)device};
        row = fresh;
    }
    row->replay = tunneld->state.replay;
    uint32_t *ingress_count = &tunneld->state.ingress_count;
    struct outcome outcome = outcome_of(0);
    if (request->verb == HELPER_INGRESS && *ingress_count == 0)
        outcome = admit_all(tunneld, true);
    if (!outcome.error)
        outcome = outcome_of_helper(tunneld, request, &answer, NULL);
    if (!outcome.error && request->verb == HELPER_CAPTURE && *ingress_count)
        outcome = admit(tunneld, request, true);
    if (outcome.error && fresh)
        free(map_remove(rows, key));
    else if (fresh && request->verb == HELPER_INGRESS)
        ++*ingress_count;
    if (request->verb == HELPER_INGRESS && *ingress_count == 0)
        admit_all(tunneld, false);
    return outcome;
}

static struct outcome drop_row(struct tunneld *tunneld, struct helper_request *request)
{
    int device = state_device(&tunneld->state, request->device);
    struct kernel_row *row = NULL;
    if (device >= 0)
        row = map_remove(&tunneld->state.kernel_rows,
                         kernel_key(request->verb, (uint32_t)device, request->address, request->length));
    struct helper_answer answer;
    if (!row)
        return outcome_of(ENOENT);
    free(row);
    uint32_t *ingress_count = &tunneld->state.ingress_count;
    struct outcome outcome = outcome_of_helper(tunneld, request, &answer, NULL);
    if (request->verb == HELPER_CAPTURE && *ingress_count)
        admit(tunneld, request, false);
    if (request->verb == HELPER_INGRESS && --*ingress_count == 0)
        admit_all(tunneld, false);
    return outcome;
}

static struct helper_request about(uint32_t verb, uint32_t address, uint8_t length, const char *device)
{
    struct helper_request request = {.verb = verb, .length = length, .address = address};
    if (device)
        memcpy(request.device, device, sizeof request.device);
    return request;
}

struct outcome kernel_rows_set_neighbour(struct tunneld *tunneld, const struct message_set_neighbour *set)
{
    struct helper_request request = about(HELPER_NEIGHBOUR, set->address, 32, set->device);
    if (!set->device[0] || !set->address)
        return outcome_of(EINVAL);
    memcpy(request.mac, set->link_address, sizeof request.mac);
    return set_row(tunneld, &request);
}

void kernel_rows_sweep(struct tunneld *tunneld)
{
    struct map *rows = &tunneld->state.kernel_rows;
    for (uint32_t at = 0; at < map_slots(rows);) {
        struct kernel_row *row = map_at(rows, at);
        if (row && row->replay != tunneld->state.replay) {
            struct helper_request request =
                about(row->verb, row->prefix, row->length, tunneld->state.devices[row->device]);
            drop_row(tunneld, &request);
        } else {
            at++;
        }
    }
}

struct outcome kernel_rows_apply(struct tunneld *tunneld, const struct message *message)
{
    struct helper_request request;
    bool set = true;
    switch (message->header.kind) {
    case MESSAGE_SET_DELIVER:
        request = about(HELPER_DELIVER, message->as.set_deliver.destination, message->as.set_deliver.length, NULL);
        break;
    case MESSAGE_DROP_DELIVER:
        request = about(HELPER_DELIVER, message->as.drop_deliver.destination, message->as.drop_deliver.length, NULL);
        set = false;
        break;
    case MESSAGE_SET_CAPTURE:
        request = about(HELPER_CAPTURE, message->as.set_capture.source, message->as.set_capture.length,
                        message->as.set_capture.device);
        break;
    case MESSAGE_DROP_CAPTURE:
        request = about(HELPER_CAPTURE, message->as.drop_capture.source, message->as.drop_capture.length,
                        message->as.drop_capture.device);
        set = false;
        break;
    case MESSAGE_SET_SPARE:
        request = about(HELPER_SPARE, message->as.set_spare.destination, message->as.set_spare.length, NULL);
        break;
    case MESSAGE_DROP_SPARE:
        request = about(HELPER_SPARE, message->as.drop_spare.destination, message->as.drop_spare.length, NULL);
        set = false;
        break;
    case MESSAGE_DROP_NEIGHBOUR:
        request = about(HELPER_NEIGHBOUR, message->as.drop_neighbour.address, 32, message->as.drop_neighbour.device);
        set = false;
        break;
    case MESSAGE_SET_PROXY:
        request = about(HELPER_PROXY, message->as.set_proxy.address, 32, message->as.set_proxy.device);
        break;
    case MESSAGE_DROP_PROXY:
        request = about(HELPER_PROXY, message->as.drop_proxy.address, 32, message->as.drop_proxy.device);
        set = false;
        break;
    case MESSAGE_SET_ON_LINK:
        request = about(HELPER_ON_LINK, message->as.set_on_link.destination, message->as.set_on_link.length,
                        message->as.set_on_link.device);
        break;
    case MESSAGE_DROP_ON_LINK:
        request = about(HELPER_ON_LINK, message->as.drop_on_link.destination, message->as.drop_on_link.length,
                        message->as.drop_on_link.device);
        set = false;
        break;
    case MESSAGE_SET_QUIET:
        request = about(HELPER_QUIET, 0, 32, message->as.set_quiet.device);
        break;
    case MESSAGE_DROP_QUIET:
        request = about(HELPER_QUIET, 0, 32, message->as.drop_quiet.device);
        set = false;
        break;
    case MESSAGE_SET_INGRESS:
        request = about(HELPER_INGRESS, 0, 32, message->as.set_ingress.device);
        break;
    case MESSAGE_DROP_INGRESS:
        request = about(HELPER_INGRESS, 0, 32, message->as.drop_ingress.device);
        set = false;
        break;
    default:
        return outcome_of(ENOSYS);
    }
    return set ? set_row(tunneld, &request) : drop_row(tunneld, &request);
}
