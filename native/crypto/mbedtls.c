/* The Mbed TLS backend (2.28 and 3): what routers have anyway. */
#include <mbedtls/md.h>
#include <mbedtls/version.h>

#include "crypto.h"

const char *const crypto_backend = "Mbed TLS";

static const struct {
    const char *name;
    mbedtls_md_type_t type;
    size_t size;
} hashes[CRYPTO_HASHES] = {
    {"MD5", MBEDTLS_MD_MD5, 16},       {"SHA-1", MBEDTLS_MD_SHA1, 20},    {"SHA-256", MBEDTLS_MD_SHA256, 32},
    {"SHA-384", MBEDTLS_MD_SHA384, 48}, {"SHA-512", MBEDTLS_MD_SHA512, 64},
};

static mbedtls_md_context_t contexts[CRYPTO_HASHES];

const char *crypto_version(void)
{
    return MBEDTLS_VERSION_STRING;
}

bool crypto_begin(const char **what)
{
    for (int i = 0; i < CRYPTO_HASHES; i++) {
        const mbedtls_md_info_t *info = mbedtls_md_info_from_type(hashes[i].type);
        *what = hashes[i].name;
        mbedtls_md_init(&contexts[i]);
        if (!info || mbedtls_md_setup(&contexts[i], info, 1)) /* a library may be built without one of them */
            return false;
    }
    return true;
}

void crypto_end(void)
{
    for (int i = 0; i < CRYPTO_HASHES; i++)
        mbedtls_md_free(&contexts[i]);
}

size_t crypto_hash_size(enum crypto_hash hash)
{
    return hashes[hash].size;
}

bool crypto_hmac(enum crypto_hash hash, const uint8_t *key, size_t key_size, const uint8_t *data, size_t size,
                 uint8_t *out)
{
    uint8_t whole[CRYPTO_HASH_SIZE_MAX];
    if (mbedtls_md_hmac_starts(&contexts[hash], key, key_size) || mbedtls_md_hmac_update(&contexts[hash], data, size) ||
        mbedtls_md_hmac_finish(&contexts[hash], whole))
        return false;
    for (size_t i = 0; i < hashes[hash].size; i++)
        out[i] = whole[i];
    return true;
}

void crypto_forget(void)
{
    static const uint8_t no_key[16];
    uint8_t unused[CRYPTO_HASH_SIZE_MAX];
    for (int i = 0; i < CRYPTO_HASHES; i++)
        crypto_hmac((enum crypto_hash)i, no_key, sizeof no_key, no_key, 0, unused);
}
