"""MicroPython's `cryptolib` for CPython, so that one source runs on both.

    aes(key, mode[, IV])        mode 1 ECB, 2 CBC, 6 CTR; key 16 or 32 octets, IV 16 (CBC, CTR)
    .encrypt(data[, out])       .decrypt(data[, out])

Sizes, errors and the rule that one object either encrypts or decrypts are MicroPython's
(docs.micropython.org/en/latest/library/cryptolib.html). On MicroPython this package steps aside: its own
module is there under the name `ucryptolib`; it may be built without CTR.

On CPython the work is done by the `cryptography` package (OpenSSL).
"""

import sys

if sys.implementation.name == "micropython":
    from ucryptolib import aes
else:
    from .openssl import aes

MODE_ECB, MODE_CBC, MODE_CTR = 1, 2, 6

__all__ = ("MODE_CBC", "MODE_CTR", "MODE_ECB", "aes")
