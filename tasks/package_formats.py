"""What opkg (OpenWrt to 24.10) and apk (from 25.12) install: packages, their indices, and signatures.

An .ipk is a compressed tar of three members; everything in it has one time and no owner, so that the same
content gives the same octets. An .apk is made by the real `apk mkpkg`, since only that is its format. opkg's
index is signed as usign does it, which is signify's format (Ed25519); apk signs packages and index itself.
"""

import base64
import gzip
import hashlib
import io
import subprocess
import tarfile
from pathlib import Path

SCRIPTS_OF_APK = {  # what apk runs when; an upgrade there is not a removal and an installation
    "postinst": ("post-install",),
    "prerm": ("pre-deinstall",),
}


def _tar(members):
    """members: [(name, data or None for a folder, mode)]. One that is compressed, always the same."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data, mode in members:
            member = tarfile.TarInfo(name)
            member.mode, member.uname, member.gname = mode, "root", "root"
            member.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
            member.size = 0 if data is None else len(data)
            tar.addfile(member, None if data is None else io.BytesIO(data))
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as stream:
        stream.write(raw.getvalue())
    return packed.getvalue()


def _tree(folder):
    """The members of a folder, and their size together."""
    members, size = [("./", None, 0o755)], 0
    for path in sorted(folder.rglob("*")):
        name = f"./{path.relative_to(folder)}"
        if path.is_dir():
            members.append((f"{name}/", None, 0o755))
        else:
            data = path.read_bytes()
            size += len(data)
            members.append((name, data, 0o755 if path.stat().st_mode & 0o100 else 0o644))
    return members, size


def control_of(package, size):
    """The control file: the order in which the SDK has the fields."""
    fields = {
        "Package": package.name,
        "Version": package.version,
        "Depends": ", ".join(package.depends),
        "Source": "packaging/openwrt/careof",
        "SourceName": "careof",
        "License": package.licence,
        "LicenseFiles": "LICENSE",
        "Section": package.section,
        "CPE-ID": package.cpe_id,
        "Require-User": " ".join(f"{user}:{user}" for user in package.users),
        "Architecture": package.architecture,
        "Maintainer": package.maintainer,
        "Installed-Size": str(size),
        "Description": package.title,
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)


def ipk(package, target):
    """Write NAME_VERSION_ARCHITECTURE.ipk. Returns its path."""
    members, size = _tree(package.folder)
    control = [("./", None, 0o755), ("./control", control_of(package, size).encode(), 0o644)]
    if package.conffiles:
        control.append(("./conffiles", "".join(f"{name}\n" for name in package.conffiles).encode(), 0o644))
    control += [(f"./{name}", text.encode(), 0o755) for name, text in sorted(package.scripts.items())]
    path = target / f"{package.name}_{package.version}_{package.architecture}.ipk"
    path.write_bytes(
        _tar(
            [
                ("./debian-binary", b"2.0\n", 0o644),
                ("./data.tar.gz", _tar(members), 0o644),
                ("./control.tar.gz", _tar(control), 0o644),
            ]
        )
    )
    return path


def ipk_index(paths, packages, target):
    """Packages and Packages.gz of a feed."""
    entries = []
    for path, package in zip(paths, packages, strict=True):
        data = path.read_bytes()
        more = f"Filename: {path.name}\nSize: {len(data)}\nSHA256sum: {hashlib.sha256(data).hexdigest()}\n"
        control = control_of(package, _tree(package.folder)[1])
        entries.append(control.replace("Description:", f"{more}Description:") + "\n")
    text = "".join(entries).encode()
    (target / "Packages").write_bytes(text)
    (target / "Packages.gz").write_bytes(gzip.compress(text, mtime=0))
    return target / "Packages"


def apk(package, target, binary, key):
    """NAME-VERSION.apk, signed if there is a key: made by `binary`. Returns its path."""
    architecture = "noarch" if package.architecture == "all" else package.architecture
    path = target / f"{package.name}-{package.version}.apk"
    fields = {
        "name": package.name,
        "version": package.version,
        "description": package.title,
        "arch": architecture,
        "license": package.licence,
        "origin": "careof",
        "maintainer": package.maintainer,
        "depends": " ".join(package.depends),
        "tags": f"openwrt:cpe={package.cpe_id}",
    }
    command = [binary, "mkpkg", "--output", path, "--files", package.folder]
    for name, value in fields.items():
        if value:
            command += ["--info", f"{name}:{value}"]
    scripts = package.folder.with_name(f"{package.folder.name}.scripts")
    scripts.mkdir(exist_ok=True)
    for name, text in package.apk_scripts.items():
        (scripts / name).write_text(text)
        (scripts / name).chmod(0o755)
        command += ["--script", f"{name}:{scripts / name}"]
    if key:
        command += ["--sign-key", key]
    _run(command)
    return path


def apk_index(paths, target, binary, key):
    """packages.adb, as OpenWrt calls the index of a feed."""
    index = target / "packages.adb"
    command = [binary, "mkndx", "--allow-untrusted", "--output", index]
    _run([*command, *(["--sign-key", key] if key else []), *paths])
    return index


def _run(command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"package: {' '.join(map(str, command[:2]))}: {done.stdout}{done.stderr}")


# -- Keys and signatures of opkg's feeds (usign, signify)

_ALGORITHM, _KDF = b"Ed", b"BK"


def usign_keys(folder):
    """(secret, public) paths of a key pair that is made if it is not there."""
    secret, public = folder / "key-build", folder / "key-build.pub"
    if not secret.exists():
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        folder.mkdir(parents=True, exist_ok=True)
        pair = Ed25519PrivateKey.generate()
        seed, point = pair.private_bytes_raw(), pair.public_key().public_bytes_raw()
        number = hashlib.sha512(point).digest()[:8]
        checksum = hashlib.sha512(seed + point).digest()[:8]
        sealed = _ALGORITHM + _KDF + bytes(4) + bytes(16) + checksum + number + seed + point
        secret.touch(mode=0o600)
        secret.write_text(_commented(f"careof secret key {number.hex()}", sealed))
        public.write_text(_commented(f"careof public key {number.hex()}", _ALGORITHM + number + point))
    return secret, public


def usign(path, secret):
    """Write PATH.sig. Returns its path."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    sealed = base64.b64decode(Path(secret).read_text().splitlines()[1])
    if sealed[:4] != _ALGORITHM + _KDF or sealed[4:8] != bytes(4) or len(sealed) != 104:
        raise SystemExit(f"package: {secret}: expected a secret key of usign, without a passphrase")
    number, seed = sealed[32:40], sealed[40:72]
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(path.read_bytes())
    signed = path.with_name(path.name + ".sig")
    signed.write_text(_commented(f"signed by key {number.hex()}", _ALGORITHM + number + signature))
    return signed


def _commented(comment, data):
    return f"untrusted comment: {comment}\n{base64.b64encode(data).decode()}\n"


def apk_keys(folder):
    """(secret, public) paths of a key pair (NIST P-256, as OpenWrt's) that is made if it is not there."""
    secret, public = folder / "private-key.pem", folder / "public-key.pem"
    if not secret.exists():
        folder.mkdir(parents=True, exist_ok=True)
        secret.touch(mode=0o600)
        _run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", secret])
        _run(["openssl", "ec", "-in", secret, "-pubout", "-out", public])
    return secret, public
