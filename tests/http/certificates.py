"""Certificates made by openssl when a test asks for them."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


def openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Authority:
    """Signs certificates; all files are in one directory: NAME.crt and NAME.key."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self.directory = directory
        self.name = name
        self.certificate = directory / f"{name}.crt"
        self._key = directory / f"{name}.key"
        usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        signed = ["-x509", "-days", "10", "-out", str(self.certificate), "-subj", f"/CN={name}", *usage]
        openssl(*self._new_key(name), *signed)

    def issue(self, name: str, sans: str = "IP:127.0.0.1", *, is_expired: bool = False) -> tuple[Path, Path]:
        """A certificate with these subject alternative names, and its key."""
        certificate, request = self.directory / f"{name}.crt", self.directory / f"{name}.csr"
        extension = self.directory / f"{name}.ext"
        # Python 3.13 verifies strictly, and wants the identifiers.
        extension.write_text(f"subjectAltName={sans}\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
        openssl(*self._new_key(name), "-out", str(request), "-subj", f"/CN={name}")
        signing = ["x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-CAkey", str(self._key)]
        days = "-1" if is_expired else "10"
        openssl(*signing, "-CAcreateserial", "-days", days, "-extfile", str(extension), "-out", str(certificate))
        return certificate, self.directory / f"{name}.key"

    def _new_key(self, name: str) -> list[str]:
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        return ["req", *curve, "-keyout", str(self.directory / f"{name}.key")]


def trusting(authority: Authority, certificate: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """A client that trusts the authority, with a certificate of its own or without."""
    context = ssl.create_default_context(cafile=authority.certificate)
    if certificate:
        context.load_cert_chain(*certificate)
    return context
