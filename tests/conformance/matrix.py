#!/usr/bin/env python3
"""Has every kind of signature that the agent can make judged by EU DSS, the JDK, xmlsec1 and our own verifier.

usage: matrix.py BIN_FOLDER

A demo PKI with a key of each kind on a SoftHSM2 token, signetd with it, a TSA; `signet sign` makes level x packaging x key x
one or several hashes, and `signet extend` makes B-LT and B-LTA of each; and each packaging over SHA-384 and SHA-512; and B-B signatures that get their time stamp later. No cell may be empty: where a judge cannot judge (xmlsec1
knows no RSA-PSS) another must. Then one flipped bit in each of digest, SignedProperties, SignatureValue and time stamp, and a
revoked signer: everybody says no, and for that reason.
Exit: 0 all as expected, 1 not, 77 a tool is missing (1 with CI=true).
"""
import base64
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

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import judge  # noqa: E402

# What is said of a signature in which one bit is flipped. The JDK and xmlsec1 know XML Signature, not XAdES: a damaged time stamp
# is no business of theirs.
OF_DAMAGED = {
    "digest": {"dss": "TOTAL_FAILED/HASH_FAILURE", "jdk": "INVALID", "xmlsec": "FAIL", "signet": "TOTAL-FAILED/HASH_FAILURE"},
    "signed properties": {"dss": "TOTAL_FAILED/HASH_FAILURE", "jdk": "INVALID", "xmlsec": "FAIL", "signet": "TOTAL-FAILED/HASH_FAILURE"},
    "signature value": {"dss": "TOTAL_FAILED/SIG_CRYPTO_FAILURE", "jdk": "INVALID", "xmlsec": "FAIL", "signet": "TOTAL-FAILED/SIG_CRYPTO_FAILURE"},
    "time stamp": {"dss": "TOTAL_PASSED/BAD_TIMESTAMP", "signet": "TOTAL-PASSED/BAD_TIMESTAMP"},
}
KEYS = ("rsa2048", "rsa3072", "p256", "p384", "p521")
PIN = b"matrix-pin-1\n"
SOFTHSM = pathlib.Path("/usr/lib/softhsm/libsofthsm2.so")


def missing(what):
    print(f"matrix: {what} is missing", file=sys.stderr)
    sys.exit(1 if os.environ.get("CI") == "true" else 77)


class Bench:
    """The agent, its token and its TSA in one folder."""

    def __init__(self, binaries, folder, keys=KEYS):
        self.bin, self.folder, self.processes = binaries, folder, []
        self.pki = folder / "pki"
        self.signet("demo", "pki", self.pki, "--keys", ",".join(keys))
        self.environment = dict(os.environ, SOFTHSM2_CONF=self.signet("demo", "token", self.pki, input=PIN).decode().strip(), XDG_STATE_HOME=str(folder / "state"))
        tsa = self.start("tsa", binaries / "signet", "demo", "tsa", self.pki)
        self.tsa = address = tsa.stdout.readline().decode().strip()
        self.config = folder / "signet.toml"
        (folder / "run").mkdir(mode=0o700)
        self.config.write_text(
            f'control_socket = "{folder}/run/control.sock"\njournal = "{folder}/journal"\n[[modules]]\npath = "{SOFTHSM}"\n'
            f'[time_stamping]\nurls = ["{address}"]\n[web]\nports = [{", ".join(str(28580 + i) for i in range(5))}]\n')
        self.agent = self.start("signetd", binaries / "signetd", "--config", self.config)
        deadline = time.monotonic() + 60
        while subprocess.run([binaries / "signet", "--config", self.config, "status"], capture_output=True, env=self.environment).returncode != 0:
            if self.agent.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("signetd did not start: " + (folder / "signetd.log").read_text())
            time.sleep(0.1)
        certificates = json.loads(self.signet("certs", "--json"))["certificates"]
        fingerprints = {hashlib.sha256(self.der(self.pki / f"signer-{key}.pem")).hexdigest(): key for key in keys}
        self.certificate = {fingerprints[row["id"]]: row["id"] for row in certificates}

    def start(self, name, *command):
        log = open(self.folder / f"{name}.log", "wb")
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=log, env=getattr(self, "environment", None))
        self.processes.append(process)
        return process

    def signet(self, *words, input=None):
        configured = ["--config", str(self.config)] if hasattr(self, "config") else []
        done = subprocess.run([str(self.bin / "signet"), *configured, *map(str, words)], input=input, capture_output=True, env=getattr(self, "environment", None))
        if done.returncode != 0:
            raise RuntimeError(f"signet {' '.join(map(str, words))}: exit {done.returncode}: {done.stderr.decode()}")
        return done.stdout

    @staticmethod
    def der(pem):
        return base64.b64decode("".join(line for line in pem.read_text().splitlines() if "-----" not in line))

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(20)


def ours(bench, case, trust):
    """Our own verifier's verdict on a case, by the command line."""
    given = []
    for document in case["documents"]:
        given += ["--content", document["file"]]
    done = subprocess.run([str(bench.bin / "signet"), "verify", "--json", "--trust", str(trust), *given, str(case["signature"])], capture_output=True)
    if done.returncode > 2:
        return "REFUSED"
    row = json.loads(done.stdout)["signatures"][0]
    if row["indication"] == "TOTAL-PASSED" and not all(stamp["valid"] for stamp in row["time_stamps"]):
        return "TOTAL-PASSED/BAD_TIMESTAMP"  # as DSS's is told
    return row["indication"] + ("/" + row["sub_indication"] if row["sub_indication"] else "")


def make(bench, folder):
    """All signatures, as cases: (id, key, pss, level, packaging, how many)."""
    cases = []
    documents = []
    for i in range(3):
        file = folder / f"document {i} ș.txt"
        file.write_text(f"content {i}")
        documents.append(file)
    for key in KEYS:
        for pss in ((False, True) if key.startswith("rsa") else (False,)):
            for level in ("b", "t"):
                for packaging in ("detached", "enveloping"):
                    for count in (1, 3):
                        name = f"{key}{'-pss' if pss else ''} B-{level.upper()} {packaging} x{count}"
                        out = folder / re.sub(r"\W+", "-", name)
                        words = ["sign", "--cert", bench.certificate[key], "--level", level, "--packaging", packaging, "--pin-stdin", "--out", out, *documents[:count]]
                        if pss:
                            words.append("--pss")
                        if count > 1:
                            words.append("--together")
                        bench.signet(*words, input=PIN)
                        signature = out / (documents[0].name + ".xades.xml")
                        cases.append({"id": name, "signature": str(signature), "level": level, "pss": pss, "packaging": packaging, "algorithm": "sha256",
                                      "documents": [{"name": d.name, "file": str(d)} for d in documents[:count]]})
    for case in [case for case in cases if case["level"] == "b"]:
        stamped = pathlib.Path(case["signature"]).with_suffix(".stamped.xml")
        with stamped.open("wb") as out:
            subprocess.run([bench.bin / "conformance_stamp", case["signature"], bench.tsa], stdout=out, check=True)
        cases.append(case | {"id": case["id"] + " stamped", "signature": str(stamped), "level": "t"})
    for key in ("rsa2048", "p256"):
        for algorithm in ("sha384", "sha512"):
            for packaging in ("detached", "enveloping"):
                name = f"{key} B-T {packaging} over {algorithm.upper()}"
                out = folder / re.sub(r"\W+", "-", name)
                hashes = folder / "hashes"
                hashes.write_text("".join(f"{algorithm}:{hash_of(d, algorithm)} {d.name}\n" for d in documents))
                bench.signet("sign", "--cert", bench.certificate[key], "--level", "t", "--packaging", packaging, "--pin-stdin", "--out", out,
                             "--digest-list", hashes, input=PIN)
                for document in documents[:1]:
                    cases.append({"id": name, "signature": str(out / (document.name + ".xades.xml")), "level": "t", "pss": False, "packaging": packaging,
                                  "algorithm": algorithm, "documents": [{"name": document.name, "file": str(document)}]})
    return cases


def extended(bench, cases, trust):
    """Each B-B and B-T as B-LT and B-LTA, by `signet extend`: with the documents, of which an archive time stamp is too."""
    more = []
    for case in cases:
        content = [word for document in case["documents"] for word in ("--content", document["file"])] if case["packaging"] == "detached" else []
        for level in ("lt", "lta"):
            out = pathlib.Path(case["signature"]).with_suffix(f".{level}.xml")
            bench.signet("extend", case["signature"], "--level", level, "--out", out, "--tsa", bench.tsa, "--trust", trust, "--offline", *content)
            more.append(case | {"id": f"{case['id']} extended to B-{level.upper()}", "signature": str(out), "level": level})
    return more


def refused(bench, case, trust):
    """Why not: an archive time stamp of a hash alone, and B-LT of what has no anchor. The file stays as it was."""
    file = pathlib.Path(case["signature"])
    before = file.read_bytes()
    digest = "sha256:" + hash_of(case["documents"][0]["file"], "sha256")
    problems = []
    for words, wanted in ((["--level", "lta", "--digest", digest, "--trust", trust], "only the hash is known"),
                          (["--level", "lt", "--digest", digest], "does not reach XAdES-B-LT")):
        done = subprocess.run([str(bench.bin / "signet"), "extend", str(file), "--tsa", bench.tsa, "--offline", *map(str, words)], capture_output=True, text=True)
        if done.returncode != 5 or wanted not in done.stderr or "was not changed" not in done.stderr or file.read_bytes() != before:
            problems.append(f"{case['id']}: extend {words}: exit {done.returncode}: {done.stderr}")
    return problems


def hash_of(file, algorithm):
    return hashlib.new(algorithm, pathlib.Path(file).read_bytes()).hexdigest()


def expected(case, judges=("dss", "jdk", "xmlsec")):
    """What each judge must say of a good signature. An enveloping one carries the hash: its document is that hash."""
    row = {key: case[key] for key in ("id", "signature")}
    row["documents"] = case["documents"] if case["packaging"] == "detached" else [
        {"name": d["name"], "digest": f"{case['algorithm'].upper()}:{hash_of(d['file'], case['algorithm'])}"} for d in case["documents"]]
    row["judges"] = [name for name in judges if not (name == "xmlsec" and case["pss"])]
    return row


def flipped(text, pattern, position):
    """The document with one bit changed in the base64 text that `pattern` (one group) finds."""
    found = re.search(pattern, text)
    data = bytearray(base64.b64decode(found.group(1)))
    data[position if position >= 0 else len(data) + position] ^= 1
    return text[: found.start(1)] + base64.b64encode(data).decode() + text[found.end(1):]


def damaged(cases, folder):
    """One flipped bit each: in the digest of the document, of SignedProperties, the signature value, the time stamp token."""
    kinds = {
        "digest": (r"<ds:Reference Id=.*?<ds:DigestValue>([^<]+)</ds:DigestValue>", 3),
        "signed properties": (r"<ds:Reference Type=.*?<ds:DigestValue>([^<]+)</ds:DigestValue>", 3),
        "signature value": (r"<ds:SignatureValue[^>]*>([^<]+)</ds:SignatureValue>", 5),
        "time stamp": (r"<xades:EncapsulatedTimeStamp>([^<]+)</xades:EncapsulatedTimeStamp>", -40),
    }
    bad = []
    for case in cases:
        text = pathlib.Path(case["signature"]).read_text()
        for kind, (pattern, position) in kinds.items():
            if kind == "time stamp" and case["level"] == "b":
                continue
            file = folder / f"bad-{len(bad)}.xml"
            file.write_text(flipped(text, pattern, position))
            bad.append(dict(case, id=f"{case['id']}: one bit of the {kind}", signature=str(file), kind=kind))
    return bad


def judged(cases, trust, crl):
    rows = []
    for case in cases:
        row = expected(case)
        if case["packaging"] == "enveloping":
            # xmlsec1 needs no document here and cannot take a hash.
            rest = [name for name in row["judges"] if name != "xmlsec"]
            if "xmlsec" in row["judges"]:
                rows.append({"id": row["id"] + " (alone)", "signature": row["signature"], "documents": [], "judges": ["xmlsec"], "trust": [str(trust)], "crls": [str(crl)]})
            row["judges"] = rest
        row |= {"trust": [str(trust)], "crls": [str(crl)]}
        rows.append(row)
    verdicts = {}
    for row in judge.judge(rows):
        verdicts.setdefault(row["id"].removesuffix(" (alone)"), {})[row["judge"]] = row
    return verdicts


def accepts(row):
    return row["accepted"] is True


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    for tool in ("java", "xmlsec1"):
        if shutil.which(tool) is None:
            missing(tool)
    if not SOFTHSM.exists():
        missing(str(SOFTHSM))
    if subprocess.run([HERE / "build_judges.sh", os.environ["SIGNET_JUDGES"]]).returncode != 0:
        print("matrix: the judges cannot be built", file=sys.stderr)
        return 1
    problems = []
    with tempfile.TemporaryDirectory(prefix="signet-matrix-") as name:
        folder = pathlib.Path(name)
        bench = Bench(pathlib.Path(sys.argv[1]), folder)
        try:
            trust_folder = folder / "trust"
            trust_folder.mkdir()
            for file in ("demo-ca.pem", "demo-ca.crl.pem"):
                shutil.copy(bench.pki / file, trust_folder)
            cases = make(bench, folder)
            cases += extended(bench, [case for case in cases if not case["id"].endswith("stamped") and " over " not in case["id"]], trust_folder)
            problems += refused(bench, next(case for case in cases if case["id"] == "p256 B-T detached x1"), trust_folder)
            ca, crl = trust_folder / "demo-ca.pem", trust_folder / "demo-ca.crl.pem"
            verdicts = judged(cases, ca, crl)
            print(f"{'':52}{'dss':16}{'jdk':8}{'xmlsec1':9}signet")
            for case in cases:
                row = verdicts[case["id"]]
                own = ours(bench, case, trust_folder)
                told = {name: row[name]["indication"] if name in row else "(no PSS)" for name in ("dss", "jdk", "xmlsec")}
                print(f"{case['id']:52}{told['dss']:16}{told['jdk']:8}{told['xmlsec']:9}{own}")
                for name in ("dss", "jdk") + (() if case["pss"] else ("xmlsec",)):
                    if name not in row or not accepts(row[name]):
                        problems.append(f"{case['id']}: {name} does not accept: {row.get(name)}")
                if row["dss"].get("level") != f"XAdES_BASELINE_{case['level'].upper()}":
                    problems.append(f"{case['id']}: DSS finds level {row['dss'].get('level')}")
                if own != "TOTAL-PASSED":
                    problems.append(f"{case['id']}: signet says {own}")

            bad = damaged([case for case in cases if case["id"].endswith("x1")], folder)
            verdicts = judged(bad, ca, crl)
            for case in bad:
                wanted = OF_DAMAGED[case["kind"]]
                told = {name: judge.verdict(row) for name, row in verdicts[case["id"]].items()} | {"signet": ours(bench, case, trust_folder)}
                for name, said in told.items():
                    if name in wanted and said != wanted[name] and said.split("/")[0] != wanted[name]:
                        problems.append(f"{case['id']}: {name} says {said}, not {wanted[name]}")
            print(f"{len(bad)} signatures with one flipped bit: judged")

            bench.signet("demo", "revoke", bench.pki, "signer-p256")
            shutil.copy(bench.pki / "demo-ca.crl.pem", trust_folder)
            # The JDK's judge checks the path too; xmlsec1 1.2.37 knows no CRLs.
            again = [case for case in cases if case["id"].startswith(("p256 B-", "rsa2048 B-")) and case["id"].endswith("x1")]
            verdicts = judged(again, ca, crl)
            for case in again:
                revoked = case["id"].startswith("p256 ")
                own, dss, jdk = ours(bench, case, trust_folder), verdicts[case["id"]]["dss"], verdicts[case["id"]]["jdk"]
                print(f"{case['id'] + (', signer revoked' if revoked else ', another revoked'):44}{judge.verdict(dss):16} {jdk['indication']:8} {own}")
                as_expected = (
                    {judge.verdict(dss), own} <= {"INDETERMINATE/REVOKED_NO_POE", "TOTAL-FAILED/REVOKED", "TOTAL_FAILED/REVOKED"} and jdk["accepted"] is False
                    if revoked else accepts(dss) and accepts(jdk) and own == "TOTAL-PASSED")
                if not as_expected:
                    problems.append(f"{case['id']}: with the new CRL dss says {dss}, jdk {jdk}, signet {own}")
        finally:
            bench.stop()
    for problem in problems:
        print("NOT AS EXPECTED:", problem)
    print(f"{len(cases)} kinds of signatures, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
