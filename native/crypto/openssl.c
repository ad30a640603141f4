/* The OpenSSL backend (3.0 and later). Algorithms are fetched once, by crypto_begin(): after that nothing is
 * looked up, and an HMAC costs the hash and a new key, no more. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "crypto.h"

const char *const crypto_backend = "OpenSSL";

static const struct {
    const char *name;
    size_t size;
} hashes[CRYPTO_HASHES] = {{"MD5", 16}, {"SHA1", 20}, {"SHA256", 32}, {"SHA384", 48}, {"SHA512", 64}};

static EVP_MAC_CTX *contexts[CRYPTO_HASHES];
static const uint8_t no_key[16];

const char *crypto_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION_STRING);
}

static bool keyed(enum crypto_hash hash, const uint8_t *key, size_t size)
{
    return contexts[hash] && EVP_MAC_init(contexts[hash], key, size, NULL) == 1;
}

bool crypto_begin(const char **what)
{
    /* No configuration file and no text of errors: neither is needed, both would be read by a process that has
     * not given up its rights yet. */
    *what = "OpenSSL";
    if (!OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS, NULL))
        return false;
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    for (int i = 0; mac && i < CRYPTO_HASHES; i++) {
        OSSL_PARAM parameters[] = {OSSL_PARAM_utf8_string("digest", (char *)hashes[i].name, 0), OSSL_PARAM_END};
        contexts[i] = EVP_MAC_CTX_new(mac);
        *what = hashes[i].name;
        if (!contexts[i] || !EVP_MAC_CTX_set_params(contexts[i], parameters) ||
            !keyed((enum crypto_hash)i, no_key, sizeof no_key)) {
            EVP_MAC_free(mac);
            return false;
        }
    }
    EVP_MAC_free(mac); /* the contexts hold it */
    return mac != NULL;
}

void crypto_end(void)
{
    for (int i = 0; i < CRYPTO_HASHES; i++) {
        EVP_MAC_CTX_free(contexts[i]);
        contexts[i] = NULL;
    }
}

size_t crypto_hash_size(enum crypto_hash hash)
{
    return hashes[hash].size;
}

bool crypto_hmac(enum crypto_hash hash, const uint8_t *key, size_t key_size, const uint8_t *data, size_t size,
                 uint8_t *out)
{
    uint8_t whole[CRYPTO_HASH_SIZE_MAX];
    size_t written = 0;
    /* A NULL key would mean the one before. */
    if (!keyed(hash, key_size ? key : no_key, key_size) || !EVP_MAC_update(contexts[hash], data, size) ||
        !EVP_MAC_final(contexts[hash], whole, &written, sizeof whole) || written != hashes[hash].size)
        return false;
    for (size_t i = 0; i < written; i++)
        out[i] = whole[i];
    return true;
}

void crypto_forget(void)
{
    for (int i = 0; i < CRYPTO_HASHES; i++)
        keyed((enum crypto_hash)i, no_key, sizeof no_key);
}
