/* A test is a function; a file's main() runs its table and says what failed and where.
 *
 *     static void test_sums_nothing(void) { CHECK_EQUAL(checksum_sum(NULL, 0), 0); }
 *     int main(void) { TEST(test_sums_nothing); return test_result(); } */
#ifndef CAREOF_TEST_H
#define CAREOF_TEST_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *test_name = "";
static unsigned test_failures, test_count;

#define TEST(function) (test_name = #function, test_count++, function())

#define CHECK(condition)                                                                             \
    do {                                                                                             \
        if (!(condition)) {                                                                          \
            test_failures++;                                                                         \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, test_name, #condition);           \
        }                                                                                            \
    } while (0)

#define CHECK_EQUAL(is, wanted)                                                                      \
    do {                                                                                             \
        uint64_t is_ = (uint64_t)(is), wanted_ = (uint64_t)(wanted);                                 \
        if (is_ != wanted_) {                                                                        \
            test_failures++;                                                                         \
            fprintf(stderr, "%s:%d: %s: %s is 0x%" PRIx64 ", not 0x%" PRIx64 "\n", __FILE__, __LINE__, \
                    test_name, #is, is_, wanted_);                                                   \
        }                                                                                            \
    } while (0)

#define CHECK_OCTETS(is, wanted, size) CHECK(memcmp(is, wanted, size) == 0)

static inline int test_result(void)
{
    printf("%u tests, %u failures\n", test_count, test_failures);
    return test_count == 0 || test_failures != 0;
}

/* Random numbers with a printed seed; CAREOF_SEED replays one (xorshift64*). */
static uint64_t test_random_state;

static inline void test_seed(void)
{
    const char *given = getenv("CAREOF_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 0x9e3779b97f4a7c15;
    test_random_state = seed ? seed : 1;
    printf("CAREOF_SEED=0x%" PRIx64 "\n", test_random_state);
}

static inline uint32_t test_random(void)
{
    test_random_state ^= test_random_state >> 12;
    test_random_state ^= test_random_state << 25;
    test_random_state ^= test_random_state >> 27;
    return (uint32_t)((test_random_state * 0x2545f4914f6cdd1d) >> 32);
}

static inline uint32_t test_random_below(uint32_t bound)
{
    return test_random() % bound;
}

static inline void test_random_octets(uint8_t *at, size_t size)
{
    while (size-- > 0)
        *at++ = (uint8_t)test_random();
}

#endif
