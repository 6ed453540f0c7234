"""A certificate for localhost, made anew for each process and trusted by whoever is told where it is."""

from __future__ import annotations

import ipaddress
import tempfile
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOTS: Final = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
"""gRPC trusts the certificates of the file that this variable names, if it stands before its first secure channel."""


class Certificate(NamedTuple):
    """A self-signed certificate and its key, PEM; `path` holds the certificate alone, and goes with the process."""

    chain: bytes
    key: bytes
    path: Path


@lru_cache(maxsize=1)
def certificate() -> Certificate:
    """Return the process's certificate: one for all of its emulators, since a client's process reads its roots once."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain = made.public_bytes(serialization.Encoding.PEM)
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = Path(_folder().name) / "localhost.pem"
    path.write_bytes(chain)
    return Certificate(chain, plain, path)


@lru_cache(maxsize=1)
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="outlay-emulator-", ignore_cleanup_errors=True)
