metadata(
    description="MicroPython's cryptolib on CPython; on MicroPython its own.",
    version="0.1.0",
    license="Apache-2.0",
)

package("cryptolib", base_path="..")
