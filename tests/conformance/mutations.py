#!/usr/bin/env python3
"""Has generated mutations of freshly made signatures judged by EU DSS and by our own verifier, and compares.

usage: mutations.py BIN_FOLDER [--all] [--keep FOLDER]

The agent makes signatures of each packaging and level; xmlsec1 those of shapes that the agent does not make (with a counter-signature,
with a manifest, of parts that it writes otherwise). Each change of changes.py is applied to some of them: the same each time. Both judges get the
same document, data, anchor and lists. The indication of DSS must be ours, and so must the sub-indication; where one differs,
differences.tsv has a row with both and with the clause that is the reason. A row that nothing needs is a failure too.
  --all   each change to each signature that it applies to: thousands of cases
  --keep  where what was made stays
Exit: 0 all as expected, 1 not, 77 a tool is missing (1 with CI=true).
"""
import argparse
import base64
import collections
import csv
import fnmatch
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import changes  # noqa: E402
import judge  # noqa: E402
import matrix  # noqa: E402
import xml_text as x  # noqa: E402
import xmlsec  # noqa: E402

SHAPES_FOR_EACH = 1
LEAST = 300
ENVELOPED_DOCUMENT = '<doc xmlns="urn:doc"><part Id="part">pay 100 to Ana</part>{}</doc>'


class Shape:
    def __init__(self, name, text, key, documents):
        self.name, self.text, self.key, self.documents = name, text, key, documents

    def can_be_signed_again(self):
        """A time stamp and a counter-signature would be of another SignatureValue."""
        return re.search(r" b( |$)", self.name) and "counter" not in self.name


class Made:
    """The agent, its PKI, and the signatures that are changed."""

    def __init__(self, binaries, folder):
        self.bin, self.folder = binaries, folder
        self.bench = matrix.Bench(binaries, folder / "bench", ("rsa2048", "p256"))
        self.pki = self.bench.pki
        self.trust = folder / "trust"
        self.trust.mkdir()
        for file in ("demo-ca.pem", "demo-ca.crl.pem"):
            shutil.copy(self.pki / file, self.trust)
        self.documents = []
        for number in range(4):
            file = folder / f"document {number} ș.txt"
            file.write_text(f"content {number}\n")
            self.documents.append({"name": file.name, "file": str(file)})
        self.xml = folder / "document.xml"
        self.xml.write_text(ENVELOPED_DOCUMENT.format(""))
        self.names = 0
        self.shapes = []
        self.make_shapes()
        self.shape = None  # that is being changed
        self.certificates = {}

    def new_file(self, ending):
        self.names += 1
        return self.folder / f"{self.names:05}{ending}"

    # --- signatures

    def signed_xml(self, key, level, packaging):
        out = self.new_file(".signed")
        self.bench.signet("sign", "--overwrite", "--cert", self.bench.certificate[key], "--level", level, "--packaging", packaging, "--pin-stdin", "--out", out, self.xml,
                          input=matrix.PIN)
        return (out / (self.xml.name + ".xades.xml")).read_text()

    def signed(self, key, level, packaging, count=1, first=0, pss=False):
        out = self.new_file(".signed")
        words = ["sign", "--overwrite", "--cert", self.bench.certificate[key], "--level", level, "--packaging", packaging, "--pin-stdin", "--out", out]
        words += (["--pss"] if pss else []) + (["--together"] if count > 1 else [])
        documents = self.documents[first:first + count]
        self.bench.signet(*words, *(document["file"] for document in documents), input=matrix.PIN)
        return (out / (documents[0]["name"] + ".xades.xml")).read_text()

    def extended(self, text, level, documents=()):
        source, out = self.new_file(".xml"), self.new_file(".xml")
        source.write_text(text)
        content = [word for document in documents for word in ("--content", document["file"])]
        self.bench.signet("extend", source, "--level", level, "--out", out, "--tsa", self.bench.tsa, "--trust", self.trust, "--offline", *content)
        return out.read_text()

    def stamped(self, text, address):
        source = self.new_file(".xml")
        source.write_text(text)
        return subprocess.run([self.bin / "conformance_stamp", source, address], capture_output=True, text=True, check=True).stdout

    def make_shapes(self):
        one, three = self.documents[:1], self.documents[:3]
        digest = hashlib.sha256(pathlib.Path(one[0]["file"]).read_bytes()).hexdigest()
        hash_alone = [{"name": one[0]["name"], "digest": f"SHA256:{digest}"}]

        def add(name, text, documents, key="p256"):
            self.shapes.append(Shape(name, text, key, documents))

        add("detached b", self.signed("p256", "b", "detached"), one)
        enveloping_t = self.signed("rsa2048", "t", "enveloping")
        add("enveloping t", enveloping_t, hash_alone, "rsa2048")
        enveloped = self.enveloped()
        add("enveloped b", enveloped, [])
        add("detached b 3", self.signed("rsa2048", "b", "detached", 3), three, "rsa2048")
        detached_t = self.signed("p256", "t", "detached")
        add("detached t", detached_t, one)
        add("enveloping b", self.signed("p256", "b", "enveloping"), hash_alone)
        add("enveloped t", self.stamped(enveloped, self.bench.tsa), [])
        add("enveloping lt", self.extended(enveloping_t, "lt"), hash_alone, "rsa2048")
        add("detached lta", self.extended(detached_t, "lta", one), one)
        add("enveloping lta", self.extended(self.signed("p256", "t", "enveloping"), "lta"), hash_alone)
        add("detached b pss", self.signed("rsa2048", "b", "detached", pss=True), one, "rsa2048")
        add("enveloped by the agent t", self.signed_xml("p256", "t", "enveloped"), [])
        add("enveloping xml b", self.signed_xml("rsa2048", "b", "enveloping-xml"), [], "rsa2048")
        add("manifest b", self.with_manifest(), three)
        add("counter b", self.with_counter_signature(enveloped), [])
        self.another = self.signed("p256", "t", "detached", first=3)

    def template(self, name, reference, objects=""):
        """A signature that xmlsec1 fills in."""
        def method(element, uri):
            return f'<ds:{element} Algorithm="{uri}"></ds:{element}>'

        digest = method("DigestMethod", changes.DIGESTS["SHA-512"].replace("512", "256")) + "<ds:DigestValue></ds:DigestValue>"
        certificates = "".join(f"<ds:X509Certificate>{self.certificate_of(file)}</ds:X509Certificate>" for file in ("signer-p256", "demo-ca"))
        named = base64.b64encode(hashlib.sha256(base64.b64decode(self.certificate_of("signer-p256"))).digest()).decode()
        exclusive = f"<ds:Transforms>{changes.transform(changes.EXCLUSIVE)}</ds:Transforms>"
        return (
            f'<ds:Signature xmlns:ds="{changes.DS}" Id="{name}"><ds:SignedInfo>{method("CanonicalizationMethod", changes.EXCLUSIVE)}'
            f'{method("SignatureMethod", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256")}'
            + reference.replace("DIGEST", digest) +
            f'<ds:Reference Type="{changes.PROPERTIES}" URI="#{name}-p">{exclusive}{digest}</ds:Reference></ds:SignedInfo>'
            f'<ds:SignatureValue Id="{name}-v"></ds:SignatureValue><ds:KeyInfo><ds:X509Data>{certificates}</ds:X509Data></ds:KeyInfo>'
            f'<ds:Object><xades:QualifyingProperties xmlns:xades="{changes.XADES}" Target="#{name}"><xades:SignedProperties Id="{name}-p">'
            f'<xades:SignedSignatureProperties><xades:SigningTime>{time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}</xades:SigningTime>'
            f'<xades:SigningCertificateV2><xades:Cert><xades:CertDigest>{method("DigestMethod", "http://www.w3.org/2001/04/xmlenc#sha256")}'
            f'<ds:DigestValue>{named}</ds:DigestValue></xades:CertDigest></xades:Cert></xades:SigningCertificateV2></xades:SignedSignatureProperties>'
            f'<xades:SignedDataObjectProperties><xades:DataObjectFormat ObjectReference="#{name}-r"><xades:MimeType>text/xml</xades:MimeType>'
            f'</xades:DataObjectFormat></xades:SignedDataObjectProperties></xades:SignedProperties></xades:QualifyingProperties></ds:Object>{objects}</ds:Signature>')

    def enveloped(self):
        transforms = f"<ds:Transforms>{changes.transform(changes.ENVELOPED)}{changes.transform(changes.EXCLUSIVE)}</ds:Transforms>"
        reference = f'<ds:Reference Id="s-r" URI="">{transforms}DIGEST</ds:Reference>'
        return self.filled_in(ENVELOPED_DOCUMENT.format(self.template("s", reference)), "p256")

    def with_manifest(self):
        listed = ""
        for document in self.documents[:3]:
            value = base64.b64encode(hashlib.sha256(pathlib.Path(document["file"]).read_bytes()).digest()).decode()
            listed += (f'<ds:Reference URI="{judge.escape(document["name"])}"><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod>'
                       f"<ds:DigestValue>{value}</ds:DigestValue></ds:Reference>")
        manifest = f'<ds:Object><ds:Manifest Id="m">{listed}</ds:Manifest></ds:Object>'
        reference = f'<ds:Reference Id="s-r" Type="{changes.DS}Manifest" URI="#m"><ds:Transforms>{changes.transform(changes.EXCLUSIVE)}</ds:Transforms>DIGEST</ds:Reference>'
        return self.filled_in(self.template("s", reference, manifest), "p256", without=("ds:Manifest",))

    def with_counter_signature(self, enveloped):
        reference = (f'<ds:Reference Id="c-r" Type="http://uri.etsi.org/01903#CountersignedSignature" URI="#s-v">'
                     f"<ds:Transforms>{changes.transform(changes.EXCLUSIVE)}</ds:Transforms>DIGEST</ds:Reference>")
        unsigned = ("<xades:UnsignedProperties><xades:UnsignedSignatureProperties><xades:CounterSignature>" + self.template("c", reference) +
                    "</xades:CounterSignature></xades:UnsignedSignatureProperties></xades:UnsignedProperties>")
        text = x.behind(enveloped, "xades:SignedProperties", unsigned)
        return self.xmlsec(text, "p256", "//*[@Id='c']")

    def filled_in(self, text, key, without=()):
        """The outer signature made anew: its references' digests and its value."""
        kept = [(name, x.one(text, name).content) for name in without]
        for number in range(len(changes.references(text))):
            info = x.one(text, "ds:SignedInfo")
            found = x.all_of(info.whole, "ds:DigestValue")[number]
            text = info.replaced(found.filled(""))
        del kept
        return self.xmlsec(x.filled(text, "ds:SignatureValue", ""), key)

    def xmlsec(self, text, key, node=None):
        source = self.new_file(".xml")
        source.write_text(text)
        command = ["xmlsec1", "--sign", "--privkey-pem", str(self.pki / f"signer-{key}.key")]
        for element in (*xmlsec.ELEMENTS_WITH_ID, "urn:doc:part"):
            command += ["--id-attr:Id", element]
        for document in self.documents:
            command += [f'--url-map:{document["name"]}', document["file"]]
        command += (["--node-xpath", node] if node else []) + [str(source)]
        said = subprocess.run(command, cwd=self.trust, capture_output=True, text=True, timeout=60, check=False)
        if said.returncode:
            raise x.Absent("xmlsec1 cannot sign it: " + said.stderr[:300])
        return said.stdout

    # --- what changes are made with

    def other(self, text):
        return self.another

    def changed(self, document):
        if "digest" in document:
            return {**document, "digest": "SHA256:" + hashlib.sha256(b"another").hexdigest()}
        file = self.folder / "changed" / document["name"]
        file.parent.mkdir(exist_ok=True)
        file.write_text("another content")
        return {**document, "file": str(file)}

    def extra(self):
        return self.documents[3]

    def certificate_of(self, name):
        return base64.b64encode(matrix.Bench.der(self.pki / f"{name}.pem")).decode()

    def of_shape(self, shape):
        self.shape = shape
        self.certificates = self.certificates_for(shape.key)

    @functools.cache  # noqa: B019
    def certificates_for(self, key):
        other = "p256" if key == "rsa2048" else "rsa2048"
        return {"same key": self.issued(key, f"signer-{key}.key"), "same name": self.issued(key), "stranger": self.issued(key, by_itself=True),
                "ca": self.certificate_of("demo-ca"), "other signer": self.certificate_of(f"signer-{other}"), "tsa": self.certificate_of("tsa")}

    def openssl(self, *words):
        return subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=True).stdout

    def issued(self, key, key_file=None, by_itself=False):
        """Another certificate of the signer's name."""
        certificate, private, request = self.pki / f"signer-{key}.pem", self.new_file(".key"), self.new_file(".csr")
        if key_file:
            private = self.pki / key_file
        else:
            self.openssl("genpkey", "-quiet", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", private)
        self.openssl("x509", "-x509toreq", "-in", certificate, "-signkey", private, "-out", request)
        # In force since yesterday, as all of this PKI: a list that is older than a certificate says nothing of it to DSS.
        out, folder = self.new_file(".pem"), self.new_file(".ca")
        folder.mkdir()
        (folder / "index").touch()
        (folder / "ca.cnf").write_text(
            f"[ca]\ndefault_ca = this\n[this]\ndatabase = {folder}/index\nnew_certs_dir = {folder}\ndefault_md = sha256\nrand_serial = yes\n"
            "policy = any\n[any]\ncommonName = supplied\nserialNumber = optional\n[signer]\nbasicConstraints = critical, CA:FALSE\n"
            "keyUsage = critical, digitalSignature, nonRepudiation\nsubjectKeyIdentifier = hash\n")
        signer = ["-selfsign", "-keyfile", private] if by_itself else ["-cert", self.pki / "demo-ca.pem", "-keyfile", self.pki / "demo-ca.key"]
        yesterday = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() - 86_000))
        self.openssl("ca", "-batch", "-notext", "-utf8", "-preserveDN", "-config", folder / "ca.cnf", "-extensions", "signer", "-startdate", yesterday, "-days", 30,
                     *signer, "-in", request, "-out", out)
        return base64.b64encode(matrix.Bench.der(out)).decode()

    @functools.cache  # noqa: B019
    def other_key_value(self):
        key = self.new_file(".key")
        self.openssl("genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key)
        modulus = bytes.fromhex(self.openssl("rsa", "-in", key, "-noout", "-modulus").strip().split("=")[1])
        return (f"<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>{base64.b64encode(modulus).decode()}</ds:Modulus><ds:Exponent>AQAB</ds:Exponent>"
                "</ds:RSAKeyValue></ds:KeyValue>")

    def with_older_certificate_reference(self, text, serial=None):
        certificate = self.pki / f"signer-{self.shape.key}.pem"
        issuer = self.openssl("x509", "-in", certificate, "-noout", "-issuer", "-nameopt", "RFC2253").strip().split("=", 1)[1]
        serial = serial or str(int(self.openssl("x509", "-in", certificate, "-noout", "-serial").strip().split("=")[1], 16))
        digest = x.one(text, "xades:CertDigest").whole
        return x.one(text, "xades:SigningCertificateV2").replaced(
            f"<xades:SigningCertificate><xades:Cert>{digest}<xades:IssuerSerial><ds:X509IssuerName>{issuer}</ds:X509IssuerName>"
            f"<ds:X509SerialNumber>{serial}</ds:X509SerialNumber></xades:IssuerSerial></xades:Cert></xades:SigningCertificate>")

    def with_certificate_digest(self, text, name, uri, certificate=None):
        data = base64.b64decode(certificate or self.certificate_of(f"signer-{self.shape.key}"))
        value = base64.b64encode(hashlib.new(name.replace("-", "").lower(), data).digest()).decode()
        digest = x.one(text, "xades:CertDigest")
        declared = re.search(r' xmlns:ds="[^"]*"', digest.content)
        declared = declared[0] if declared else ""
        return digest.filled(f'<ds:DigestMethod{declared} Algorithm="{uri}"></ds:DigestMethod><ds:DigestValue{declared}>{value}</ds:DigestValue>')

    def with_certificate(self, text, name):
        text = x.filled(text, "ds:X509Certificate", self.certificates[name])
        text = self.with_certificate_digest(text, "SHA-256", "http://www.w3.org/2001/04/xmlenc#sha256", self.certificates[name])
        return x.removed(text, "xades:IssuerSerialV2") if "<xades:IssuerSerialV2" in text else text

    @functools.cached_property
    def strange_tsa(self):
        pki = self.folder / "strange"
        self.bench.signet("demo", "pki", pki, "--keys", "p256")
        tsa = self.bench.start("strange-tsa", self.bin / "signet", "demo", "tsa", pki)
        return tsa.stdout.readline().decode().strip()

    def strange_token(self, text):
        bare = x.removed(text, "xades:UnsignedProperties")
        return x.one(self.stamped(bare, self.strange_tsa), "xades:EncapsulatedTimeStamp").content


def mutated(made, everywhere):
    """(case, change) for each change of each shape that it is for."""
    cases, useless = [], []
    for change in changes.CHANGES:
        applied = 0
        first = zlib.crc32(change.name.encode())  # each change begins with another signature, and always with the same
        for position in range(len(made.shapes)):
            shape = made.shapes[(first + position) % len(made.shapes)]
            if not everywhere and applied == SHAPES_FOR_EACH:
                break
            if not re.search(change.shapes, shape.name) or (change.signed_again and not shape.can_be_signed_again()):
                continue
            if change.signed_again and "pss" in shape.name:
                continue  # xmlsec1 knows no RSA-PSS
            made.of_shape(shape)
            try:
                text = change.apply(shape.text, made)
                if change.signed_again:
                    text = made.filled_in(text, shape.key)
            except x.Absent:
                continue
            if text == shape.text:
                continue
            applied += 1
            documents = change.documents(shape.documents, made) if change.documents else shape.documents
            if change.documents and documents == shape.documents:
                continue
            cases.append((case(made, f"{change.category}: {change.name} [{shape.name}]", text, documents), change))
        if applied == 0:
            useless.append(f"{change.category}: {change.name}")
    if useless:
        raise RuntimeError("changes that apply to no signature: " + "; ".join(useless))
    return cases


def case(made, id_, text, documents):
    file = made.new_file(".xml")
    file.write_text(text)
    return {"id": id_, "judges": ["dss"], "signature": str(file), "documents": documents, "trust": [str(made.trust / "demo-ca.pem")],
            "crls": [str(made.trust / "demo-ca.crl.pem")]}


def ours(made, cases):
    lines = made.folder / "cases"
    lines.write_text("".join(judge.line_of(judge.complete(one, pathlib.Path(".")), "signet") + "\n" for one in cases))
    said = subprocess.run([made.bin / "conformance_verdicts", lines], capture_output=True, text=True, check=False)
    if said.returncode:
        raise RuntimeError(f"conformance_verdicts: exit {said.returncode}: {said.stderr[-3000:]}")
    return {row["id"]: row for row in map(json.loads, said.stdout.splitlines())}


def told(row):
    """INDICATION or INDICATION/SUB_INDICATION; what is no signature is refused, whoever says it and however."""
    said = "/".join(filter(None, (row["indication"], row.get("sub_indication")))).replace("TOTAL-", "TOTAL_")
    return "REFUSED" if said == "NO_SIGNATURE" else said


def alike(dss, signet):
    """What DSS cannot even read has no indication to compare: of us it must not pass."""
    return told(dss) == told(signet) or (told(dss) == "REFUSED" and signet["accepted"] is not True)


def stamps_that_hold(row):
    """Of all signatures; a judge that refuses to read finds none."""
    signatures = row.get("signatures") or [row]
    return sum(stamp.get("holds", stamp.get("indication") == "PASSED") for one in signatures for stamp in one.get("timestamps", []))


class Differences:
    def __init__(self, file):
        with open(file, newline="") as table:
            self.rows = [row for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE)]
        self.used = collections.Counter()
        for row in self.rows:
            if None in row.values() or not row["reason"].strip():
                raise ValueError(f"{file}: a row is not whole: {row}")

    def has(self, id_, dss, signet):
        for number, row in enumerate(self.rows):
            if fnmatch.fnmatchcase(id_.split(" [")[0], row["mutation"].replace("[", "[[]")) and (row["dss"], row["signet"]) == (dss, signet):
                self.used[number] += 1
                return True
        return False

    def unused(self, everywhere):
        return [row for number, row in enumerate(self.rows) if not self.used[number] and (everywhere or row["when"] == "always")]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("binaries", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--keep", type=pathlib.Path)
    arguments = parser.parse_args()
    for tool in ("java", "xmlsec1", "openssl"):
        if shutil.which(tool) is None:
            matrix.missing(tool)
    if not matrix.SOFTHSM.exists():
        matrix.missing(str(matrix.SOFTHSM))
    subprocess.run([HERE / "build_judges.sh", os.environ["SIGNET_JUDGES"]], check=True)
    with tempfile.TemporaryDirectory(prefix="signet-mutations-") as name:
        folder = (arguments.keep or pathlib.Path(name)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "bench").mkdir()
        return compare(arguments, folder)


def compare(arguments, folder):
    begin = time.monotonic()
    made = Made(arguments.binaries, folder)
    try:
        fresh = [case(made, f"unchanged [{shape.name}]", shape.text, shape.documents) for shape in made.shapes]
        cases = mutated(made, arguments.all)
    finally:
        made.bench.stop()
    generated = time.monotonic()
    everything = fresh + [one for one, _ in cases]
    own = ours(made, everything)
    ours_done = time.monotonic()
    rows = {row["id"]: row for row in judge.judge(everything)}
    print(f"{len(cases)} mutations made in {generated - begin:.0f} s, judged by us in {ours_done - generated:.1f} s, by DSS in {time.monotonic() - ours_done:.1f} s")

    problems, differences, counts = [], Differences(HERE / "differences.tsv"), collections.Counter()
    for one in fresh:
        if not (rows[one["id"]]["accepted"] is True and own[one["id"]]["accepted"] is True):
            problems.append(f"{one['id']}: dss says {told(rows[one['id']])} ({rows[one['id']]['reason']}), signet {told(own[one['id']])} ({own[one['id']]['reason']})")
    for one, change in cases:
        dss, signet = rows[one["id"]], own[one["id"]]
        if alike(dss, signet):
            counts[change.category, "alike"] += 1
            held, ours_held = (f"{stamps_that_hold(row)} time stamps hold" for row in (dss, signet))
            if told(dss) == "TOTAL_PASSED" and held != ours_held and not differences.has(one["id"], held, ours_held):
                problems.append(f"{one['id']}: to dss {held}, to signet {ours_held}: {one['signature']}")
        elif differences.has(one["id"], told(dss), told(signet)):
            counts[change.category, "listed"] += 1
        else:
            counts[change.category, "not"] += 1
            problems.append(f"{one['id']}: dss says {told(dss)} ({dss['reason']}), signet {told(signet)} ({signet['reason']}): {one['signature']}")
    if len(cases) < LEAST:
        problems.append(f"only {len(cases)} mutations")
    problems += [f"differences.tsv: not seen any more: {row['mutation']}: {row['dss']}, {row['signet']}" for row in differences.unused(arguments.all)]
    print(f"{'':16}{'alike':>8}{'listed':>8}{'not':>8}")
    for category in dict.fromkeys(change.category for _, change in cases):
        print(f"{category:16}" + "".join(f"{counts[category, kind]:>8}" for kind in ("alike", "listed", "not")))
    for problem in problems:
        print("NOT AS EXPECTED:", problem)
    print(f"{len(cases)} mutations, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
