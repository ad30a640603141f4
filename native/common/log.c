#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    LINE_SIZE_MAX = 400,         /* longer ones are cut */
    LIMIT_WINDOW_US = 10000000,  /* a place that an outsider can make talk says */
    LIMIT_LINES = 5,             /* this many lines in that time */
};

static const char *const level_names[LOG_LEVELS] = {"error", "warning", "notice", "info", "debug"};
static const char *process_name = "careof";
static enum log_level threshold = LOG_INFO;

void log_begin(const char *process, enum log_level level)
{
    process_name = process;
    threshold = level;
}

bool log_level_named(const char *name, enum log_level *level)
{
    for (unsigned i = 0; i < LOG_LEVELS; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* One write() a line, so that lines of several processes do not mix; control characters made harmless. */
static void write_line(enum log_level level, const char *format, va_list arguments)
{
    char line[LINE_SIZE_MAX];
    int size = snprintf(line, sizeof line, "%s: %s: ", process_name, level_names[level]);
    int more = vsnprintf(line + size, sizeof line - (size_t)size - 1, format, arguments);
    if (more < 0)
        return;
    size_t end = strlen(line);
    for (size_t i = 0; i < end; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = '?';
    line[end] = '\n';
    if (write(STDERR_FILENO, line, end + 1) < 0)
        return; /* nobody listens: nowhere to say so */
}

void log_line(enum log_level level, const char *format, ...)
{
    if (level > threshold)
        return;
    va_list arguments;
    va_start(arguments, format);
    write_line(level, format, arguments);
    va_end(arguments);
}

void log_limited(struct log_limit *limit, uint64_t now_us, enum log_level level, const char *format, ...)
{
    if (level > threshold)
        return;
    if (now_us - limit->window_began_us >= LIMIT_WINDOW_US || !limit->window_began_us) {
        if (limit->kept_back)
            log_line(level, "(%u more lines like the next were kept back)", limit->kept_back);
        *limit = (struct log_limit){.window_began_us = now_us};
    }
    if (limit->said == LIMIT_LINES) {
        limit->kept_back++;
        return;
    }
    limit->said++;
    va_list arguments;
    va_start(arguments, format);
    write_line(level, format, arguments);
    va_end(arguments);
}
