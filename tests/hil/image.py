"""An initramfs: a gzipped cpio archive (newc, Documentation/driver-api/early-userspace/buffer-format.rst)."""

import gzip
import os
import stat


class Image:
    def __init__(self):
        self._parts, self._number = [], 0
        self._folders = set()

    def _entry(self, name, mode, data=b""):
        self._number += 1
        size = len(name) + 1
        fields = (self._number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, size, 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        self._parts += [head + bytes(-len(head) % 4), data + bytes(-len(data) % 4)]

    def folder(self, path):
        parent, _, _ = path.rpartition("/")
        if path and path not in self._folders:
            self.folder(parent)
            self._folders.add(path)
            self._entry(path, stat.S_IFDIR | 0o755)

    def file(self, path, data, mode=0o644):
        self.folder(path.rpartition("/")[0])
        self._entry(path, stat.S_IFREG | mode, data)

    def link(self, path, target):
        self.folder(path.rpartition("/")[0])
        self._entry(path, stat.S_IFLNK | 0o777, target.encode())

    def tree(self, path, source):
        """All files below a folder of this machine."""
        for found in sorted(source.rglob("*")):
            if found.is_file():
                self.file(f"{path}/{found.relative_to(source)}", found.read_bytes())

    def write(self, path):
        self._entry("TRAILER!!!", 0)
        temporary = path.with_suffix(".new")
        temporary.write_bytes(gzip.compress(b"".join(self._parts), 6))
        os.replace(temporary, path)
