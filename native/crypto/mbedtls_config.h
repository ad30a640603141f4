/* Mbed TLS as careof-keyd needs it where a library of its own is built for it: HMAC with five hashes. What keyd
 * comes to use is added here, and nothing else is compiled. (MBEDTLS_CONFIG_FILE; Mbed TLS 3.6.) */
#define MBEDTLS_MD_C
#define MBEDTLS_MD5_C
#define MBEDTLS_SHA1_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA384_C
#define MBEDTLS_SHA512_C
