/* Token buckets by the clock's leave. */
#include "limiter.h"

#include "test.h"

enum { PER_S = 10, BURST = 5 };

static unsigned taken(struct limiter *limiter, uint64_t now_us, unsigned tries)
{
    unsigned count = 0;
    for (unsigned i = 0; i < tries; i++)
        count += limiter_take(limiter, now_us, PER_S, BURST);
    return count;
}

static void test_a_burst_and_then_the_rate(void)
{
    struct limiter limiter = {0};
    uint64_t now_us = 1000;
    CHECK_EQUAL(taken(&limiter, now_us, 100), BURST);
    CHECK_EQUAL(taken(&limiter, now_us + 99999, 100), 0);
    CHECK_EQUAL(taken(&limiter, now_us + 100000, 100), 1);
    CHECK_EQUAL(taken(&limiter, now_us + 400000, 100), 3);
}

static void test_never_fuller_than_full(void)
{
    struct limiter limiter = {0};
    CHECK_EQUAL(taken(&limiter, 1, 100), BURST);
    CHECK_EQUAL(taken(&limiter, UINT64_MAX / 2, 100), BURST);
}

static void test_small_steps_add_up(void)
{
    struct limiter limiter = {0};
    uint64_t now_us = 1;
    unsigned count = taken(&limiter, now_us, BURST);
    for (int ms = 0; ms < 10000; ms++)
        count += taken(&limiter, now_us += 1000, 1);
    CHECK_EQUAL(count, BURST + 100);
}

int main(void)
{
    TEST(test_a_burst_and_then_the_rate);
    TEST(test_never_fuller_than_full);
    TEST(test_small_steps_add_up);
    return test_result();
}
