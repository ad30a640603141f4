"""The processors that careof is built for, each once: what runs on the least of them runs on all.

A triple is as zig and OpenWrt's toolchains spell it. On MIPS and old ARM there is more than the triple says:
whether there is an FPU, and which instructions; `cpu` is that, in zig's words.
"""

from collections import namedtuple

# triple; zig's -mcpu; Meson's cpu_family; byte order; bits of a pointer; the emulator of its user programs;
# OpenWrt's names for the processors that run it (DISTRIB_ARCH)
Target = namedtuple("Target", "triple cpu family endian bits emulator openwrt")

TARGETS = {
    target.triple: target
    for target in (
        # A 24Kc or 24KEc and a 74Kc: release 2 of MIPS32, no FPU, no unaligned loads.
        Target(
            *("mips-linux-musleabi", "mips32r2", "mips", "big", 32, "qemu-mips-static"),
            ("mips_24kc", "mips_mips32"),
        ),
        Target(
            *("mipsel-linux-musleabi", "mips32r2", "mips", "little", 32, "qemu-mipsel-static"),
            ("mipsel_24kc", "mipsel_74kc"),
        ),
        # The Cortex-A9 of an Armada 385 has VFPv3 with 16 registers in OpenWrt's builds; others have more.
        Target(
            *("arm-linux-musleabihf", "generic+v7a+vfp3d16-d32-neon", "arm", "little", 32, "qemu-arm-static"),
            (
                *("arm_cortex-a9_vfpv3-d16", "arm_cortex-a7_neon-vfpv4"),
                *("arm_cortex-a15_neon-vfpv4", "arm_cortex-a9_neon"),
            ),
        ),
        Target(
            *("aarch64-linux-musl", "generic", "aarch64", "little", 64, "qemu-aarch64-static"),
            ("aarch64_cortex-a53", "aarch64_cortex-a72", "aarch64_generic"),
        ),
        Target(
            *("x86_64-linux-musl", "x86_64", "x86_64", "little", 64, "qemu-x86_64-static"),
            ("x86_64",),
        ),
    )
}


class UnknownTarget(Exception):
    """str() names it and those that there are."""


def find(triple):
    """A target by its triple, or by a processor's name in OpenWrt. Raises UnknownTarget."""
    for target in TARGETS.values():
        if triple == target.triple or triple in target.openwrt:
            return target
    raise UnknownTarget(
        f"target '{triple}': expected one of {', '.join(TARGETS)}, or OpenWrt's name of its processor"
    )
