/* The file of keys that keyd alone reads:
 *
 *     # a comment
 *     node-10.77.0.2-256 hmac-sha256 000102030405060708090a0b0c0d0e0f
 *
 * A line has a name (1 to 63 printable characters without blanks), an algorithm and a key (32 to 128 hexadecimal
 * digits), with blanks between them; # begins a comment anywhere but inside a word. Nobody but its owner may have
 * rights to the file. */
#ifndef CAREOF_KEYS_FILE_H
#define CAREOF_KEYS_FILE_H

#include "keys.h"

enum { KEYS_ERROR_SIZE = 256 };

/* All keys of a file in a folder into `keys`, which is begun. `path` is for what is said of it. False: an errno, and what is wrong as "PATH:LINE: ..."; a key is
 * never part of that. */
bool keys_file_read(int folder, const char *name, const char *path, struct keys *keys, int *error,
                    char text[KEYS_ERROR_SIZE]);

#endif
