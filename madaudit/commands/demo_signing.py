"""A C2PA manifest for the demonstration, signed by a certificate that is made on the spot."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from madaudit.errors import MissingExtraError

_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_MANIFEST = {
    "claim_generator_info": [{"name": "madaudit demo", "version": "1"}],
    "title": "demo.jpg",
    "assertions": [
        {
            "label": "c2pa.actions.v2",
            "data": {
                "actions": [
                    {
                        "action": "c2pa.created",
                        "softwareAgent": {"name": "demo model"},
                        "digitalSourceType": _SOURCE_TYPE,
                    }
                ]
            },
        }
    ],
}


def sign_as_generated(jpeg: bytes) -> bytes:
    """The image with a manifest that says a trained model created it.

    Valid and untrusted: nobody but this process vouches for the certificate.

    Raises:
        MissingExtraError: c2pa-python or cryptography is not installed.
    """
    try:
        import c2pa
    except ImportError as error:
        raise MissingExtraError(
            "sign the demonstration's manifest", package="c2pa-python", extra="demo"
        ) from error
    chain, key = _certificates()
    info = c2pa.C2paSignerInfo(b"es256", chain, key, None)
    target = io.BytesIO()
    with c2pa.Signer.from_info(info) as signer, c2pa.Builder(json.dumps(_MANIFEST)) as builder:
        builder.sign(signer, "image/jpeg", io.BytesIO(jpeg), target)
    return target.getvalue()


def _certificates() -> tuple[bytes, bytes]:
    """A chain of leaf and root in PEM, and the leaf's key (C2PA 2.2, 14.5.1)."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    except ImportError as error:
        raise MissingExtraError(
            "sign the demonstration's manifest", package="cryptography", extra="demo"
        ) from error
    now = datetime.now(UTC)

    def named(name: str) -> Any:
        organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "madaudit demo")
        return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def begun(name: str, public_key: Any, issuer_key: Any) -> Any:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named("demo root"))
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=3650))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(identifier, critical=False)
        )

    def usage(*, signs_certificates: bool) -> Any:
        return x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=signs_certificates,
            crl_sign=signs_certificates,
            encipher_only=False,
            decipher_only=False,
        )

    root_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = (
        begun("demo root", root_key.public_key(), root_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage(signs_certificates=True), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    leaf = (
        begun("demo signer", leaf_key.public_key(), root_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key = leaf_key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return leaf.public_bytes(pem) + root.public_bytes(pem), key
