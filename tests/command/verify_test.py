#!/usr/bin/env python3
"""`signet verify` on signatures of many kinds: what it says to programs and, in three languages, to people; policies; trusted lists
from files, from a server and from the configuration.

usage: verify_test.py SIGNET COMMAND_SIGNATURES
"""
import functools
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading


class Test:
    def __init__(self, program, folder):
        self.program, self.folder, self.failures, self.checks = os.path.abspath(program), folder, [], 0
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=str(folder)))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"

    def served(self):
        """How often a revocation list was asked for since the last time."""
        count, Files.lists = Files.lists, 0
        return count

    def run(self, *words, language="en"):
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": f"{language}.UTF-8", "TZ": "Europe/Chisinau",
                       "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")}
        return subprocess.run([self.program, *map(str, words)], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60)

    def verify(self, *words, trust=True, **options):
        return self.run("verify", "--offline", *(["--trust", "trust"] if trust else []), *words, **options)

    def report(self, *words, **options):
        done = self.verify("--json", *words, **options)
        return json.loads(done.stdout)

    def check(self, what, held, said=""):
        self.checks += 1
        if not held:
            self.failures.append(f"{what}: {said}")

    def says(self, what, text, *parts):
        at = 0
        for part in parts:
            found = re.search(part, text[at:])
            self.check(f"{what} says {part!r}", found, text)
            at += found.end() if found else 0


class Files(http.server.SimpleHTTPRequestHandler):
    lists = 0

    def do_GET(self):
        if self.path.endswith(".crl"):
            Files.lists += 1
        super().do_GET()

    def log_message(self, *_):
        pass


TIME = r"\d\d\.\d\d\.\d{4}, \d\d:\d\d:\d\d UTC\+0[23]:00"
ENGLISH_TIME = r"\d\d [A-Z][a-z][a-z] \d{4}, \d\d:\d\d:\d\d UTC\+0[23]:00"


def languages(test):
    """Each sub-indication's sentence has its translation: none of the three languages says what another does."""
    cases = {
        "lta.xml": (0, "VALID", "VALIDĂ", "ДЕЙСТВИТЕЛЬНА"),
        "revoked.xml": (2, "NOT PROVEN", "NEDOVEDITĂ", "НЕ ДОКАЗАНА"),
        "untrusted.xml": (2, "NOT PROVEN", "NEDOVEDITĂ", "НЕ ДОКАЗАНА"),
        "broken-stamp.xml": (0, "VALID", "VALIDĂ", "ДЕЙСТВИТЕЛЬНА"),
        "several.xml": (1, "NOT VALID", "NEVALIDĂ", "НЕДЕЙСТВИТЕЛЬНА"),
    }
    for file, (code, *words) in cases.items():
        said = {language: test.verify(file, language=language) for language in ("en", "ro", "ru")}
        for (language, done), word in zip(said.items(), words):
            test.check(f"{file} in {language}: exit code", done.returncode == code, done.stdout + done.stderr)
            test.says(f"{file} in {language}", done.stdout, word)
        english = {line.strip() for line in said["en"].stdout.splitlines()}
        for language in ("ro", "ru"):
            for line in said[language].stdout.splitlines():
                technical = line.strip().startswith("(")
                test.check(f"{file} in {language}: translated", technical or line.strip() not in english, line)


def texts(test):
    passed = test.verify("lta.xml").stdout
    test.says("lta.xml", passed, r"lta\.xml: VALID \(TOTAL-PASSED\)", "The signature is valid", "Signer: .*Ana Țurcanu", "Issued by: .*Test CA",
              "The hash sha256:.* is what is signed", f"Signed before {ENGLISH_TIME}", "Level: XAdES-B-LTA",
              r"Certificate Ana Țurcanu, in force from \d\d [A-Z]\w\w \d{4} to \d\d [A-Z]\w\w \d{4}:", r"not revoked, says the list of .* \(CRL, given here\)",
              "Certificate Test Root", "trusted", "Time stamp over the signature, of .* by Test TSA: holds", "its certificate: issued by .*Test Root", "Time stamp over all, .*: holds")
    test.check("nothing to do about what is good", "What to do" not in passed, passed)
    embedded = test.verify("lta.xml", "--trust", "anchor.pem", trust=False).stdout
    test.says("what it carries", embedded, "VALID", r"not revoked, says the list of .* \(CRL, from the signature\)")
    test.says("in Romanian", test.verify("lta.xml", language="ro").stdout, f"Semnat înainte de {TIME}")
    changed = test.verify("detached.xml", "--content", "changed/contract 0.pdf", "--content", "contract 1.pdf")
    test.check("a changed document: exit code", changed.returncode == 1, changed.stdout)
    test.says("a changed document", changed.stdout, r"NOT VALID \(TOTAL-FAILED, HASH_FAILURE\)", "What to do: compare",
              r"contract 0\.pdf \(given as changed/contract 0\.pdf\): CHANGED", "contract 1.pdf: unchanged")
    revoked = test.verify("revoked.xml").stdout
    test.says("revoked", revoked, r"REVOKED_NO_POE", "What to do: ", f"REVOKED since {ENGLISH_TIME}, says the list of")
    broken = test.verify("broken-stamp.xml").stdout
    test.says("a broken time stamp", broken, "Time stamp over the signature.*: DOES NOT HOLD", "its own signature is not valid", "SIG_CONSTRAINTS_FAILURE: ", "! The time stamp does not hold. Nothing proves when it was signed")
    for language, unknown in (("en", "—|unknown"), ("ro", "—|does not"), ("ru", "—|неизвестн|does not")):
        said = test.verify("broken-stamp.xml", language=language).stdout
        test.check(f"what is not known is left out, in {language}", not re.search(unknown, said), said)
    compared(test)
    wanting(test)
    counter = test.verify("countersigned.xml").stdout
    test.says("counter-signed", counter, "\ncountersigned.xml: VALID", r"\n  Counter-signature 1 of 1: VALID", "\n    Signer: ")
    whole = (test.folder / "countersigned.xml").read_text()
    values = [match.start(1) for match in re.finditer(r"<ds:SignatureValue[^>]*>(.)", whole)]
    inner = max(values)  # behind the signature's own
    (test.folder / "broken-counter.xml").write_text(whole[:inner] + ("A" if whole[inner] != "A" else "B") + whole[inner + 1:])
    broken = test.verify("broken-counter.xml")
    test.says("a broken counter-signature", broken.stdout, "\nbroken-counter.xml: VALID", r"\n  Counter-signature 1 of 1: NOT VALID")
    test.check("a broken counter-signature: exit code", broken.returncode == 1, broken.stdout)
    several = test.verify("several.xml").stdout
    test.says("several", several, "several.xml, signature 1 of 2: VALID", "several.xml, signature 2 of 2: NOT VALID")
    hostile = test.verify("lta.xml", "--content", "contract 1.pdf").stdout
    test.says("another document", hostile, "NOT VALID", "HASH_FAILURE")


def compared(test):
    """What was compared with what, and what was changed."""
    hash_line = r"The hash sha256:[0-9a-f]{64} is what is signed\. No document was compared with it"
    alone = test.verify("b.xml")
    test.says("a hash alone", alone.stdout, "^Verified at .*strict", "VALID", hash_line)
    given = test.verify("b.xml", "--content", "contract 0.pdf")
    test.check("the document of the hash: exit code", given.returncode == 0, given.stdout)
    test.says("the document of the hash", given.stdout, r"contract 0\.pdf: has the hash that is signed \(sha256:")
    test.check("it was compared", "No document" not in given.stdout, given.stdout)
    other = test.verify("b.xml", "--content", "contract 1.pdf")
    test.check("another document: exit code", other.returncode == 1, other.stdout)
    test.says("another document", other.stdout, "HASH_FAILURE", "The document that was given is not the one", r"contract 1\.pdf: has ANOTHER hash")
    test.check("nothing untrue of the file", "CHANGED" not in other.stdout and "not signed" not in other.stdout, other.stdout)
    more = test.verify("detached.xml", "--content", "contract 0.pdf", "--content", "contract 1.pdf", "--content", "policy.txt")
    test.check("too much was given: exit code", more.returncode == 2, more.stdout)
    test.says("too much was given", more.stdout, "SIGNED_DATA_NOT_FOUND", r"is not over: policy\.txt", "What to do: do not take that document", "contract 0.pdf: unchanged")
    renamed = test.verify("detached.xml", "--content", "renamed.pdf", "--content", "contract 1.pdf")
    test.says("a renamed document", renamed.stdout, "VALID", r"contract 0\.pdf \(given as renamed\.pdf\): unchanged")
    changed = test.verify("properties-changed.xml", "--content", "contract 0.pdf", "--content", "contract 1.pdf")
    test.check("changed properties: exit code", changed.returncode == 1, changed.stdout)
    test.says("changed properties", changed.stdout, "HASH_FAILURE", "What the signature says of itself", "Signed with the key of: .*Ana", r"signed properties\): CHANGED", "contract 0.pdf: unchanged")
    test.check("no content that is not signed", "content beside" not in changed.stdout, changed.stdout)
    archive = test.verify("detached-lta.xml")
    test.says("an archive time stamp without the document", archive.stdout, "Time stamp over all, for the archive, of .* by Test TSA: cannot be checked without the document", "--content gives it", "! A time stamp can only be checked with the document")
    whole = test.verify("detached-lta.xml", "--content", "contract 0.pdf")
    test.check("with the document", whole.returncode == 0 and "XAdES-B-LTA" in whole.stdout, whole.stdout)
    stated = test.verify("policy.xml", "--signature-policy", "policy.txt").stdout
    test.says("what is stated", stated, "The signer states, and nobody else confirms it:", "Commitment: I approve of the content", "Role: Director", "Place: Chișinău, MD", r"Signature policy: urn:oid:1\.2\.3\.4 \(its document was given and is the one")
    row = test.report("policy.xml")["signatures"][0]
    test.check("what is stated, for programs", row["statements"]["roles"] == ["Director"] and row["statements"]["place"]["city"] == "Chișinău"
               and row["signature_policy_document"] == "not_given", row["statements"])
    reference = test.report("detached.xml", "--content", "renamed.pdf", "--content", "contract 1.pdf")["signatures"][0]["references"][1]
    test.check("a reference for programs", (reference["name"], reference["compared_with"], reference["mime_type"]) == ("contract 0.pdf", "renamed.pdf", "application/octet-stream")
               and re.fullmatch("sha256:[0-9a-f]{64}", reference["digest"]), reference)


def wanting(test):
    """What is missing, and how it could be had."""
    nobody = test.verify("b.xml", "--trust", "anchor.pem", trust=False).stdout
    test.says("nobody can be asked", nobody, "TRY_LATER", "it names nobody to ask", "What to do: get the list")
    with_address = test.verify("asked.xml", "--trust", "anchor-and-root-list.pem", trust=False).stdout
    test.says("nobody was asked", with_address, "TRY_LATER", r"nobody was asked \(--offline\)")
    private = test.run("verify", "asked.xml", "asked.xml", "--trust", "anchor-and-root-list.pem").stdout
    address = r"http://127\.0\.0\.1:9/list\.crl"
    test.says("a private address", private, "TRY_LATER", f"! not asked: {address} leads to this machine.*--private-addresses")
    test.check("each address once", len(re.findall(address, private)) == 1, private)
    unanswered = test.run("verify", "asked.xml", "--trust", "anchor-and-root-list.pem", "--private-addresses").stdout
    test.says("nobody answers", unanswered, f"! not fetched: {address}: ")
    for words, wanted in ((["lta.xml", "--at-least", "lta"], 0), (["b.xml", "--at-least", "t"], 2), (["broken-stamp.xml", "--at-least", "t"], 2)):
        done = test.verify(*words)
        test.check(" ".join(words), done.returncode == wanted and ("Below the level" in done.stdout) == (wanted == 2), done.stdout)
    test.check("--at-least for programs", [test.report("b.xml", "--at-least", "t")[key] for key in ("at_least",)] == ["XAdES-B-T"]
               and test.report("b.xml", "--at-least", "t")["signatures"][0]["reaches_level"] is False)
    several = test.verify("policy.txt", "lta.xml")
    test.check("a file that is none, beside one: exit code", several.returncode == 5, several.stdout + several.stderr)
    test.says("the other one is judged", several.stdout, "lta.xml: VALID")
    test.says("the one that is none", several.stderr, "policy.txt is not an XML document with signatures")
    rows = json.loads(test.verify("--json", "policy.txt", "lta.xml").stdout)
    test.check("both, for programs", [row["file"] for row in rows["not_read"]] == ["policy.txt"] and len(rows["signatures"]) == 1, rows)
    wrong = test.verify("lta.xml", "--trust", "policy.txt", trust=False)
    test.check("trust in a file without certificates is refused", wrong.returncode == 6 and "no certificates in" in wrong.stderr, wrong.stderr)
    weak = test.verify("weak-key.xml", "--policy", "msign-compatible").stdout
    test.says("a weak key", weak, "CRYPTO_CONSTRAINTS_FAILURE_NO_POE", "was so already when the signer's certificate was issued", "no time stamp can help")
    test.check("which is not accepted", "It is accepted" not in weak, weak)
    refused = test.run("extend", "detached.xml", "--level", "lta", "--offline", "--trust", "trust", "--tsa", "http://127.0.0.1:9/", language="ro")
    test.says("why a file is not extended", refused.stderr, "nu a fost schimbat|nu a fost modificat", "Semnătura 1 nu ajunge la|O marcă temporală")
    none = test.run("extend", "policy.txt", "--offline", "--trust", "trust", "--tsa", "http://127.0.0.1:9/")
    test.says("what cannot be extended", none.stderr, "policy.txt is not an XML document with signatures")


MEMBERS = {"file", "id", "reaches_level", "indication", "sub_indication", "cause", "integrity", "level", "signer", "signer_certificate", "key_certificate", "signature_policy_document", "statements", "claimed_time", "proven_time",
           "not_signed_before", "signature_policy", "explanation", "advice", "detail", "references", "time_stamps", "path",
           "counter_signatures", "warnings"}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def shape(test):
    """What docs/signature-report.md says."""
    whole = test.report("lta.xml")
    test.check("members of all", set(whole) == {"policy", "at", "at_least", "signatures", "not_read", "not_signed", "not_fetched"}, sorted(whole))
    one = whole["signatures"][0]
    test.check("members of a signature", set(one) == MEMBERS, sorted(set(one) ^ MEMBERS))
    test.check("verdict", (one["indication"], one["sub_indication"], one["integrity"], one["level"]) == ("TOTAL-PASSED", "", "valid", "XAdES-B-LTA"), one)
    test.check("proven time", INSTANT.fullmatch(one["proven_time"]), one["proven_time"])
    test.check("references", [row["kind"] for row in one["references"]] == ["signed_properties", "data"], one["references"])
    path = one["path"]["certificates"]
    test.check("the path", len(path) == 3 and path[0] | {"revocation": 0} == one["signer_certificate"] | {"revocation": 0}, path)
    test.check("evidence", [row["revocation"]["source"] for row in path] == ["crl", "crl", "anchor"], path)
    test.check("its origin", {row["revocation"].get("origin") for row in path[:2]} == {"given"}, path)
    test.check("time stamps", [(row["kind"], row["valid"]) for row in one["time_stamps"]] == [("SignatureTimeStamp", True), ("ArchiveTimeStamp", True)], one["time_stamps"])
    test.check("an authority's path", one["time_stamps"][0]["path"]["status"] == "valid", one["time_stamps"])
    counter = test.report("countersigned.xml")["signatures"][0]["counter_signatures"]
    test.check("counter-signatures", len(counter) == 1 and set(counter[0]) == MEMBERS - {"file", "reaches_level"} and counter[0]["indication"] == "TOTAL-PASSED", counter)
    revoked = test.report("revoked.xml")["signatures"][0]
    test.check("a revocation", revoked["path"]["status"] == "revoked" and INSTANT.fullmatch(revoked["path"]["revoked_at"]), revoked["path"])
    broken = test.report("broken-stamp.xml")["signatures"][0]
    test.check("integrity apart from time", (broken["integrity"], broken["time_stamps"][0]["valid"]) == ("valid", False), broken)
    document = pathlib.Path(__file__).parents[2] / "docs" / "signature-report.md"
    named = set(re.findall(r"`([a-z0-9_]+)`", document.read_text(encoding="utf-8")))

    def every_name(value):
        if isinstance(value, dict):
            return set(value).union(*map(every_name, value.values()))
        return set().union(*map(every_name, value)) if isinstance(value, list) else set()
    missing = every_name(whole) | every_name(counter) | every_name(test.report("policy.xml"))
    test.check("each member is documented", missing <= named, sorted(missing - named))


def policies(test):
    def said(*words):
        one = test.report(*words)["signatures"][0]
        return one["indication"], one["sub_indication"], [row["code"] for row in one["warnings"]]
    weak = ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE", [])
    for words, wanted in (
            (["sha1.xml"], weak),
            (["sha1.xml", "--policy", "strict"], weak),
            (["sha1.xml", "--policy", "msign-compatible"], ("TOTAL-PASSED", "", ["weak_algorithm"])),
            (["version-1.xml"], ("INDETERMINATE", "CHAIN_CONSTRAINTS_FAILURE", [])),
            (["version-1.xml", "--policy", "msign-compatible"], ("TOTAL-PASSED", "", ["certificate_version_1"])),
            (["b.xml", "--policy", "msign-compatible"], ("TOTAL-PASSED", "", [])),
            (["policy.xml"], ("TOTAL-PASSED", "", ["signature_policy_unchecked"])),
            (["policy.xml", "--signature-policy", "contract 0.pdf"], ("TOTAL-PASSED", "", ["signature_policy_differs"])),
            (["policy.xml", "--signature-policy", "policy.txt"], ("TOTAL-PASSED", "", []))):
        found = said(*words)
        test.check(" ".join(words), found == wanted, found)
    test.check("an unknown policy", test.verify("b.xml", "--policy", "lax").returncode == 3)
    test.says("said to people", test.verify("sha1.xml", "--policy", "msign-compatible", language="ru").stdout, "! Использован устаревший алгоритм")


def what_is_there(test):
    """A time stamp that comes too late is not asked for, and no signature is replaced unasked."""
    def extended(file):
        before = (test.folder / file).read_bytes()
        done = test.run("extend", file, "--level", "t", "--offline", "--trust", "trust", "--tsa", "http://127.0.0.1:9/")
        test.check(f"{file} is as it was", (test.folder / file).read_bytes() == before)
        return done
    late = extended("expired.xml")
    test.check("a time stamp after the certificate's end", late.returncode == 5, late.stderr)
    test.says("why", late.stderr, "expired.xml was not changed", "Signature 1 does not reach XAdES-B-T: ", "outside its validity")
    for file in ("b.xml", "untrusted.xml"):  # whoever is trusted: the authority is asked, and does not answer here
        in_time = extended(file)
        test.check(f"{file} may have one", in_time.returncode == 6 and "127.0.0.1" in in_time.stderr, in_time.stderr)

    signature = test.folder / "policy.txt.xades.xml"
    signature.write_text("another person's")
    refused = test.run("sign", "policy.txt")
    test.check("a signature is not replaced", refused.returncode == 5 and signature.read_text() == "another person's", refused.stderr)
    test.says("a signature that is there", refused.stderr, "policy.txt.xades.xml is there already", "--out", "--overwrite")
    for words in (["--overwrite"], ["--out", "elsewhere"]):
        asked = test.run("sign", "policy.txt", *words)
        test.check(f"with {words} the agent is asked", asked.returncode == 6, asked.stderr)


def newer_revocation_data(test):
    """A signature carries what its signer chose: newer revocation data is asked for, and believed."""
    def said(file, *words):
        done = test.run("verify", "--json", "--trust", "listed", *words, file)
        one = json.loads(done.stdout)["signatures"][0]
        return one["indication"], one["sub_indication"], [warning["code"] for warning in one["warnings"]], test.served()
    older = ["revocation_data_before_signature"]
    test.served()
    test.check("B-B offline", said("carries-older-b.xml", "--offline") == ("TOTAL-PASSED", "", [], 0))
    test.check("B-T offline", said("carries-older-t.xml", "--offline") == ("TOTAL-PASSED", "", older, 0))
    # Whom it may not ask it says.
    done = test.run("verify", "--json", "--trust", "listed", "carries-older-t.xml")
    test.check("an address of this machine", "127.0.0.1" in done.stdout and '"not_fetched":[]' not in done.stdout, done.stdout)
    test.check("B-T", said("carries-older-t.xml", "--private-addresses") == ("INDETERMINATE", "REVOKED_NO_POE", [], 1))
    test.check("B-B", said("carries-older-b.xml", "--private-addresses") == ("INDETERMINATE", "REVOKED_NO_POE", [], 0))
    done = test.run("verify", "--trust", "listed", "--private-addresses", "carries-older-t.xml")
    test.says("said to people", done.stdout, "REVOKED since")


def trusted_lists(test):
    signer = ["--trusted-list-signer", "list-signer.pem"]
    trusted = ["--trust", "lists"]

    def by(*words):
        return test.verify("--json", *words, *trusted, "lta.xml", trust=False)

    def verdict(done):
        one = json.loads(done.stdout)["signatures"][0]
        return one["indication"] + "/" + one["sub_indication"]
    test.check("without the list", verdict(by()) == "INDETERMINATE/NO_CERTIFICATE_CHAIN_FOUND", by().stdout)
    listed = by("--trusted-list", "list.xml", *signer)
    test.check("with the list", listed.returncode == 0 and verdict(listed) == "TOTAL-PASSED/", listed.stdout + listed.stderr)
    test.check("its level is the same as by an anchor", json.loads(listed.stdout)["signatures"][0]["level"] == "XAdES-B-LTA", listed.stdout)
    path = json.loads(listed.stdout)["signatures"][0]["path"]["certificates"]
    test.check("the issuer is the anchor", [row["revocation"]["source"] for row in path] == ["crl", "anchor"], path)
    withdrawn = by("--trusted-list", "list-withdrawn.xml", *signer)
    test.check("a withdrawn service", verdict(withdrawn).startswith("INDETERMINATE/NO_CERTIFICATE_CHAIN_FOUND"), withdrawn.stdout)
    for file, why in (("list-by-another.xml", "signature"), ("list-changed.xml", "signature"), ("list-expired.xml", "NextUpdate"), ("lta.xml", "")):
        done = by("--trusted-list", file, *signer)
        error = json.loads(done.stdout).get("error", {})
        test.check(f"{file} is refused", done.returncode == 5 and file in error.get("detail", "") and why in error["detail"], done.stdout)
    test.check("a list without its signer", by("--trusted-list", "list.xml").returncode == 5)

    address = test.address + "/list.xml"
    asked = ["verify", "--json", *trusted, "lta.xml", "--trusted-list", address, *signer]
    refused = test.run(*asked)
    test.check("an address of this machine is not asked", refused.returncode == 6, refused.stdout)
    fetched = test.run(*asked, "--private-addresses")
    test.check("unless it may be", fetched.returncode == 0, fetched.stdout)
    test.server.shutdown()
    test.server.server_close()
    kept = test.run(*asked, "--offline")
    test.check("what was kept serves offline", kept.returncode == 0, kept.stdout)

    configured = test.folder / "signet.toml"
    configured.write_text(f'[verification]\ntrust = "{test.folder}/lists"\n[[verification.trusted_lists]]\n'
                          f'place = "{test.folder}/list.xml"\nsigners = "{test.folder}/list-signer.pem"\n')
    done = test.run("--config", configured, "verify", "--offline", "lta.xml")
    test.check("the configuration's list", done.returncode == 0, done.stdout + done.stderr)
    configured.write_text(configured.read_text().replace("list.xml", "list-expired.xml"))
    done = test.run("--config", configured, "verify", "--offline", "lta.xml")
    test.check("the configuration's expired list", done.returncode == 5, done.stdout + done.stderr)


def main():
    if len(sys.argv) != 3:
        print(__doc__)
        return 2
    with tempfile.TemporaryDirectory() as work:
        test = Test(sys.argv[1], pathlib.Path(work))
        subprocess.run([sys.argv[2]], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "SIGNET_SIGNATURES": work, "SIGNET_SERVER": test.address})
        for part in (languages, texts, shape, policies, what_is_there, newer_revocation_data, trusted_lists):
            part(test)
    for failure in test.failures:
        print("FAILED:", failure)
    print(f"{test.checks} checks, {len(test.failures)} failed")
    return 1 if test.failures or not test.checks else 0


if __name__ == "__main__":
    sys.exit(main())
