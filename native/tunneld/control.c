#include "control.h"

#include "apply.h"
#include "tunneld.h"

static struct message message; /* the one that came */

static void take(void *owner)
{
    apply(owner, &message);
}

static void odd(void *owner, enum channel_oddity oddity)
{
    static const enum counter counters[] = {
        [CHANNEL_REFUSED] = COUNTER_CLIENT_REFUSED,
        [CHANNEL_MALFORMED] = COUNTER_CLIENT_MALFORMED,
        [CHANNEL_UNKNOWN_KIND] = COUNTER_CLIENT_UNKNOWN_KIND,
    };
    count(owner, counters[oddity], 1);
}

static const struct channel_rules rules = {
    .rows = message_rows,
    .row_count = MESSAGE_ROW_COUNT,
    .queue_size = CLIENT_BUFFER_SIZE,
    .per_turn = CLIENT_DATAGRAMS_PER_TURN,
    .many_in = true,
    .header = &message.header,
    .values = &message.as,
    .values_size = sizeof message.as,
    .take = take,
    .odd = odd,
};

bool control_begin(struct tunneld *tunneld)
{
    return channel_begin(&tunneld->control, &rules, &tunneld->loop, tunneld, &tunneld->now_us);
}

void control_tell(struct tunneld *tunneld, uint16_t kind, const void *values)
{
    channel_tell(&tunneld->control, kind, values);
}

bool control_tell_signal(struct tunneld *tunneld, uint16_t kind, const void *values, bool known)
{
    return channel_tell_within(&tunneld->control, kind, values, known ? CLIENT_KNOWN_SIZE : CLIENT_SIGNALS_SIZE);
}
