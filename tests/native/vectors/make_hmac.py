"""Writes hmac.txt beside this file: what test_crypto.c holds both backends to.

    ORIGIN HASH KEY DATA HMAC        octets in hexadecimal, - for none

The inputs are those of RFC 2202 (MD5, SHA-1) and RFC 4231 (SHA-2), with the outputs that these print, and
random ones around the block sizes with the outputs of Python's hmac. RFC 2202's and RFC 4231's outputs are
checked against Python's hmac too, so that neither a slip of the pen here nor one of it passes.
"""

import hmac
import random
from pathlib import Path

SIZES = (0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 1000, 4096)
KEY_SIZES = (1, 16, 20, 32, 63, 64, 65, 127, 128, 129, 200)

LONG, LONGER = b"Test Using Larger Than Block-Size Key", b" and Larger Than One Block-Size Data"
HI, WHAT = b"Hi There", b"what do ya want for nothing?"
HASHED = (
    b"This is a test using a larger than block-size key and a larger than block-size data. "
    b"The key needs to be hashed before being used by the HMAC algorithm."
)
COUNTING = bytes(range(1, 26))

RFC_2202 = {
    "md5": (
        (b"\x0b" * 16, HI, "9294727a3638bb1c13f48ef8158bfc9d"),
        (b"Jefe", WHAT, "750c783e6ab0b503eaa86e310a5db738"),
        (b"\xaa" * 16, b"\xdd" * 50, "56be34521d144c88dbb8c733f0e8b3f6"),
        (COUNTING, b"\xcd" * 50, "697eaf0aca3a3aea3a75164746ffaa79"),
        (b"\x0c" * 16, b"Test With Truncation", "56461ef2342edc00f9bab995690efd4c"),
        (b"\xaa" * 80, LONG + b" - Hash Key First", "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"),
        (b"\xaa" * 80, LONG + LONGER, "6f630fad67cda0ee1fb1f562db3aa53e"),
    ),
    "sha1": (
        (b"\x0b" * 20, HI, "b617318655057264e28bc0b6fb378c8ef146be00"),
        (b"Jefe", WHAT, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        (b"\xaa" * 20, b"\xdd" * 50, "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
        (COUNTING, b"\xcd" * 50, "4c9007f4026250c6bc8414f9bf50c86c2d7235da"),
        (b"\x0c" * 20, b"Test With Truncation", "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"),
        (b"\xaa" * 80, LONG + b" - Hash Key First", "aa4ae5e15272d00e95705637ce8a3b55ed402112"),
        (b"\xaa" * 80, LONG + LONGER, "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"),
    ),
}

RFC_4231 = {
    "sha256": (
        (b"\x0b" * 20, HI, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (b"Jefe", WHAT, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        (COUNTING, b"\xcd" * 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        (b"\x0c" * 20, b"Test With Truncation", "a3b6167473100ee06e0c796c2955552b"),
        (
            b"\xaa" * 131,
            LONG + b" - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (b"\xaa" * 131, HASHED, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"),
    ),
    "sha384": (
        (
            b"\x0b" * 20,
            HI,
            "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
            "faea9ea9076ede7f4af152e8b2fa9cb6",
        ),
        (
            b"Jefe",
            WHAT,
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
            "8e2240ca5e69e2c78b3239ecfab21649",
        ),
        (
            b"\xaa" * 20,
            b"\xdd" * 50,
            "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b"
            "2a5ab39dc13814b94e3ab6e101a34f27",
        ),
        (
            COUNTING,
            b"\xcd" * 50,
            "3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e"
            "6801dd23c4a7d679ccf8a386c674cffb",
        ),
        (b"\x0c" * 20, b"Test With Truncation", "3abf34c3503b2a23a46efc619baef897"),
        (
            b"\xaa" * 131,
            LONG + b" - Hash Key First",
            "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c6"
            "0c2ef6ab4030fe8296248df163f44952",
        ),
        (
            b"\xaa" * 131,
            HASHED,
            "6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5"
            "a678cc31e799176d3860e6110c46523e",
        ),
    ),
    "sha512": (
        (
            b"\x0b" * 20,
            HI,
            "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
            "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
        ),
        (
            b"Jefe",
            WHAT,
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
            "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        ),
        (
            b"\xaa" * 20,
            b"\xdd" * 50,
            "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39"
            "bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb",
        ),
        (
            COUNTING,
            b"\xcd" * 50,
            "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3db"
            "a91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd",
        ),
        (b"\x0c" * 20, b"Test With Truncation", "415fad6271580a531d4179bc891d87a6"),
        (
            b"\xaa" * 131,
            LONG + b" - Hash Key First",
            "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
            "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
        ),
        (
            b"\xaa" * 131,
            HASHED,
            "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944"
            "b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58",
        ),
    ),
}


def rows():
    """(origin, hash, key, data, octets of the HMAC that must agree)"""
    for origin, vectors in (("rfc2202", RFC_2202), ("rfc4231", RFC_4231)):
        for name, cases in vectors.items():
            for key, data, told in cases:
                yield origin, name, key, data, bytes.fromhex(told)
    generator = random.Random(4231)
    for name in ("md5", "sha1", "sha256", "sha384", "sha512"):
        for size in SIZES:
            for key_size in KEY_SIZES:
                key, data = generator.randbytes(key_size), generator.randbytes(size)
                if key_size == 32 or size == 65:
                    yield "python", name, key, data, hmac.new(key, data, name).digest()


def main():
    lines = []
    for origin, name, key, data, told in rows():
        whole = hmac.new(key, data, name).digest()
        if whole[: len(told)] != told:  # RFC 4231's test case 5 prints 128 bits
            raise SystemExit(f"{origin} {name}: printed as {told.hex()}, computed as {whole.hex()}")
        lines.append(f"{origin} {name} {key.hex() or '-'} {data.hex() or '-'} {whole.hex()}")
    (Path(__file__).parent / "hmac.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
