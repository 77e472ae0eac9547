"""What tests of the portal's wire share: certificates of others, messages as bytes, sockets."""
import base64
import datetime
import hashlib
import http.client
import pathlib
import re
import socket
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape

from portal_bench import WITHIN_S, Portal, cannot_run

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:
    cannot_run("missing: python3-cryptography")

IDNP = "2001234567892"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
NIL = 'i:nil="true"'
NO_SUCH_PROXY = "192.0.2.9"


def now():
    return datetime.datetime.utcnow()


def make_certificate(folder, name, issuer=None, days=(-1, 1)):
    """A client's certificate and key of anybody: (paths). `issuer`: (certificate, key), else it is its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"TEST {name}")])
    of, by = (issuer[0].subject, issuer[1]) if issuer else (subject, key)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(of).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now() + datetime.timedelta(days[0])).not_valid_after(now() + datetime.timedelta(days[1]))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(by, hashes.SHA256())
    )
    certificate_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


def make_authority(name):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now() - datetime.timedelta(1)).not_valid_after(now() + datetime.timedelta(9))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made, key


def authority_of(folder, name="sandbox-ca"):
    """A sandbox's own, or another that a folder holds, as (certificate, key)."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    return x509.load_pem_x509_certificate(certificate.read_bytes()), serialization.load_pem_private_key(key.read_bytes(), None)


def list_of(authority, revoked_file, lasts=datetime.timedelta(1)):
    """An authority's list in PEM, with one that is revoked."""
    certificate, key = authority
    revoked = x509.load_pem_x509_certificate(revoked_file.read_bytes()).serial_number
    entry = x509.RevokedCertificateBuilder().serial_number(revoked).revocation_date(now() - datetime.timedelta(hours=1)).build()
    made = (
        x509.CertificateRevocationListBuilder().issuer_name(certificate.subject).last_update(now() - datetime.timedelta(minutes=30))
        .next_update(now() + lasts).add_revoked_certificate(entry).sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def make_list(sandbox, revoked_file, lasts=datetime.timedelta(1)):
    """The CA's list beside its certificate, with one that is revoked."""
    (sandbox / "sandbox-ca.crl").write_bytes(list_of(authority_of(sandbox), revoked_file, lasts))


def serial_of(certificate_file):
    return f"{x509.load_pem_x509_certificate(certificate_file.read_bytes()).serial_number:x}"


def der_of(certificate_file):
    return x509.load_pem_x509_certificate(certificate_file.read_bytes()).public_bytes(serialization.Encoding.DER)


def digest(text):
    return hashlib.sha256(text.encode()).digest()


def content(value=digest("a"), correlation_id=None, name=None):
    """One SignContent as .NET writes it."""
    def text(tag, given):
        return f"<{tag} {NIL}/>" if given is None else f"<{tag}>{escape(given)}</{tag}>"

    return (
        f"<SignContent><Content>{base64.b64encode(value).decode()}</Content>{text('CorrelationID', correlation_id)}"
        f"<MultipleSignatures>false</MultipleSignatures>{text('Name', name)}</SignContent>"
    )


def signer(idnp=IDNP, kind="None", delegator=None):
    delegator = f"<DelegatorID {NIL}/>" if delegator is None else f"<DelegatorID>{delegator}</DelegatorID>"
    return f"<ExpectedSigner><DelegatedRoleID>0</DelegatedRoleID>{delegator}<DelegatorType>{kind}</DelegatorType><ID>{idnp}</ID></ExpectedSigner>"


def post_body(*contents, short="Invoice", description=None, content_type="Hash", expected=f"<ExpectedSigner {NIL}/>"):
    description = f"<ContentDescription {NIL}/>" if description is None else f"<ContentDescription>{escape(description)}</ContentDescription>"
    return (
        '<PostSignRequest xmlns="https://msign.gov.md"><request xmlns:i="http://www.w3.org/2001/XMLSchema-instance">'
        f"{description}<ContentType>{content_type}</ContentType><Contents>{''.join(contents or [content()])}</Contents>{expected}"
        f"<ShortContentDescription>{escape(short)}</ShortContentDescription></request></PostSignRequest>"
    )


def get_body(request_id):
    return f'<GetSignResponse xmlns="https://msign.gov.md"><requestID>{request_id}</requestID><language>en</language></GetSignResponse>'


def verify_body(*pairs):
    """Of pairs of a hash and a signature in base64."""
    contents = "".join(
        f"<VerificationContent><Content>{base64.b64encode(value).decode()}</Content><CorrelationID>v{number}</CorrelationID><Signature>{signature}</Signature></VerificationContent>"
        for number, (value, signature) in enumerate(pairs)
    )
    return f'<VerifySignatures xmlns="https://msign.gov.md"><request><Contents>{contents}</Contents><Language>en</Language><SignedContentType>Hash</SignedContentType></request></VerifySignatures>'


def envelope(body, header="", soap=SOAP):
    return f'<s:Envelope xmlns:s="{soap}">{header}<s:Body>{body}</s:Body></s:Envelope>'.encode()


def fault_of(text):
    """(code's local name, reason) of a fault, as clients read it."""
    fault = ElementTree.fromstring(text).find(f"{{{SOAP}}}Body/{{{SOAP}}}Fault")
    if fault is None:
        raise AssertionError(f"no fault: {text[:400]}")
    return fault.findtext("faultcode").rpartition(":")[2], fault.findtext("faultstring")


def read_answer(connection, method="POST"):
    answer = http.client.HTTPResponse(connection, method=method)
    answer.begin()
    return answer.status, answer.headers, answer.read().decode()


class WireCase(unittest.TestCase):
    """A portal with the consumer `shop`, which believes the headers of a proxy that is not there."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="portal-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.portal = Portal(
            cls.bin, cls.folder, more=f'[proxies]\ntrusted = ["{NO_SUCH_PROXY}"]\ncertificate_header = "X-Client-Cert"\n'
        )
        cls.shop = cls.portal.add_consumer("shop")
        cls.prepare()
        cls.portal.start()
        cls.addClassCleanup(lambda: cls.portal.stop())

    @classmethod
    def prepare(cls):
        """Before the portal starts."""

    @classmethod
    def authority(cls):
        return authority_of(cls.portal.sandbox)

    def connect(self, consumer=None, portal=None):
        """A TLS connection as a client's; (certificate, key) or None for none."""
        portal = portal or self.portal
        plain = socket.create_connection(("127.0.0.1", portal.api_port), WITHIN_S)
        connection = portal.client_context(*(consumer or ())).wrap_socket(plain, server_hostname="localhost")
        self.addCleanup(connection.close)
        return connection

    def call(self, body, consumer="shop", portal=None, **more):
        """(HTTP status, text)"""
        consumer = self.shop if consumer == "shop" else consumer
        portal = portal or self.portal
        return portal.soap(body if isinstance(body, bytes) else envelope(body), portal.client_context(*(consumer or ())), **more)

    def fault(self, *arguments, **named):
        status, text = self.call(*arguments, **named)
        self.assertEqual(status, 500, text)
        return fault_of(text)

    def post(self, body=None, **more):
        status, text = self.call(post_body() if body is None else body, **more)
        self.assertEqual(status, 200, text)
        return re.search("<PostSignRequestResult>([0-9a-f]{32})</PostSignRequestResult>", text).group(1)
