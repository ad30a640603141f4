#include "options.h"

#include <getopt.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "sandbox.h"

enum { VERSION_OPTION = 'v', FIRST_OPTION = 256 };

static bool take(const struct option_row *row, char *value)
{
    static const char *const expected[] = {
        [OPTION_DEVICE] = "device name", [OPTION_USER] = "user", [OPTION_LEVEL] = "level"};
    bool sound = true;
    switch (row->kind) {
    case OPTION_DEVICE:
        sound = *value && strlen(value) < IFNAMSIZ;
        /* fall through */
    case OPTION_TEXT:
        *(const char **)row->to = value;
        break;
    case OPTION_USER:
        sound = sandbox_user_named(value, row->to);
        break;
    case OPTION_LEVEL:
        sound = log_level_named(value, row->to);
        break;
    case OPTION_SET:
        *(bool *)row->to = true;
        break;
    }
    if (!sound)
        fprintf(stderr, "--%s '%s': no such %s\n", row->name, value, expected[row->kind]);
    return sound;
}

bool options_read(const char *program, int argc, char **argv, const struct option_row *rows, size_t count)
{
    struct option known[OPTIONS_MAX + 2] = {{0}};
    bool fine = count <= OPTIONS_MAX;
    for (size_t i = 0; fine && i < count; i++)
        known[i] = (struct option){rows[i].name, rows[i].kind == OPTION_SET ? no_argument : required_argument, NULL,
                                   FIRST_OPTION + (int)i};
    if (fine)
        known[count] = (struct option){"version", no_argument, NULL, VERSION_OPTION};
    for (int option; fine && (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (option == VERSION_OPTION) {
            printf("%s " CAREOF_VERSION "\n", program);
            exit(fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS);
        }
        if (option < FIRST_OPTION)
            return false;
        fine = take(&rows[option - FIRST_OPTION], optarg);
    }
    return fine && optind == argc;
}
