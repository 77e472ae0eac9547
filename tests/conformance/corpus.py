#!/usr/bin/env python3
"""Has `signet verify` judge the signatures of a corpus that others made and labelled (SIGNET_CORPUS), and compares.

usage: corpus.py SIGNET_PROGRAM

A label speaks of references, SignatureValue and signing certificate alone, so what is compared is `integrity`. Every row is
given to the program; those whose kind this version does not read are counted with the reason. Nothing that is labelled wrong may be
called valid, whatever its kind. Exit code 77 without a corpus; with CI=true that is a failure.
"""
import base64
import collections
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile

NOT_READ = {
    "pades": "PDF signatures are not read yet",
    "asic": "containers are not read yet",
    "c14n": "no signature in the row, and the octets that are expected are not in the corpus",
}
NO_LABEL = {
    "mixed": "several verdicts in one document (counter-signatures, a part signed)",
    "disputed": "the tools disagree",
}

# What the program may say for each label. A document that must be refused before any cryptography may also be refused later, but
# never be valid; one without its data or certificate is of unknown integrity.
ACCEPTED = {"valid": {"valid"}, "invalid": {"invalid", "reject"}, "indeterminate": {"unknown"}, "reject": {"reject", "invalid", "unknown"}}


class Corpus:
    def __init__(self, program, folder, work):
        self.program, self.folder, self.work = program, folder, work

    def given(self, row):
        """The options for the detached data of a row."""
        options = []
        for number, one in enumerate(filter(None, row["detached"].split(";"))):
            if one.startswith("digest:"):
                algorithm, value = one[len("digest:"):].split("@")[0].split(":")
                options += ["--digest", f"{algorithm}:{base64.b64decode(value).hex()}"]
                continue
            if one.startswith("hex:"):
                name, content = "data", bytes.fromhex(one[len("hex:"):])
            else:
                path, _, name = one.partition("@")
                content = (self.folder / path).read_bytes()
                name = name or pathlib.Path(path).name
            file = self.work / str(number) / name
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
            options += ["--content", str(file)]
        return options

    def judge(self, row):
        """(integrity of all signatures or "reject", whether all are TOTAL-PASSED, detail)"""
        run = subprocess.run([self.program, "--json", "verify", str(self.folder / row["file"]), *self.given(row)],
                             capture_output=True, text=True, timeout=120)
        if run.returncode < 0 or "Sanitizer" in run.stderr:
            return "crash", False, run.stderr[-2000:]
        if run.returncode > 2:
            return "reject", False, (run.stdout + run.stderr).strip()[:1000]
        reports = json.loads(run.stdout)["signatures"]
        found = {report["integrity"] for report in reports}
        integrity = "invalid" if "invalid" in found else "unknown" if "unknown" in found else "valid"
        details = "; ".join(f'{report["indication"]}/{report["sub_indication"]} {report["detail"]}' for report in reports)
        if row["nsig"] and int(row["nsig"]) != len(reports):
            return "count", False, f"{len(reports)} signatures, not {row['nsig']}"
        return integrity, run.returncode == 0, details[:300]


def compare(row, integrity, passed, detail, valid_files):
    """("same" | "differs", "") or ("out of scope", why)"""
    kind, core = row["kind"], row["core"]
    if integrity in ("crash", "count"):
        return "differs", ""
    wrong = core in ("invalid", "reject")
    if kind == "xmldsig":
        # Only what both sides can say: keys that are not in the document, and what XAdES does not use, are not read here.
        if passed or wrong and integrity == "valid" and row["file"] not in valid_files:
            return "differs", ""
        if wrong and integrity == "valid":
            return "out of scope", "the same file has both labels: it depends on the keys that xmlsec1 was told to trust"
        if integrity == "unknown":
            return "out of scope", "plain XML signature: the key or the data are not in the row, or its algorithm is not read here"
        return ("same" if integrity == core else "differs"), ""
    if passed and (wrong or core in NO_LABEL) or wrong and integrity == "valid":
        return "differs", ""
    if kind in NOT_READ:
        return "out of scope", NOT_READ[kind]
    if core in NO_LABEL:
        return "out of scope", NO_LABEL[core]
    if "digest_length" in detail:
        return "out of scope", "the digest to be given has not the length of its algorithm: the program refuses it"
    if "references taken as they are" in row["note"] and integrity == "unknown":
        return "out of scope", "the label takes references as they are, without data or digest; here that is of unknown integrity"
    if kind == "xml-attack" and core == "valid":  # harmless XML: read, and found to hold no signature
        return ("same" if "the document has no signature" in detail else "differs"), ""
    return ("same" if integrity in ACCEPTED[core] else "differs"), ""


def main():
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    folder = os.environ.get("SIGNET_CORPUS", "")
    if not folder or not (pathlib.Path(folder) / "manifest.tsv").is_file():
        print(f"skipped: SIGNET_CORPUS ({folder or 'not set'}) is no corpus")
        return 1 if os.environ.get("CI") == "true" else 77
    folder = pathlib.Path(folder)
    with open(folder / "manifest.tsv", newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))

    valid_files = {row["file"] for row in rows if row["core"] == "valid"}
    counts, skipped, failures = collections.Counter(), collections.Counter(), []
    for row in rows:
        with tempfile.TemporaryDirectory() as work:
            integrity, passed, detail = Corpus(sys.argv[1], folder, pathlib.Path(work)).judge(row)
        if os.environ.get("SIGNET_CORPUS_VERBOSE"):
            print(f"{row['id']}: {row['kind']} {row['core']}: {integrity}{' passed' if passed else ''} {detail}")
        result, why = compare(row, integrity, passed, detail, valid_files)
        if result == "same":
            counts[row["kind"], row["core"], integrity] += 1
        elif result == "out of scope":
            skipped[row["kind"], row["core"], why] += 1
        else:
            failures.append((row, integrity, detail))

    print(f"{len(rows)} rows of {folder}")
    for (kind, core, integrity), count in sorted(counts.items()):
        print(f"  {kind:12} labelled {core:14} judged {integrity:8}{count:4}")
    for (kind, core, reason), count in sorted(skipped.items()):
        print(f"  {kind:12} labelled {core:14} not compared   {count:4}: {reason}")
    for row, integrity, detail in failures:
        print(f"  DIFFERS: {row['id']} ({row['kind']}, {row['file']}) labelled {row['core']}, judged {integrity}: {detail}; note: {row['note']}")
    print(f"{sum(counts.values())} as labelled, {len(failures)} not, {sum(skipped.values())} not compared")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
