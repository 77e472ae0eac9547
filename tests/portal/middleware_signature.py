"""Signatures in the shape in which the national middleware makes them over a hash: XAdES-T 1.3.2, enveloping, SHA-1. And the CA, signer
and TSA that they need, of tests."""
import base64
import datetime
import hashlib
import subprocess
import uuid

from portal_bench import cannot_run

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:
    cannot_run("missing: python3-cryptography")

DS, XADES = "http://www.w3.org/2000/09/xmldsig#", "http://uri.etsi.org/01903/v1.3.2#"
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
CHISINAU = datetime.timezone(datetime.timedelta(hours=2))
TSA_CONFIGURATION = """[tsa]
default_tsa = one
[one]
serial = {folder}/tsa.serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
certs = {folder}/ca.pem
signer_digest = sha256
default_policy = 1.2.498.3.32.5
digests = sha256
ess_cert_id_alg = sha256
"""


def now():
    return datetime.datetime.utcnow()


def pem(folder, name, certificate, key):
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    )


class Middleware:
    """A CA with one signer and a TSA. `trust` holds what a portal's signers.trust needs, but for lists if these are said to be at an address."""

    def __init__(self, folder, idnp, name="Ion Țurcanu", authority="TEST CA of people", lists_at=None):
        self.folder, self.trust, self.lists_at = folder, folder / "trust", lists_at
        self.trust.mkdir(parents=True)
        self.ca_key = rsa.generate_private_key(65537, 2048)
        self.ca_name = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "MD"), x509.NameAttribute(NameOID.COMMON_NAME, authority)])
        self.issuer_text = f"CN={authority},C=MD"
        self.ca = self._certificate(self.ca_name, self.ca_key, ca=True)
        self.key = rsa.generate_private_key(65537, 2048)
        subject = [(NameOID.COUNTRY_NAME, "MD"), (NameOID.SERIAL_NUMBER, idnp), (NameOID.COMMON_NAME, name)]
        self.certificate = self._certificate(x509.Name([x509.NameAttribute(*part) for part in subject]), self.key)
        tsa_key = rsa.generate_private_key(65537, 2048)
        tsa = self._certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "TEST TSA")]), tsa_key, stamps=True)
        for what, certificate, key in (("ca", self.ca, self.ca_key), ("tsa", tsa, tsa_key)):
            pem(folder, what, certificate, key)
        (folder / "tsa.cnf").write_text(TSA_CONFIGURATION.format(folder=folder))
        (folder / "tsa.serial").write_text("01\n")
        (self.trust / "ca.pem").write_bytes(self.ca.public_bytes(serialization.Encoding.PEM))
        if lists_at is None:
            self.revoke()

    def _certificate(self, subject, key, ca=False, stamps=False):
        usage = dict.fromkeys(("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False)
        usage |= {"key_cert_sign": True, "crl_sign": True} if ca else {"digital_signature" if stamps else "content_commitment": True}
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self.ca_name).public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now() - datetime.timedelta(1)).not_valid_after(now() + datetime.timedelta(30))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True).add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.ca_key.public_key()), critical=False)
        )
        if self.lists_at and not ca:
            builder = builder.add_extension(x509.CRLDistributionPoints([x509.DistributionPoint([x509.UniformResourceIdentifier(self.lists_at)], None, None, None)]), critical=False)
        if stamps:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        return builder.sign(self.ca_key, hashes.SHA256())

    def revoke(self, *certificates):
        """The CA's list, with these on it since half an hour."""
        made = x509.CertificateRevocationListBuilder().issuer_name(self.ca_name).last_update(now() - datetime.timedelta(hours=1)).next_update(now() + datetime.timedelta(1))
        for certificate in certificates:
            entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(now() - datetime.timedelta(minutes=30))
            made = made.add_revoked_certificate(entry.build())
        made = made.sign(self.ca_key, hashes.SHA256())
        (self.trust / "ca.crl").write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def stamp(self, data):
        """An RFC 3161 token over the data, by openssl."""
        (self.folder / "stamped").write_bytes(data)
        run = {"cwd": self.folder, "check": True, "stderr": subprocess.DEVNULL}
        subprocess.run(["openssl", "ts", "-query", "-data", "stamped", "-sha256", "-cert", "-out", "query"], **run)
        subprocess.run(["openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-token_out", "-out", "token"], **run)
        return (self.folder / "token").read_bytes()

    def enveloping(self, content, name="hash", stamped=True):
        """A signature that carries `content`, base64, in its last ds:Object. Written in canonical form; only namespaces are added to what
        is digested, as the root declares them."""
        u = str(uuid.uuid4())
        object_ = f'<ds:Object Encoding="UTF-8" Id="FileObject-{u}">{base64.b64encode(content).decode()}</ds:Object>'
        file_reference = f"SignedFile-Reference-{u}-{name}"
        properties = (
            f'<xades:SignedProperties Id="SignedProperties-{u}"><xades:SignedSignatureProperties>'
            f"<xades:SigningTime>{datetime.datetime.now(CHISINAU).isoformat(timespec='seconds')}</xades:SigningTime>"
            f"<xades:SigningCertificate><xades:Cert><xades:CertDigest>{self._digest(self.certificate.public_bytes(serialization.Encoding.DER))}</xades:CertDigest>"
            f"<xades:IssuerSerial><ds:X509IssuerName>{self.issuer_text}</ds:X509IssuerName><ds:X509SerialNumber>{self.certificate.serial_number}</ds:X509SerialNumber>"
            "</xades:IssuerSerial></xades:Cert></xades:SigningCertificate></xades:SignedSignatureProperties><xades:SignedDataObjectProperties>"
            f'<xades:DataObjectFormat ObjectReference="#{file_reference}"><xades:Description>{name}</xades:Description>'
            "<xades:MimeType>application/octet-stream</xades:MimeType></xades:DataObjectFormat></xades:SignedDataObjectProperties></xades:SignedProperties>"
        )
        signed_info = (
            f'<ds:SignedInfo Id="SignedInfo-{u}"><ds:CanonicalizationMethod Algorithm="{C14N}#WithComments"></ds:CanonicalizationMethod>'
            f'<ds:SignatureMethod Algorithm="{DS}rsa-sha1"></ds:SignatureMethod>'
            f'<ds:Reference Id="SignedProperties-Reference-{u}" Type="http://uri.etsi.org/01903#SignedProperties" URI="#SignedProperties-{u}">{self._digest(canonical(properties))}</ds:Reference>'
            f'<ds:Reference Id="{file_reference}" URI="#FileObject-{u}">{self._digest(canonical(object_))}</ds:Reference></ds:SignedInfo>'
        )
        value = self.key.sign(canonical(signed_info), padding.PKCS1v15(), hashes.SHA1())
        signature_value = f'<ds:SignatureValue Id="SignatureValue-{u}">{wrapped(value)}</ds:SignatureValue>'
        unsigned = ""
        if stamped:
            unsigned = (
                "<xades:UnsignedProperties><xades:UnsignedSignatureProperties>"
                f'<xades:SignatureTimeStamp Id="SignatureTimeStamp-{u}"><ds:CanonicalizationMethod Algorithm="{C14N}"></ds:CanonicalizationMethod>'
                f'<xades:EncapsulatedTimeStamp Encoding="http://uri.etsi.org/01903/v1.2.2#DER">{wrapped(self.stamp(canonical(signature_value)))}</xades:EncapsulatedTimeStamp>'
                "</xades:SignatureTimeStamp></xades:UnsignedSignatureProperties></xades:UnsignedProperties>"
            )
        certificate = wrapped(self.certificate.public_bytes(serialization.Encoding.DER))
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><ds:Signature xmlns:ds="{DS}" xmlns:xades="{XADES}" Id="Signature-{u}">{signed_info}{signature_value}'
            f'<ds:KeyInfo Id="KeyInfo-{u}"><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>'
            f'<ds:Object><xades:QualifyingProperties Target="#Signature-{u}">{properties}{unsigned}</xades:QualifyingProperties></ds:Object>{object_}</ds:Signature>'
        ).encode()

    @staticmethod
    def _digest(data):
        value = base64.b64encode(hashlib.sha1(data).digest()).decode()
        return f'<ds:DigestMethod Algorithm="{DS}sha1"></ds:DigestMethod><ds:DigestValue>{value}</ds:DigestValue>'


def canonical(element):
    """The canonical form of one of the elements above, whose namespaces the root declares."""
    tag, rest = element.split(" " if " " in element[: element.index(">")] else ">", 1)
    return f'{tag} xmlns:ds="{DS}" xmlns:xades="{XADES}"{element[len(tag)]}{rest}'.encode()


def wrapped(data):
    """base64 in lines of 64."""
    text = base64.b64encode(data).decode()
    return "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
