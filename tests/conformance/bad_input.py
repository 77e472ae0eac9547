#!/usr/bin/env python3
"""Gives `signet verify` input that is broken, huge or hostile, and looks at what each costs: a verdict or a clear error, never a
crash, within bounds of processor time and memory.

usage: bad_input.py BIN_FOLDER [--bounds] [--keep FOLDER] [NAME…]

  --bounds  2 s of processor time and 256 MB (largest resident set): what an optimised build without sanitizers keeps to at the default
            limits. Without it a case ends within a minute, and those whose cost is the point are left out.
  --keep    where the input stays
  NAME      only cases whose names begin so
Of hostile input the worst is put together from what the limits still let pass: as many signatures, certificates, lists, time stamps,
references, namespaces, Ids and nested counter-signatures as they allow.
Exit: 0 all within bounds, 1 not, 77 a tool is missing (1 with CI=true).
"""
import argparse
import base64
import datetime
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import changes  # noqa: E402
import matrix  # noqa: E402
import xml_text as x  # noqa: E402

CPU_S, MEMORY_KB = 2.0, 256 * 1024
LOOSE_S = 60
MIB = 1 << 20
DS, XADES = changes.DS, changes.XADES
CASES = []
# Those whose cost is the point: only with --bounds. Sanitizers and a build that is not optimised make it ten times as much.
COSTLY = ("references", "namespaces", "prefixes", "manifests", "signatures 100, ", "signatures 100 in", "lists", "keys", "archive time stamps of", "a list of")


def case(name):
    """A case: a function of what there is (World) to a document, in text or bytes."""
    def add(make):
        CASES.append((name, make))
        return make
    return add


def b64(data):
    return base64.b64encode(data).decode()


class World:
    """An agent for signatures that hold, and an authority of its name for certificates that do not help."""

    def __init__(self, binaries, folder, signatures):
        self.bin, self.folder = binaries, folder
        (folder / "bench").mkdir()
        bench = matrix.Bench(binaries, folder / "bench", ("p256",))
        try:
            self.trust = folder / "trust"
            self.trust.mkdir()
            for file in ("demo-ca.pem", "demo-ca.crl.pem"):
                (self.trust / file).write_bytes((bench.pki / file).read_bytes())
            self.one = self.signed(bench, "b", 0)
            # One at a time: those of a batch have Ids in common, and together in one document they would be nobody's.
            self.stamped = [self.signed(bench, "t", number) for number in range(signatures)]
            source, out = folder / "lta-source.xml", folder / "lta.xml"
            source.write_text(self.stamped[0])
            bench.signet("extend", source, "--level", "lta", "--out", out, "--tsa", bench.tsa, "--trust", self.trust, "--offline")
            self.lta = out.read_text()
        finally:
            bench.stop()

    def signed(self, bench, level, number):
        file, out = self.folder / f"{level}-{number}.txt", self.folder / "signed"
        file.write_text(f"{level} {number}")
        bench.signet("sign", "--overwrite", "--cert", bench.certificate["p256"], "--level", level, "--packaging", "enveloping", "--pin-stdin", "--out", out, file, input=matrix.PIN)
        return (out / (file.name + ".xades.xml")).read_text()

    def certificate(self, number, key="p256", size=0, issuer="Signet Demo CA", subject="Signet Demo CA", ca=True):
        """In the name of the authority, by a key that nobody trusts. An RSA key is a number, and need be no key."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, rsa
        if not hasattr(self, "signing_key"):
            self.signing_key = ec.generate_private_key(ec.SECP256R1())
        if key == "p256":
            public = ec.generate_private_key(ec.SECP256R1()).public_key()
        else:
            public = rsa.RSAPublicNumbers(0xFFFFFFFFFFFFFFC5 if key == "rsa-slow" else 65537, (1 << size) - 2 * number - 1).public_key()
        now = datetime.datetime.now(datetime.timezone.utc)
        made = (x509.CertificateBuilder().subject_name(self.name(subject)).issuer_name(self.name(issuer)).public_key(public).serial_number(number + 1)
                .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=30))
                .add_extension(x509.BasicConstraints(ca, None), True).sign(self.signing_key, hashes.SHA256()))
        return made.public_bytes(serialization().Encoding.DER)

    def name(self, text):
        from cryptography import x509
        if text == "Signet Demo CA":  # with all that stands in its name
            return x509.load_pem_x509_certificate((self.trust / "demo-ca.pem").read_bytes()).subject
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    def crl(self, entries=0, issuer="Signet Demo CA"):
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        self.certificate(0)
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (x509.CertificateRevocationListBuilder().issuer_name(self.name(issuer))
                   .last_update(now - datetime.timedelta(hours=1)).next_update(now + datetime.timedelta(days=1)))
        made = builder.sign(self.signing_key, hashes.SHA256()).public_bytes(serialization().Encoding.DER)
        return with_entries(made, entries) if entries else made


def serialization():
    from cryptography.hazmat.primitives import serialization as found
    return found


def der(tag, content):
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x80 | (size.bit_length() + 7) // 8]) + size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + length + content


def parts_of(data):
    """The elements within some DER, each whole."""
    data, found = data[2 + (data[1] & 0x7F if data[1] & 0x80 else 0):], []
    while data:
        end = 2 + data[1]
        if data[1] & 0x80:
            head = 2 + (data[1] & 0x7F)
            end = head + int.from_bytes(data[2:head], "big")
        found.append(data[:end])
        data = data[end:]
    return found


def with_entries(crl, count):
    """Revoked certificates put into a list that has none: its signature is wrong then, and it is read all the same."""
    to_be_signed, *rest = parts_of(crl)
    fields = parts_of(to_be_signed)
    entries = b"".join(der(0x30, der(0x02, (1 << 62 | number).to_bytes(8, "big")) + der(0x17, b"260101000000Z")) for number in range(count))
    place = max(i for i, field in enumerate(fields) if field[0] in (0x17, 0x18)) + 1
    fields.insert(place, der(0x30, entries))
    return der(0x30, der(0x30, b"".join(fields)) + b"".join(rest))


def by_rsa(crl, octets):
    """As if it were signed by a key of that size."""
    algorithm = der(0x30, bytes.fromhex("06092a864886f70d01010b0500"))
    fields = parts_of(parts_of(crl)[0])
    fields[next(i for i, field in enumerate(fields) if field[0] == 0x30)] = algorithm
    return der(0x30, der(0x30, b"".join(fields)) + algorithm + der(0x03, b"\0" + b"\x41" * octets))


def bare(text):
    return re.sub(r"^<\?xml[^>]*\?>", "", text)


def together(texts):
    return "<all>" + "".join(map(bare, texts)) + "</all>"


def values(name, encapsulated, data):
    return f"<xades:{name}>" + "".join(f"<xades:{encapsulated}>{b64(one)}</xades:{encapsulated}>" for one in data) + f"</xades:{name}>"


def lists(data):
    return "<xades:RevocationValues>" + values("CRLValues", "EncapsulatedCRLValue", data) + "</xades:RevocationValues>"


def with_unsigned(text, more):
    return x.last_in(text, "xades:UnsignedSignatureProperties", more)


# --- broken

for part in range(1, 20):
    @case(f"truncated {part}")
    def _(world, part=part):
        return world.lta[: len(world.lta) * part // 20]

for element in ("ds:SignatureValue", "ds:DigestValue", "ds:X509Certificate", "ds:SignedInfo", "ds:KeyInfo", "ds:Object", "xades:EncapsulatedTimeStamp", "xades:EncapsulatedCRLValue",
                "xades:EncapsulatedX509Certificate", "xades:SigningTime", "xades:IssuerSerialV2", "xades:SignedProperties", "xades:UnsignedProperties", "xades141:ArchiveTimeStamp"):
    @case(f"empty {element}")
    def _(world, element=element):
        return x.filled(world.lta, element, "")

    if element[0] != "d" or element in ("ds:SignatureValue", "ds:DigestValue", "ds:X509Certificate"):
        @case(f"invalid base64 {element}")
        def _(world, element=element):
            return x.filled(world.lta, element, "=!" * 5_000)

    @case(f"no octets {element}")
    def _(world, element=element):
        return x.filled(world.lta, element, "====")

for name, data in {"nested": b"\x30\x80" * 30_000, "nested lengths": b"".join(b"\x30\x83" + (65_000 - 5 * i).to_bytes(3, "big") for i in range(13_000)),
                   "endless": b"\x30\x84\xff\xff\xff\xff" + bytes(60_000), "negative": b"\x30\x88" + b"\xff" * 60_000, "zeros": bytes(60_000)}.items():
    for element in ("ds:X509Certificate", "xades:EncapsulatedTimeStamp", "xades:EncapsulatedCRLValue", "xades:EncapsulatedX509Certificate"):
        @case(f"DER {name} {element}")
        def _(world, element=element, data=data):
            return x.filled(world.lta, element, b64(data))

for name, declaration in {
        "": "<!DOCTYPE a>", "recursive": '<!DOCTYPE a [<!ENTITY a "&b;"><!ENTITY b "&a;">]>', "external": '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        "network": '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">', "parameter": '<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>',
        "laughs": "<!DOCTYPE a [<!ENTITY a0 'ha'>" + "".join(f"<!ENTITY a{i} '{f'&a{i - 1};' * 10}'>" for i in range(1, 12)) + "]>",
        "quadratic": "<!DOCTYPE a [<!ENTITY a '" + "x" * 100_000 + "'>]>"}.items():
    @case(f"DTD {name}")
    def _(world, declaration=declaration):
        return declaration + "<a>" + "&a;" * 50_000 + bare(world.one) + "</a>"


@case("no XML at all")
def _(world):
    return os.urandom(MIB)


# --- huge

@case("huge text")
def _(world):
    return "<a>" + "x" * (16 * MIB - 20_000) + bare(world.one) + "</a>"


@case("huge attribute")
def _(world):
    return '<a b="' + "x" * (16 * MIB - 20_000) + '">' + bare(world.one) + "</a>"


@case("huge comment")
def _(world):
    return "<a><!--" + "x" * (16 * MIB - 20_000) + "-->" + bare(world.one) + "</a>"


@case("huge UTF-16")
def _(world):
    return ("\ufeff<a>" + "ș" * (8 * MIB - 20_000) + bare(world.one) + "</a>").encode("utf-16-le")


@case("over the limit")
def _(world):
    return "<a>" + "x" * (17 * MIB) + "</a>"


@case("many elements")
def _(world):
    return "<a>" + "<b/>" * 190_000 + bare(world.one) + "</a>"


@case("too many elements")
def _(world):
    return "<a>" + "<b/>" * 4_000_000 + "</a>"


@case("deep")
def _(world):
    return "<a>" * 1_000_000


@case("deep and wide")
def _(world):
    return "<a>" * 50 + "<b>y</b>" * 190_000 + bare(world.one) + "</a>" * 50


@case("many Ids")
def _(world):
    return "<a>" + "".join(f'<b Id="i{i}"/>' for i in range(95_000)) + bare(world.one) + "</a>"


@case("the same Id")
def _(world):
    return "<a>" + '<b Id="i"/>' * 95_000 + bare(world.one) + "</a>"


@case("huge base64")
def _(world):
    return x.filled(world.one, "ds:SignatureValue", "A" * (15 * MIB))


@case("huge certificate")
def _(world):
    return x.filled(world.one, "ds:X509Certificate", "A" * (15 * MIB))


@case("huge time stamp")
def _(world):
    return x.filled(world.lta, "xades:EncapsulatedTimeStamp", "A" * (15 * MIB))


# --- references

def with_references(text, more):
    return x.before(text, "ds:Reference", more)


def reference(uri, transforms=(), type_=""):
    return (f'<ds:Reference URI="{uri}"{type_}>' + ("<ds:Transforms>" + "".join(map(changes.transform, transforms)) + "</ds:Transforms>" if transforms else "") +
            '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha512"/><ds:DigestValue>AAAA</ds:DigestValue></ds:Reference>')


def with_digest(text):
    return text.replace("<ds:DigestValue>AAAA<", "<ds:DigestValue>" + "A" * 86 + "==<")


@case("references 100 000")
def _(world):
    return with_references(world.one, reference("x") * 100_000)


@case("references to the whole")
def _(world):
    return with_digest("<a>" + "<b c='d'>e</b>" * 60_000 + bare(with_references(world.one, reference("") * 990)) + "</a>")


@case("references to a large text")
def _(world):
    return with_digest("<a>" + "x" * (14 * MIB) + bare(with_references(world.one, reference("", [changes.ENVELOPED, changes.EXCLUSIVE]) * 990)) + "</a>")


@case("references canonicalized eight times")
def _(world):
    return with_digest("<a>" + "<b c='d'>e</b>" * 40_000 + bare(with_references(world.one, reference("", [changes.EXCLUSIVE] * 8) * 400)) + "</a>")


@case("references of base64")
def _(world):
    return with_digest(x.last_in(with_references(world.one, reference("#big", [changes.BASE64]) * 990), "ds:Signature", '<ds:Object Id="big">' + "A" * (14 * MIB) + "</ds:Object>"))


@case("references of base64 that is XML")
def _(world):
    inner = b64(("<a>" + "<b/>" * 150_000 + "</a>").encode())
    return with_digest(x.last_in(with_references(world.one, reference("#big", [changes.BASE64, changes.EXCLUSIVE]) * 990), "ds:Signature", f'<ds:Object Id="big">{inner}</ds:Object>'))


@case("namespaces")
def _(world):
    many = "".join(f' xmlns:n{i}="urn:n{i}"' for i in range(500))
    return with_digest(f"<a{many}>" + "<n1:b/>" * 90_000 + bare(with_references(world.one, reference("", [changes.C14N]) * 200)) + "</a>")


@case("namespaces that are written again and again")
def _(world):
    return with_digest("<a xmlns:n=\"urn:" + "x" * 500 + "\">" + "<n:b/>" * 190_000 + bare(with_references(world.one, reference("", [changes.EXCLUSIVE]) * 100)) + "</a>")


@case("namespaces of one element each")
def _(world):
    return with_digest("<a>" + "".join(f'<n:b xmlns:n="urn:{i}"/>' for i in range(60_000)) + bare(with_references(world.one, reference("", [changes.EXCLUSIVE]) * 300)) + "</a>")


@case("prefixes")
def _(world):
    prefixes = " ".join(f"n{i}" for i in range(64))
    listed = f'<ec:InclusiveNamespaces xmlns:ec="{changes.EXCLUSIVE}" PrefixList="{prefixes}"/>'
    many = "".join(f' xmlns:n{i}="urn:n{i}"' for i in range(500))
    text = reference("", [changes.EXCLUSIVE]).replace("></ds:Transform>", f">{listed}</ds:Transform>")
    return with_digest(f"<a{many}>" + "<b/>" * 90_000 + bare(with_references(world.one, text * 50)) + "</a>")


@case("manifests")
def _(world):
    inner = reference("nothing") * 990
    made = x.last_in(with_references(world.one, reference("#m", [], f' Type="{DS}Manifest"') * 900), "ds:Signature", f'<ds:Object><ds:Manifest Id="m">{inner}</ds:Manifest></ds:Object>')
    return with_digest(made)


@case("manifests in many signatures")
def _(world):
    inner = reference("nothing") * 300
    return with_digest(together(x.last_in(text, "ds:Signature", f"<ds:Object><ds:Manifest>{inner}</ds:Manifest></ds:Object>") for text in world.stamped))


# --- certificates, lists, time stamps

@case("signatures 100")
def _(world):
    return together(world.stamped)


@case("signatures 100, values 64, time stamps 16")
def _(world):
    certificates = [world.certificate(i) for i in range(60)]
    crls = [world.crl() for _ in range(4)]
    made = []
    for text in world.stamped:
        stamp = x.one(text, "xades:SignatureTimeStamp").whole
        made.append(with_unsigned(text, stamp * 15 + values("CertificateValues", "EncapsulatedX509Certificate", certificates) + lists(crls)))
    return together(made)


@case("signatures 100, lists 64")
def _(world):
    crls = [world.crl(entries=100) for _ in range(30)]
    return together(with_unsigned(text, lists(crls)) for text in world.stamped)


@case("signatures 100 in the name of the authority, keys that cost")
def _(world):
    certificates = [world.certificate(i, "rsa-slow", 8192) for i in range(64)]
    return together(with_unsigned(text, values("CertificateValues", "EncapsulatedX509Certificate", certificates)) for text in world.stamped)


@case("lists by keys that cost")
def _(world):
    certificates = [world.certificate(i, "rsa-slow", 16384) for i in range(24)]
    crls = [by_rsa(world.crl(entries=i + 1), 2048) for i in range(24)]
    return together(with_unsigned(text, values("CertificateValues", "EncapsulatedX509Certificate", certificates) + lists(crls)) for text in world.stamped[:90])


@case("keys of KeyInfo that cost")
def _(world):
    certificates = [world.certificate(i, "rsa-slow", 16384) for i in range(32)]
    many = "".join(f"<ds:X509Certificate>{b64(one)}</ds:X509Certificate>" for one in certificates)
    made = []
    for text in world.stamped:
        text = x.attribute(x.filled(text, "ds:X509Data", many), "ds:SignatureMethod", "Algorithm", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256")
        made.append(x.filled(x.removed(text, "xades:SigningCertificateV2"), "ds:SignatureValue", "B" * 2731 + "="))
    return together(made)


@case("one list of many entries")
def _(world):
    return with_unsigned(world.stamped[0], lists([world.crl(entries=370_000)]))


@case("a list of many entries and many of its name")
def _(world):
    certificates = [world.certificate(i) for i in range(60)]
    return with_unsigned(world.stamped[0], values("CertificateValues", "EncapsulatedX509Certificate", certificates) + lists([world.crl(entries=300_000)]))


@case("authorities that certify each other")
def _(world):
    certificates = [world.certificate(i, issuer=f"CA {(i + 1) % 8}", subject=f"CA {i % 8}") for i in range(63)] + [world.certificate(63, issuer="CA 0")]
    return with_unsigned(world.stamped[0], values("CertificateValues", "EncapsulatedX509Certificate", certificates))


@case("archive time stamps")
def _(world):
    stamp = x.one(world.lta, "xades141:ArchiveTimeStamp").whole
    return with_unsigned(world.lta, stamp * 15)


@case("archive time stamps of a large document")
def _(world):
    stamp = x.one(world.lta, "xades141:ArchiveTimeStamp").whole
    return x.last_in(with_unsigned(world.lta, stamp * 14), "ds:Signature", "<ds:Object>" + "x" * (15 * MIB) + "</ds:Object>")


@case("archive time stamps of 100 signatures")
def _(world):
    stamp = x.one(world.lta, "xades141:ArchiveTimeStamp").whole
    return together(with_unsigned(text, stamp * 15) for text in world.stamped)


@case("counter-signatures within each other")
def _(world):
    def nested(depth):
        own = bare(world.stamped[depth])
        if depth == 12:
            return own
        more = "".join(f"<xades:CounterSignature>{nested(depth + 1)}</xades:CounterSignature>" for _ in range(2 if depth < 7 else 1))
        return with_unsigned(own, more)
    return nested(4)


@case("counter-signatures beside each other")
def _(world):
    return with_unsigned(world.stamped[0], "".join(f"<xades:CounterSignature>{bare(text)}</xades:CounterSignature>" for text in world.stamped[1:]))


@case("unsigned properties")
def _(world):
    return with_unsigned(world.lta, "<z/>" * 180_000)


@case("data object formats")
def _(world):
    return x.last_in(world.one, "xades:SignedDataObjectProperties", '<xades:DataObjectFormat ObjectReference="#x"><xades:MimeType>a</xades:MimeType></xades:DataObjectFormat>' * 60_000)


@case("objects")
def _(world):
    return x.last_in(world.lta, "ds:Signature", "<ds:Object/>" * 180_000)


@case("objects of 100 signatures")
def _(world):
    return together(x.last_in(text, "ds:Signature", "<ds:Object/>" * 1_500) for text in world.stamped)


def measured(command):
    """(exit code or minus the signal, standard output, error, seconds of processor, largest resident set in KB)"""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen([str(word) for word in command], stdout=out, stderr=err,
                                 preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (LOOSE_S, LOOSE_S + 5)))
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        return child.returncode, out.read().decode(errors="replace"), err.read().decode(errors="replace"), usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("binaries", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("names", nargs="*")
    parser.add_argument("--bounds", action="store_true")
    parser.add_argument("--keep", type=pathlib.Path)
    arguments = parser.parse_args()
    if not matrix.SOFTHSM.exists():
        matrix.missing(str(matrix.SOFTHSM))
    try:
        import cryptography  # noqa: F401
    except ImportError:
        matrix.missing("python3-cryptography")
    with tempfile.TemporaryDirectory(prefix="signet-bad-input-") as name:
        folder = (arguments.keep or pathlib.Path(name)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        return run(World(arguments.binaries, folder, 100 if arguments.bounds else 20), arguments)


def run(world, arguments):
    problems, rows = [], []
    for name, make in CASES:
        if arguments.names and not name.startswith(tuple(arguments.names)):
            continue
        if not arguments.bounds and not arguments.names and name.startswith(COSTLY):
            continue
        document = make(world)
        file = world.folder / (re.sub(r"\W+", "-", name) + ".xml")
        file.write_bytes(document if isinstance(document, bytes) else document.encode())
        status, said, error, seconds, memory = measured([world.bin / "signet", "--json", "verify", "--offline", "--trust", world.trust, file])
        if not arguments.keep:
            file.unlink()
        verdict = verdict_of(status, said, error)
        rows.append((seconds, memory, name, verdict))
        if verdict is None:
            problems.append(f"{name}: exit {status}, neither a verdict nor an error: {said[-300:]} {error[-1500:]}")
        if seconds > (CPU_S if arguments.bounds else LOOSE_S) or (arguments.bounds and memory > MEMORY_KB):
            problems.append(f"{name}: {seconds:.2f} s of processor time, {memory // 1024} MB")
    for seconds, memory, name, verdict in sorted(rows, reverse=True)[:len(rows) if arguments.keep else 12]:
        print(f"{seconds:7.2f} s {memory // 1024:5} MB  {name}: {verdict}")
    for problem in problems:
        print("NOT AS EXPECTED:", problem)
    print(f"{len(rows)} cases, {len(problems)} problems")
    return 1 if problems or not rows else 0


def verdict_of(status, said, error):
    """In words; none where there is neither verdict nor error."""
    if "Sanitizer" in error or status < 0:
        return None
    if status <= 2:
        try:
            reports = json.loads(said)["signatures"]
        except (ValueError, KeyError):
            return None
        return ", ".join(sorted({f'{row["indication"]}/{row["sub_indication"]}' for row in reports}))
    return (said + error).strip().splitlines()[0][:120] if (said + error).strip() else None


if __name__ == "__main__":
    sys.exit(main())
