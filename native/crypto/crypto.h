/* Cryptography as the C processes ask for it: one header, a backend each for OpenSSL (openssl.c) and Mbed TLS
 * (mbedtls.c); the option `crypto` of the build chooses.
 *
 * What the backends keep belongs to one thread, the one that called crypto_begin(). */
#ifndef CAREOF_CRYPTO_H
#define CAREOF_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum crypto_hash { CRYPTO_MD5, CRYPTO_SHA1, CRYPTO_SHA256, CRYPTO_SHA384, CRYPTO_SHA512, CRYPTO_HASHES };

enum { CRYPTO_HASH_SIZE_MAX = 64 };

/* Which library this is, and its version as it says it. */
extern const char *const crypto_backend;
const char *crypto_version(void);

/* Everything that needs memory or files, before rights are given up. False: `what` names what is lacking. */
bool crypto_begin(const char **what);
void crypto_end(void);

/* Octets of a hash, and of its HMAC, which is never truncated here. */
size_t crypto_hash_size(enum crypto_hash hash);

/* HMAC (RFC 2104): crypto_hash_size() octets into `out`. False if the library fails: nothing was written. */
bool crypto_hmac(enum crypto_hash hash, const uint8_t *key, size_t key_size, const uint8_t *data, size_t size,
                 uint8_t *out);

/* Leaves nothing of the last key in what the library keeps. */
void crypto_forget(void);

/* Are they equal? In a time that depends on `size` alone. */
bool crypto_equal(const void *one, const void *other, size_t size);

/* Zeros that no compiler leaves out. */
void crypto_wipe(void *at, size_t size);

#endif
