/* What needs no library, and so is the same with each. */
#include <string.h>

#include "crypto.h"

bool crypto_equal(const void *one, const void *other, size_t size)
{
    const volatile uint8_t *a = one, *b = other;
    uint8_t differ = 0;
    for (size_t i = 0; i < size; i++)
        differ |= a[i] ^ b[i];
    return differ == 0;
}

void crypto_wipe(void *at, size_t size)
{
    if (size)
        explicit_bzero(at, size);
}
