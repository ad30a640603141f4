"""Of all of careof: pyproject.toml, meson.build, the manifest and the packages say the same."""

VERSION = "0.1.0"
