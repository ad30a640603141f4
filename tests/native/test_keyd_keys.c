/* Names in a hash table against a plain list, and keys that leave nothing behind. */
#include <errno.h>

#include "keys.h"

#include "test.h"

enum { NAMES = 300, STEPS = 40000 };

static void name_of(uint32_t which, char text[16])
{
    snprintf(text, 16, "node-%u", which);
}

static void test_names_come_and_go(void)
{
    static struct named all[NAMES];
    static bool there[NAMES];
    struct names names;
    uint32_t count = 0;
    names_begin(&names, NAMES - 20, 0x1234);
    for (int step = 0; step < STEPS; step++) {
        uint32_t which = test_random_below(NAMES);
        char text[16];
        name_of(which, text);
        CHECK(names_get(&names, text, strlen(text)) == (there[which] ? &all[which] : NULL));
        if (there[which] && test_random() % 2) {
            CHECK(names_remove(&names, text, strlen(text)) == &all[which]);
            there[which] = false;
            count--;
        } else if (!there[which]) {
            named_set(&all[which], text, strlen(text));
            bool put = names_put(&names, &all[which]);
            CHECK(put == (count < NAMES - 20));
            there[which] = put;
            count += put;
        }
        CHECK_EQUAL(names.count, count);
    }
    CHECK(names_remove(&names, "never", 5) == NULL);
    names_end(&names);
    CHECK(names_get(&names, "node-1", 6) == NULL && names_remove(&names, "node-1", 6) == NULL);
}

static bool lies_in(const struct key *key, const uint8_t *secret, size_t size)
{
    const uint8_t *at = (const uint8_t *)key;
    for (size_t i = 0; i + size <= sizeof *key; i++)
        if (memcmp(at + i, secret, size) == 0)
            return true;
    return false;
}

static void test_a_key_that_goes_is_wiped(void)
{
    uint8_t secret[SECRET_SIZE_MAX], other[SECRET_SIZE_MIN];
    struct keys keys;
    test_random_octets(secret, sizeof secret);
    test_random_octets(other, sizeof other);
    keys_begin(&keys, 7);
    CHECK(keys_put(&keys, "one", 3, CRYPTO_SHA256, secret, sizeof secret));
    const struct key *key = keys_get(&keys, "one", 3);
    CHECK(key && lies_in(key, secret, sizeof secret) && key->secret_size == sizeof secret);
    CHECK(keys_put(&keys, "one", 3, CRYPTO_MD5, other, sizeof other)); /* a shorter one in its place */
    CHECK(keys_get(&keys, "one", 3) == key && key->hash == CRYPTO_MD5 && key->secret_size == sizeof other);
    CHECK(!lies_in(key, secret + sizeof other, 8));
    CHECK(keys_drop(&keys, "one", 3) && !keys_drop(&keys, "one", 3));
    CHECK(!lies_in(key, other, 8));
    CHECK(keys_put(&keys, "two", 3, CRYPTO_MD5, other, sizeof other));
    CHECK(keys_get(&keys, "two", 3) == key); /* its place is used again */
    keys_end(&keys);
}

static void test_many_keys(void)
{
    struct keys keys;
    uint8_t secret[SECRET_SIZE_MIN] = {0};
    char text[16];
    keys_begin(&keys, 7);
    for (uint32_t i = 0; i < KEYS_MAX; i++) {
        name_of(i, text);
        memcpy(secret, &i, sizeof i);
        CHECK(keys_put(&keys, text, strlen(text), CRYPTO_SHA1, secret, sizeof secret));
    }
    CHECK(!keys_put(&keys, "more", 4, CRYPTO_SHA1, secret, sizeof secret) && errno == ENOSPC);
    for (uint32_t i = 0; i < KEYS_MAX; i += 101) {
        name_of(i, text);
        const struct key *key = keys_get(&keys, text, strlen(text));
        CHECK(key && memcmp(key->secret, &i, sizeof i) == 0);
    }
    CHECK(keys_drop(&keys, "node-5", 6) && keys_put(&keys, "more", 4, CRYPTO_SHA1, secret, sizeof secret));
    keys_end(&keys);
    CHECK(keys_get(&keys, "more", 4) == NULL);
}

static void test_algorithms_have_names(void)
{
    enum crypto_hash hash = CRYPTO_HASHES;
    CHECK(keys_algorithm_named("hmac-sha384", 11, &hash) && hash == CRYPTO_SHA384);
    CHECK(!keys_algorithm_named("hmac-sha384", 10, &hash) && !keys_algorithm_named("", 0, &hash));
    CHECK(!keys_algorithm_named("hmac-sha3844", 12, &hash) && !keys_algorithm_named("sha256", 6, &hash));
}

int main(void)
{
    test_seed();
    TEST(test_names_come_and_go);
    TEST(test_a_key_that_goes_is_wiped);
    TEST(test_many_keys);
    TEST(test_algorithms_have_names);
    return test_result();
}
