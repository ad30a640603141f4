/* A backend of native/crypto against vectors of the RFCs and of Python's hmac (vectors/hmac.txt): built once for
 * each library. */
#include "crypto.h"

#include "test.h"

enum { LINE_SIZE = 10000, OCTETS = 4096 };
static const char *const names[CRYPTO_HASHES] = {"md5", "sha1", "sha256", "sha384", "sha512"};
static const char *vectors_path;

static size_t from_hex(const char *text, uint8_t *octets)
{
    size_t size = 0;
    for (unsigned octet; sscanf(text, "%2x", &octet) == 1; text += 2)
        octets[size++] = (uint8_t)octet;
    return size;
}

static enum crypto_hash hash_named(const char *name)
{
    int hash = 0;
    while (hash < CRYPTO_HASHES && strcmp(name, names[hash]))
        hash++;
    CHECK(hash < CRYPTO_HASHES);
    return (enum crypto_hash)hash;
}

static void check_vector(char *line, unsigned of_hash[CRYPTO_HASHES])
{
    static uint8_t key[OCTETS], data[OCTETS];
    uint8_t wanted[CRYPTO_HASH_SIZE_MAX], is[CRYPTO_HASH_SIZE_MAX + 1];
    strtok(line, " \n");
    enum crypto_hash hash = hash_named(strtok(NULL, " \n"));
    size_t key_size = from_hex(strtok(NULL, " \n"), key);
    size_t size = from_hex(strtok(NULL, " \n"), data);
    size_t hash_size = from_hex(strtok(NULL, " \n"), wanted);
    of_hash[hash]++;
    CHECK_EQUAL(crypto_hash_size(hash), hash_size);
    memset(is, 0xee, sizeof is);
    CHECK(crypto_hmac(hash, key, key_size, data, size, is));
    CHECK_OCTETS(is, wanted, hash_size);
    CHECK_EQUAL(is[hash_size], 0xee); /* nothing beyond */
}

static void test_vectors(void)
{
    static char line[LINE_SIZE];
    unsigned of_hash[CRYPTO_HASHES] = {0};
    FILE *file = fopen(vectors_path, "r");
    CHECK(file != NULL);
    while (file && fgets(line, sizeof line, file))
        check_vector(line, of_hash);
    if (file)
        fclose(file);
    for (int i = 0; i < CRYPTO_HASHES; i++)
        CHECK(of_hash[i] > 30);
}

static void test_a_key_does_not_outlive_its_question(void)
{
    static const uint8_t key[32] = {1, 2, 3}, none[1] = {0};
    uint8_t with[CRYPTO_HASH_SIZE_MAX], without[CRYPTO_HASH_SIZE_MAX];
    for (int i = 0; i < CRYPTO_HASHES; i++) {
        enum crypto_hash hash = (enum crypto_hash)i;
        CHECK(crypto_hmac(hash, key, sizeof key, none, 0, with));
        CHECK(crypto_hmac(hash, NULL, 0, none, 0, without));
        CHECK(memcmp(with, without, crypto_hash_size(hash)) != 0);
        crypto_forget();
        CHECK(crypto_hmac(hash, key, sizeof key, none, 0, without));
        CHECK_OCTETS(with, without, crypto_hash_size(hash));
    }
}

static void test_equal(void)
{
    uint8_t one[70] = {0}, other[70] = {0};
    CHECK(crypto_equal(one, other, sizeof one));
    CHECK(crypto_equal(one, other, 0));
    for (size_t i = 0; i < sizeof one; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            other[i] ^= (uint8_t)(1u << bit);
            CHECK(!crypto_equal(one, other, sizeof one));
            CHECK(crypto_equal(one, other, i));
            other[i] ^= (uint8_t)(1u << bit);
        }
    }
}

static void test_wiping(void)
{
    uint8_t secret[40];
    memset(secret, 0xaa, sizeof secret);
    crypto_wipe(secret, sizeof secret - 1);
    for (size_t i = 0; i < sizeof secret - 1; i++)
        CHECK_EQUAL(secret[i], 0);
    CHECK_EQUAL(secret[sizeof secret - 1], 0xaa);
    crypto_wipe(NULL, 0);
}

int main(int argc, char **argv)
{
    const char *what;
    if (argc != 2)
        return 2;
    vectors_path = argv[1];
    if (!crypto_begin(&what)) {
        fprintf(stderr, "%s: %s\n", crypto_backend, what);
        return 1;
    }
    printf("%s %s\n", crypto_backend, crypto_version());
    TEST(test_vectors);
    TEST(test_a_key_does_not_outlive_its_question);
    TEST(test_equal);
    TEST(test_wiping);
    crypto_end();
    return test_result();
}
