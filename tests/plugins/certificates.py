"""Certificates for servers of tests: an authority made on the spot, and what it signs for 127.0.0.1."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

VALID = timedelta(days=2)


@dataclass(frozen=True)
class Certificates:
    """PEM files."""

    authority: Path
    """What a client trusts."""
    certificate: Path
    key: Path
    both: Path
    """Key and certificate in one file, as Kafka wants them."""


def make_certificates(folder: Path) -> Certificates:
    """Write an authority and a server's certificate for 127.0.0.1 and localhost into this folder."""
    authority_key, server_key = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    issuer, subject = named("Authority of a test"), named("localhost")
    authority = (
        builder(subject=issuer, issuer=issuer, key=authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(signs(), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    signed_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        builder(subject=subject, issuer=issuer, key=server_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(signed_by, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    made = Certificates(
        folder / "authority.pem", folder / "server.pem", folder / "server.key", folder / "both.pem"
    )
    made.authority.write_bytes(pem(authority))
    made.certificate.write_bytes(pem(certificate))
    key = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for path, content in ((made.key, key), (made.both, key + pem(certificate))):
        path.touch(mode=0o600)  # PostgreSQL refuses a key that others may read
        path.write_bytes(content)
    return made


def named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def builder(
    *, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def signs() -> x509.KeyUsage:
    """An authority's key signs certificates and nothing else."""
    return x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
