"""A second CA of tests, and a person's certificate by it: what tells instruments apart that are both tokens."""
import datetime
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from wire_case import hashes, make_authority, now, serialization, x509  # noqa: E402

from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: E402
from cryptography.x509.oid import NameOID  # noqa: E402

ISSUER = "Identity Card TEST CA"
IDNP = "2000000000009"


def add_signer(bin_folder, pki, trust):
    """Makes the demonstration's PKI in `pki` with one more signer, whose CA and its list are in `trust`."""
    subprocess.run([pathlib.Path(bin_folder) / "signet", "demo", "pki", pki, "--keys", "rsa2048"], check=True, stdout=subprocess.DEVNULL)
    trust.mkdir()
    authority, authority_key = make_authority(ISSUER)
    key = rsa.generate_private_key(65537, 2048)
    usage = dict.fromkeys(("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False)
    certificate = (
        x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, IDNP), x509.NameAttribute(NameOID.COMMON_NAME, "Ana Card")]))
        .issuer_name(authority.subject).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now() - datetime.timedelta(1)).not_valid_after(now() + datetime.timedelta(90))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, content_commitment=True, **usage), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    revoked = (
        x509.CertificateRevocationListBuilder().issuer_name(authority.subject).last_update(now() - datetime.timedelta(hours=1))
        .next_update(now() + datetime.timedelta(9)).sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (trust / "second-ca.pem").write_bytes(authority.public_bytes(pem))
    (trust / "second-ca.crl.pem").write_bytes(revoked.public_bytes(pem))
    (pki / "signer-second.pem").write_bytes(certificate.public_bytes(pem))
    (pki / "signer-second.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
