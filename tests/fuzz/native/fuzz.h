/* Common to the fuzzers: input is copied to memory of its exact size, so that reading one octet beyond
 * it is seen; a broken promise ends the run. */
#ifndef CAREOF_FUZZ_H
#define CAREOF_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROMISE(condition)                                                               \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);      \
            abort();                                                                     \
        }                                                                                \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline uint8_t *fuzz_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    PROMISE(copy);
    if (size)
        memcpy(copy, data, size);
    return copy;
}

#endif
