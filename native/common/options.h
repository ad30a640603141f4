/* The command line of a process: --name VALUE, or --name alone, as a table says; and --version. */
#ifndef CAREOF_OPTIONS_H
#define CAREOF_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum option_kind {
    OPTION_TEXT,   /* to: const char * */
    OPTION_DEVICE, /* to: const char *; an interface name */
    OPTION_USER,   /* to: struct sandbox_user */
    OPTION_LEVEL,  /* to: enum log_level */
    OPTION_SET,    /* to: bool; it has no value */
};

struct option_row {
    const char *name;
    enum option_kind kind;
    void *to;
};

enum { OPTIONS_MAX = 12 };

/* False: wrong use, and what is known of it was said. With --version it says `program` and the version, and ends
 * the process. */
bool options_read(const char *program, int argc, char **argv, const struct option_row *rows, size_t count);

#endif
