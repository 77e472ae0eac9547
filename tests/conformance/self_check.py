#!/usr/bin/env python3
"""Shows that the judges can say yes and can say no, each for the right reason, before any signer of ours is judged.

usage: self_check.py [WORKDIR]
WORKDIR keeps what is made; a temporary folder when absent. SIGNET_JUDGES names the folder of the judges, which are built
when they are not; WORKDIR/judges when absent.
Exit: 0 the harness holds; 1 it does not; 77 a tool is missing (1 when CI=true).
"""
import base64
import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import judge

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = ("java", "javac", "mvn", "openssl", "xmlsec1", "flock")
# A space, a letter outside ASCII, and what means something in a URI: names are where digests get lost.
NAME = "Contract nr. 1 (Ștefan) 100%+&.pdf"
CONTENT = b"The content that only some of the judges are shown.\n"
DIGEST = "SHA256:" + hashlib.sha256(CONTENT).hexdigest()
CURRENT_CRLS = ("root.crl.pem", "issuing.crl.pem", "stamping.crl.pem")
OTHER_DIGEST = "SHA256:" + hashlib.sha256(b"other").hexdigest()

# out, key, algorithm, hash of the signature, level, packaging, what the signer is given
B_LEVEL = [
    ("b-rsa2048", "rsa2048", "RSA", "SHA256"),
    ("b-rsa3072", "rsa3072", "RSA", "SHA512"),
    ("b-pss", "rsa3072", "RSASSA_PSS", "SHA256"),
    ("b-p256", "p256", "ECDSA", "SHA256"),
    ("b-p384", "p384", "ECDSA", "SHA384"),
    ("b-p521", "p521", "ECDSA", "SHA512"),
]
MADE = [(*row, "B", "DETACHED", "digest") for row in B_LEVEL] + [
    ("t", "rsa2048", "RSA", "SHA256", "T", "DETACHED", "digest"),
    ("lt", "p256", "ECDSA", "SHA256", "LT", "DETACHED", "digest"),
    ("lta", "p256", "ECDSA", "SHA256", "LTA", "DETACHED", "content"),
    ("enveloping", "p256", "ECDSA", "SHA256", "B", "ENVELOPING", "content"),
]


def main():
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        print(f"self_check: missing: {', '.join(missing)}", file=sys.stderr)
        return 1 if os.environ.get("CI") == "true" else 77
    with contextlib.ExitStack() as stack:
        if len(sys.argv) > 1:
            work = pathlib.Path(sys.argv[1]).resolve()
            work.mkdir(parents=True, exist_ok=True)
        else:
            work = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        return check(work)


def check(work):
    judges = pathlib.Path(os.environ.setdefault("SIGNET_JUDGES", str(work / "judges")))
    subprocess.run([HERE / "build_judges.sh", judges], check=True)
    made = work / "made"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    pki = made / "pki"
    subprocess.run([HERE / "pki.sh", pki], check=True)
    make(made, pki)
    cases = accepted(made, pki) + refused(made, pki)
    # Time stamps and revocations count whole seconds, and this revocation must come after the time stamp.
    time.sleep(1 - time.time() % 1)
    subprocess.run([HERE / "pki.sh", pki, "revoke", "issuing-later.crl.pem", "rsa2048"], check=True)
    cases += revoked(made, pki)
    rows = judge.judge(cases)
    wrong = judge.mismatches(cases, rows)
    for sentence in wrong:
        print(sentence)
    print(f"{len(rows) - len(wrong)} passed, {len(wrong)} failed")
    return 1 if wrong else 0


def make(made, pki):
    content = made / "content"
    content.write_bytes(CONTENT)
    lines = []
    for out, key, algorithm, digest, level, packaging, given in MADE:
        fields = {"out": made / f"{out}.xml", "key": pki / f"{key}.key", "algorithm": algorithm, "hash": digest,
                  "level": level, "packaging": packaging, "tsa": pki / "tsa.cnf", "trust": pki / "root.pem"}
        line = [f"{name}={judge.escape(str(value))}" for name, value in fields.items()]
        line += [f"chain={judge.escape(str(pki / file))}" for file in (f"{key}.pem", "chain.pem")]
        line += [f"crl={judge.escape(str(pki / file))}" for file in CURRENT_CRLS]
        name = judge.escape(NAME)
        line.append(f"digest={name}:{DIGEST}" if given == "digest" else f"content={name}:{judge.escape(str(content))}")
        lines.append("\t".join(line) + "\n")
    jobs = made / "jobs"
    jobs.write_text("".join(lines))
    said = judge.run_java("org.signet.judges.Maker", jobs)
    if said.returncode:
        sys.exit(f"self_check: DSS did not sign: {said.stderr}")


def case(id_, made, pki, signature, document, expect, **changes):
    documents = {"content": [{"name": NAME, "file": str(made / "content")}],
                 "digest": [{"name": NAME, "digest": DIGEST}],
                 "other": [{"name": NAME, "digest": OTHER_DIGEST}],
                 "nothing": []}[document]
    return {"id": id_, "signature": str(made / signature), "documents": documents,
            "judges": [name for name in judge.JUDGES if name in expect], "trust": [str(pki / "root.pem")],
            "crls": [str(pki / file) for file in CURRENT_CRLS], "expect": expect, **changes}


def accepted(made, pki):
    yes = {"dss": "TOTAL_PASSED", "jdk": "VALID"}
    cases = []
    for out, *_, level, packaging, given in MADE:
        at_level = {**yes, "level": f"XAdES_BASELINE_{level}"}
        if given == "digest":
            cases.append(case(f"{out} by digest", made, pki, f"{out}.xml", "digest",
                              {**at_level, "xmlsec": "NOT_APPLICABLE"}))
        xmlsec = "NOT_APPLICABLE" if out == "b-pss" else "OK"
        cases.append(case(f"{out} by content", made, pki, f"{out}.xml", "content", {**at_level, "xmlsec": xmlsec}))
    cases.append(case("one document without a name", made, pki, "b-p256.xml", "nothing", yes,
                      documents=[{"digest": DIGEST}]))
    return cases


def refused(made, pki):
    flip(made / "b-rsa2048.xml", made / "flipped-digest.xml", "DigestValue")
    flip(made / "b-rsa2048.xml", made / "flipped-value.xml", "SignatureValue")
    flip(made / "t.xml", made / "flipped-timestamped.xml", "SignatureValue")
    (made / "cut.xml").write_bytes((made / "b-rsa2048.xml").read_bytes()[:-20])
    (made / "doctype.xml").write_bytes(b"<!DOCTYPE x>" + (made / "b-rsa2048.xml").read_bytes().split(b"?>", 1)[-1])
    second = {"name": "second.pdf", "file": str(made / "content")}
    first = {"name": NAME, "file": str(made / "content")}
    one = "b-rsa2048.xml"
    return [
        case("another digest is given", made, pki, one, "other", {"dss": "TOTAL_FAILED/HASH_FAILURE", "jdk": "INVALID"}),
        case("one bit of DigestValue differs", made, pki, "flipped-digest.xml", "content",
             {"dss": "TOTAL_FAILED/HASH_FAILURE", "jdk": "INVALID", "xmlsec": "FAIL"}),
        case("one bit of SignatureValue differs", made, pki, "flipped-value.xml", "content",
             {"dss": "TOTAL_FAILED/SIG_CRYPTO_FAILURE", "jdk": "INVALID", "xmlsec": "FAIL"}),
        case("one bit of a time-stamped SignatureValue differs", made, pki, "flipped-timestamped.xml", "content",
             {"dss": "TOTAL_FAILED/SIG_CRYPTO_FAILURE", "jdk": "INVALID", "xmlsec": "FAIL"}),
        case("an archive time stamp cannot be checked over a digest alone", made, pki, "lta.xml", "digest",
             {"dss": "TOTAL_PASSED/BAD_TIMESTAMP"}),
        case("the document is not given", made, pki, one, "nothing",
             {"dss": "INDETERMINATE/SIGNED_DATA_NOT_FOUND", "jdk": "INVALID", "xmlsec": "FAIL"}),
        case("the document has another name", made, pki, one, "nothing", {"jdk": "INVALID", "xmlsec": "FAIL"},
             documents=[{"name": "another.pdf", "file": str(made / "content")}]),
        case("a second document is not covered", made, pki, one, "nothing", {"jdk": "INVALID", "xmlsec": "FAIL"},
             documents=[first, second]),
        case("an enveloping signature does not cover another digest", made, pki, "enveloping.xml", "other",
             {"jdk": "INVALID"}),
        case("nobody is trusted", made, pki, one, "content",
             {"dss": "INDETERMINATE/NO_CERTIFICATE_CHAIN_FOUND"}, trust=[]),
        case("another root is trusted", made, pki, one, "content",
             {"dss": "INDETERMINATE/NO_CERTIFICATE_CHAIN_FOUND", "jdk": "INVALID", "xmlsec": "FAIL"},
             trust=[str(pki / "tsa.pem")]),
        case("there is no revocation data", made, pki, one, "content",
             {"dss": "INDETERMINATE/CERTIFICATE_CHAIN_GENERAL_FAILURE"}, crls=[]),
        case("the TSA's revocation data is missing", made, pki, "t.xml", "content",
             {"dss": "TOTAL_PASSED/BAD_TIMESTAMP"}, crls=[str(pki / "root.crl.pem"), str(pki / "issuing.crl.pem")]),
        case("the file is cut short", made, pki, "cut.xml", "content",
             {"dss": "REFUSED", "jdk": "REFUSED", "xmlsec": "REFUSED"}),
        case("the file has a document type", made, pki, "doctype.xml", "content",
             {"dss": "REFUSED", "jdk": "REFUSED", "xmlsec": "REFUSED"}),
        case("the file is missing", made, pki, "none.xml", "content",
             {"dss": "ERROR", "jdk": "ERROR", "xmlsec": "ERROR"}),
    ]


def revoked(made, pki):
    def lists(signers):
        return [str(pki / file) for file in ("root.crl.pem", signers, "stamping.crl.pem")]

    later, earlier = lists("issuing-later.crl.pem"), lists("issuing-revoked.crl.pem")
    return [
        case("the signer is revoked, the signature has no proof of its time", made, pki, "b-rsa2048.xml", "content",
             {"dss": "INDETERMINATE/REVOKED_NO_POE", "jdk": "INVALID"}, crls=later),
        # The JDK looks at no time stamp: to it the certificate is revoked now.
        case("the signer was revoked after the time stamp", made, pki, "t.xml", "content",
             {"dss": "TOTAL_PASSED", "jdk": "INVALID"}, crls=later),
        # Only a time stamp over the content, made before signing, would make it TOTAL_FAILED/REVOKED.
        case("the signer was revoked before the time stamp", made, pki, "t.xml", "content",
             {"dss": "INDETERMINATE/REVOKED_NO_POE", "jdk": "INVALID"}, crls=earlier),
        case("another signer is revoked", made, pki, "b-p256.xml", "content",
             {"dss": "TOTAL_PASSED", "jdk": "VALID"}, crls=later),
    ]


def flip(source, target, name):
    """The lowest bit of the first element of this name changes, so that it is still well-formed base64."""
    def changed(match):
        value = bytearray(base64.b64decode(match[2]))
        value[0] ^= 1
        return match[1] + base64.b64encode(value) + match[3]

    element = rb"(<(?:\w+:)?" + name.encode() + rb"\b[^>]*>)([^<]+)(<)"
    text, count = re.subn(element, changed, source.read_bytes(), count=1)
    if count != 1:
        sys.exit(f"self_check: no {name} in {source.name}")
    target.write_bytes(text)


if __name__ == "__main__":
    sys.exit(main())
