/* Lines on stderr, for whoever started the process (procd, systemd, a terminal):
 *
 *     careof-tunneld: warning: uplink 2: wwan0 is gone
 *
 * What an outsider can provoke must go through log_limited(), which lets a few lines pass and then says how
 * many it kept back. */
#ifndef CAREOF_LOG_H
#define CAREOF_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG, LOG_LEVELS };

/* One for each place that an outsider can make talk. */
struct log_limit {
    uint64_t window_began_us;
    uint32_t said, kept_back;
};

void log_begin(const char *process, enum log_level level);

/* False for a name that is none. */
bool log_level_named(const char *name, enum log_level *level);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_limited(struct log_limit *limit, uint64_t now_us, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
