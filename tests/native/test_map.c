/* The hash table against a plain array, in random order, and its bound. */
#include "map.h"

#include "test.h"

enum { KEYS = 500, STEPS = 200000, BOUND = 300 };

static uint32_t values[KEYS];

/* Few enough keys that chains form and are broken again; far apart, as addresses are. */
static uint64_t key_of(uint32_t i)
{
    return (uint64_t)i << 32 | i * 7u;
}

static void test_agrees_with_an_array(void)
{
    static bool there[KEYS];
    struct map map;
    uint32_t count = 0;
    map_begin(&map, BOUND, 0x1234567890abcdef);
    CHECK(map_get(&map, key_of(0)) == NULL);
    CHECK(map_remove(&map, key_of(0)) == NULL);
    for (int step = 0; step < STEPS; step++) {
        uint32_t i = test_random_below(KEYS);
        if (test_random_below(2)) {
            bool fits = there[i] || count < BOUND;
            CHECK_EQUAL(map_put(&map, key_of(i), &values[i]), fits);
            count += fits && !there[i];
            there[i] = there[i] || fits;
        } else {
            CHECK(map_remove(&map, key_of(i)) == (there[i] ? &values[i] : NULL));
            count -= there[i];
            there[i] = false;
        }
        CHECK_EQUAL(map.count, count);
        uint32_t other = test_random_below(KEYS);
        CHECK(map_get(&map, key_of(other)) == (there[other] ? &values[other] : NULL));
    }
    map_end(&map);
    memset(there, 0, sizeof there);
}

static void test_removing_while_walking_visits_all(void)
{
    struct map map;
    map_begin(&map, KEYS, 99);
    for (uint32_t i = 0; i < KEYS; i++)
        CHECK(map_put(&map, key_of(i), &values[i]));
    for (uint32_t at = 0; at < map_slots(&map);) {
        uint32_t *value = map_at(&map, at);
        if (value && (value - values) % 3)
            map_remove(&map, map_key_at(&map, at));
        else
            at++;
    }
    CHECK_EQUAL(map.count, (KEYS + 2) / 3);
    for (uint32_t i = 0; i < KEYS; i += 3)
        CHECK(map_get(&map, key_of(i)) == &values[i]);
    map_end(&map);
}

static void test_replaces_a_value(void)
{
    struct map map;
    map_begin(&map, 1, 5);
    CHECK(map_put(&map, 1, &values[1]));
    CHECK(map_put(&map, 1, &values[2]));
    CHECK(map_get(&map, 1) == &values[2]);
    CHECK(!map_put(&map, 2, &values[3]));
    CHECK(map_get(&map, 1) == &values[2]);
    map_end(&map);
}

int main(void)
{
    test_seed();
    TEST(test_agrees_with_an_array);
    TEST(test_removing_while_walking_visits_all);
    TEST(test_replaces_a_value);
    return test_result();
}
