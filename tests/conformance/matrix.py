#!/usr/bin/env python3
"""Has every kind of signature that the agent can make judged by EU DSS, the JDK, xmlsec1 and our own verifier.

usage: matrix.py BIN_FOLDER [--whole]

A demo PKI with a key of each kind on a SoftHSM2 token, signetd with it, a TSA; `signet sign` makes level x packaging x key x 1, 10
and 100 references. No cell may be empty: where a judge cannot judge (xmlsec1 knows no RSA-PSS) another must, and what cannot be
made at all is refused with its reason before anybody is asked: a document within which a signature stands has one of its own, and
an archive time stamp is not over a hash. Beside them statements, SHA-384 and SHA-512, B-B signatures that get their time stamp
later, two signatures in one document, and the shape of the national middleware. Then one flipped bit in each of digest,
SignedProperties, SignatureValue and time stamp, and a revoked signer: everybody says no, and for that reason.
DSS looks at a hundred references for a second each: without --whole it is asked that of two kinds of keys, and the others are left to
xmlsec1 and the JDK.
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
from concurrent.futures import ThreadPoolExecutor

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
LEVELS = ("b", "t", "lt", "lta")
# Of these DSS judges a hundred references, too, without --whole.
KEYS_FOR_A_HUNDRED = ("p256", "rsa3072-pss")
PACKAGINGS = ("detached", "enveloping", "enveloping-file", "enveloping-xml", "enveloped")
COUNTS = (1, 10, 100)
# What is stated with a signature, in one of each packaging.
STATEMENTS = ("--commitment", "approval", "--commitment", "urn:signet:a-type-of-its-own", "--role", "Director <șef> & Co", "--place", "city=Chișinău",
              "--place", "country=MD", "--signature-policy", "urn:oid:1.2.498.3.32.9", "--signature-policy-digest", "sha512:" + "5a" * 64,
              "--signature-policy-url", "https://signet.example/policy?a=b&c")
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


def ours(bench, cases, trust):
    """Our own verifier's verdicts by the cases' ids, by the command line: one run for all that are over the same documents."""
    verdicts = {}
    groups = {}
    for case in cases:
        groups.setdefault(tuple(given(case)), []).append(case)
    for content, members in groups.items():
        files = {case["signature"]: case["id"] for case in members}
        done = subprocess.run([str(bench.bin / "signet"), "verify", "--json", *files, "--offline", "--trust", str(trust), *content], capture_output=True)
        if done.returncode > 2:
            verdicts |= dict.fromkeys(files.values(), "REFUSED " + done.stdout.decode())
            continue
        for row in json.loads(done.stdout)["signatures"]:
            said = row["indication"] + ("/" + row["sub_indication"] if row["sub_indication"] else "")
            if said == "TOTAL-PASSED" and not all(stamp["valid"] for stamp in row["time_stamps"]):
                said = "TOTAL-PASSED/BAD_TIMESTAMP"  # as DSS's is told
            # Of several signatures in a file the one that is not good counts.
            if verdicts.get(files[row["file"]], "TOTAL-PASSED") == "TOTAL-PASSED":
                verdicts[files[row["file"]]] = said
    return verdicts


def given(case):
    return [word for document in case["documents"] if case["packaging"] == "detached" for word in ("--content", document["file"])]


def is_xml(packaging):
    return packaging in ("enveloping-xml", "enveloped")


def make_documents(folder):
    """As many as the largest signature refers to, as XML and as files."""
    documents = {"xml": [], "file": []}
    for i in range(max(COUNTS)):
        text = folder / f"document {i} ș.txt"
        text.write_text(f"content {i}")
        documents["file"].append(text)
        xml = folder / f"document {i} ș.xml"
        xml.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\r\n<!-- {i} --><a xmlns="urn:a" xmlns:ds="urn:ds" b="ș &amp; {i}">\n <ds:c/><!-- d --><![CDATA[<{i}>]]>\n</a>\n')
        documents["xml"].append(xml)
    return documents


def side_by_side(work, rows):
    """Signing is a process each, most of which wait for another: the agent, the token, the TSA."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda row: work(*row), rows))


def sign(bench, folder, trust, name, key, pss, level, packaging, documents, *more):
    out = folder / re.sub(r"\W+", "-", name)
    words = ["sign", "--overwrite", "--cert", bench.certificate[key], "--level", level, "--packaging", packaging, "--pin-stdin", "--out", out, *more, *documents]
    words += ["--pss"] if pss else []
    words += ["--together"] if len(documents) > 1 else []
    words += ["--trust", trust, "--offline"] if level in ("lt", "lta") else []
    bench.signet(*words, input=PIN)
    return {"id": name, "signature": str(out / (documents[0].name + ".xades.xml")), "level": level, "pss": pss, "packaging": packaging, "algorithm": "sha256",
            "key": key, "documents": [{"name": d.name, "file": str(d)} for d in documents]}


def make(bench, folder, trust):
    """All signatures of the matrix, as cases, and what is refused of it."""
    documents = make_documents(folder)
    rows = []
    for key in KEYS:
        for pss in ((False, True) if key.startswith("rsa") else (False,)):
            for packaging in PACKAGINGS:
                of_kind = documents["xml" if is_xml(packaging) else "file"]
                for count in COUNTS if packaging != "enveloped" else (1,):
                    for level in LEVELS:
                        name = f"{key}{'-pss' if pss else ''} B-{level.upper()} {packaging} x{count}"
                        rows.append((bench, folder, trust, name, key, pss, level, packaging, of_kind[:count]))
    for packaging in PACKAGINGS:
        document = documents["xml" if is_xml(packaging) else "file"][:1]
        rows.append((bench, folder, trust, f"p256 B-LTA {packaging} x1 with statements", "p256", False, "lta", packaging, document, *STATEMENTS))
    cases = side_by_side(sign, rows)
    # Of those that are within a document the one beside it: made by somebody else, and both are good.
    first = {case["key"]: case for case in cases if case["id"].endswith("B-T enveloped x1") and not case["pss"]}
    for key, other in (("p256", "rsa2048"), ("rsa2048", "p384")):
        cases.append(sign(bench, folder, trust, f"{other} B-LTA enveloped x1 beside {key}", other, False, "lta", "enveloped", [pathlib.Path(first[key]["signature"])]))
        # The judges tell the first one's level.
        cases[-1] |= {"level": "t", "documents": first[key]["documents"]}
    problems = [problem for count in COUNTS for problem in cannot_be(bench, folder, trust, documents, count)]
    return cases + stamped_later(bench, cases) + over_hashes(bench, folder, documents), problems


def stamped_later(bench, cases):
    more = []
    for case in [case for case in cases if re.fullmatch(r"(rsa2048|p256) B-B \S+ x1", case["id"])]:
        stamped = pathlib.Path(case["signature"]).with_suffix(".stamped.xml")
        with stamped.open("wb") as out:
            subprocess.run([bench.bin / "conformance_stamp", case["signature"], bench.tsa], stdout=out, check=True)
        more.append(case | {"id": case["id"] + " stamped", "signature": str(stamped), "level": "t"})
    return more


def over_hashes(bench, folder, documents):
    cases = []
    for key in ("rsa2048", "p256"):
        for algorithm in ("sha384", "sha512"):
            for packaging in ("detached", "enveloping"):
                name = f"{key} B-T {packaging} over {algorithm.upper()}"
                out = folder / re.sub(r"\W+", "-", name)
                hashes = hash_list(folder, documents["file"][:3], algorithm)
                bench.signet("sign", "--overwrite", "--cert", bench.certificate[key], "--level", "t", "--packaging", packaging, "--pin-stdin", "--out", out,
                             "--digest-list", hashes, input=PIN)
                document = documents["file"][0]
                cases.append({"id": name, "signature": str(out / (document.name + ".xades.xml")), "level": "t", "pss": False, "packaging": packaging, "key": key,
                              "algorithm": algorithm, "documents": [{"name": document.name, "file": str(document)}]})
    return cases


def hash_list(folder, documents, algorithm="sha256"):
    hashes = folder / f"hashes-{algorithm}-{len(documents)}"
    hashes.write_text("".join(f"{algorithm}:{hash_of(d, algorithm)} {d.name}\n" for d in documents))
    return hashes


def cannot_be(bench, folder, trust, documents, count):
    """The cells that are refused, for all keys: no key is looked at, no agent asked (there is none behind that configuration)."""
    nobody = folder / "nobody.toml"
    nobody.write_text(f'control_socket = "{folder}/nobody.sock"\n[time_stamping]\nurls = ["{bench.tsa}"]\n')
    refused = [("B-LTA over a detached hash", "only the hash is known", ["--level", "lta", "--trust", trust, "--digest-list", hash_list(folder, documents["file"][:count])])]
    if count > 1:
        refused += [(f"B-{level.upper()} enveloped", "has one of its own", ["--level", level, "--trust", trust, "--packaging", "enveloped", *documents["xml"][:count]]) for level in LEVELS]
    problems = []
    for name, reason, words in refused:
        out = folder / "refused"
        done = subprocess.run([str(bench.bin / "signet"), "--config", str(nobody), "sign", "--overwrite", "--pin-stdin", "--together", "--out", str(out), *map(str, words)],
                              input=PIN, capture_output=True, text=False)
        print(f"{'any key ' + name + f' x{count}':52}refused: {reason}")
        if done.returncode != 5 or reason not in done.stderr.decode() or out.exists():
            problems.append(f"{name} x{count}: exit {done.returncode}: {done.stderr.decode()}")
    return problems


def extended(bench, cases, trust):
    """Signatures at B-B and B-T, raised by `signet extend`: with the documents, of which an archive time stamp is too."""
    more = []
    for case in cases:
        for level in ("lt", "lta"):
            out = pathlib.Path(case["signature"]).with_suffix(f".{level}.xml")
            bench.signet("extend", case["signature"], "--level", level, "--out", out, "--tsa", bench.tsa, "--trust", trust, "--offline", *given(case))
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


def cannot_judge(case):
    """Who is not asked, and why."""
    out = {"xmlsec": "(no PSS)"} if case["pss"] else {}
    if case["id"].endswith(" x100") and not case["id"].startswith(KEYS_FOR_A_HUNDRED) and "--whole" not in sys.argv:
        out["dss"] = "(--whole)"
    return out


def expected(case, judges=("dss", "jdk", "xmlsec")):
    """What each judge must say of a good signature. An enveloping one carries the hash: its document is that hash. In the others the
    documents are within."""
    row = {key: case[key] for key in ("id", "signature")}
    row["documents"] = case["documents"] if case["packaging"] == "detached" else [] if case["packaging"] != "enveloping" else [
        {"name": d["name"], "digest": f"{case['algorithm'].upper()}:{hash_of(d['file'], case['algorithm'])}"} for d in case["documents"]]
    row["judges"] = [name for name in judges if name not in cannot_judge(case)]
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


def compatible(bench, folder):
    """The national middleware's shape: no baseline profile, and with SHA-1 none that any policy takes. What it is over, and that it is
    intact, everybody sees alike."""
    folder.mkdir()
    subprocess.run([bench.bin / "conformance_compatible", folder], check=True)
    content = folder / "content file.bin"
    rows = []
    for file in sorted(folder.glob("*.xml")):
        shape, _, algorithm = file.stem.rsplit("-", 2)
        documents = [] if shape != "detached" else [{"name": "file:/content file.bin", "file": str(content)}]
        rows.append({"id": file.stem, "signature": str(file), "documents": documents, "trust": [str(folder / "ca.pem")], "crls": [str(folder / "ca.crl.pem")]})
    problems = []
    for row in judge.judge(rows):
        weak = row["id"].endswith("sha1")
        print(f"{'compatible ' + row['id']:52}{row['judge']:8}{judge.verdict(row)}")
        # The JDK refuses SHA-1 unseen.
        good = {"dss": row.get("integrity") == "valid" and (weak or row["indication"] == "TOTAL_PASSED"), "jdk": row["accepted"] is (not weak), "xmlsec": accepts(row)}
        if not good[row["judge"]]:
            problems.append(f"compatible {row['id']}: {row}")
    if len(rows) != 9:
        problems.append(f"compatible: {len(rows)} signatures were made")
    return problems


def accepts(row):
    return row["accepted"] is True


def main():
    if len(sys.argv) < 2 or sys.argv[2:] not in ([], ["--whole"]):
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
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="signet-matrix-") as name:
        folder = pathlib.Path(name)
        bench = Bench(pathlib.Path(sys.argv[1]), folder)
        try:
            trust_folder = folder / "trust"
            trust_folder.mkdir()
            for file in ("demo-ca.pem", "demo-ca.crl.pem"):
                shutil.copy(bench.pki / file, trust_folder)
            cases, problems = make(bench, folder, trust_folder)
            cases += extended(bench, [case for case in cases if re.fullmatch(r"(rsa2048-pss|p384) B-[BT] \S+ x1", case["id"])], trust_folder)
            problems += refused(bench, next(case for case in cases if case["id"] == "p256 B-T detached x1"), trust_folder)
            print(f"{len(cases)} signatures were made in {time.monotonic() - began:.0f} s")
            ca, crl = trust_folder / "demo-ca.pem", trust_folder / "demo-ca.crl.pem"
            verdicts = judged(cases, ca, crl)
            own = ours(bench, cases, trust_folder)
            print(f"{'':52}{'dss':16}{'jdk':8}{'xmlsec1':9}signet")
            for case in cases:
                row = verdicts[case["id"]]
                left_out = cannot_judge(case)
                told = {name: left_out.get(name) or row.get(name, {}).get("indication", "nothing") for name in ("dss", "jdk", "xmlsec")}
                print(f"{case['id']:52}{told['dss']:16}{told['jdk']:8}{told['xmlsec']:9}{own[case['id']]}")
                for name in ("dss", "jdk", "xmlsec"):
                    if name not in left_out and not (name in row and accepts(row[name])):
                        problems.append(f"{case['id']}: {name} does not accept: {row.get(name)}")
                if "dss" in row and row["dss"].get("level") != f"XAdES_BASELINE_{case['level'].upper()}":
                    problems.append(f"{case['id']}: DSS finds level {row['dss'].get('level')}")
                if own[case["id"]] != "TOTAL-PASSED":
                    problems.append(f"{case['id']}: signet says {own[case['id']]}")

            problems += compatible(bench, folder / "compatible")
            bad = damaged([case for case in cases if re.fullmatch(r"(rsa2048|p256) B-[BT] \S+ x1|\S+ B-T detached x1", case["id"])], folder)
            verdicts = judged(bad, ca, crl)
            own = ours(bench, bad, trust_folder)
            for case in bad:
                wanted = OF_DAMAGED[case["kind"]]
                told = {name: judge.verdict(row) for name, row in verdicts[case["id"]].items()} | {"signet": own[case["id"]]}
                for name, said in told.items():
                    if name in wanted and said != wanted[name] and said.split("/")[0] != wanted[name]:
                        problems.append(f"{case['id']}: {name} says {said}, not {wanted[name]}")
            print(f"{len(bad)} signatures with one flipped bit: judged")

            bench.signet("demo", "revoke", bench.pki, "signer-p256")
            shutil.copy(bench.pki / "demo-ca.crl.pem", trust_folder)
            # The JDK's judge checks the path too; xmlsec1 1.2.37 knows no CRLs.
            again = [case for case in cases if re.fullmatch(r"(rsa2048|p256) B-[BT] \S+ x1", case["id"])]
            verdicts = judged(again, ca, crl)
            all_own = ours(bench, again, trust_folder)
            for case in again:
                revoked = case["id"].startswith("p256 ")
                own, dss, jdk = all_own[case["id"]], verdicts[case["id"]]["dss"], verdicts[case["id"]]["jdk"]
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
    print(f"{len(cases)} kinds of signatures, {len(problems)} problems, {time.monotonic() - began:.0f} s")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
