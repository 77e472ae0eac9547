#!/usr/bin/env python3
"""Has XML signatures judged by other people's tools: EU DSS, the JDK, xmlsec1.

usage: judge.py --cases CASES.json
       judge.py --signature FILE [--judge dss|jdk|xmlsec]... [--digest ALG:HEX [--name NAME]]
                [--content FILE [--name NAME]] [--trust PEM]... [--certificate PEM]... [--crl FILE]... [--time TIME]

CASES.json is a list of cases, or {"defaults": {...}, "cases": [...]}; paths are relative to its folder. A case:
  id            any text that is unique
  judges        of "dss", "jdk", "xmlsec"; all three when absent
  signature     the file to judge
  documents     [{"name": N, "digest": "SHA256:hex"} or {"name": N, "file": F}]: N is the reference's URI, decoded;
                without a name any one reference will do. Nothing for an enveloped signature.
  trust, certificates, crls   lists of files: anchors, further certificates, revocation lists (PEM or DER)
  time          "2026-11-22T12:00:00Z": judge as at that time; now when absent
  expect        {"dss": "TOTAL_PASSED", "jdk": "INVALID", ...}: "INDICATION" or "INDICATION/SUB_INDICATION", or
                "TOTAL_PASSED/BAD_TIMESTAMP" (DSS passes the signature, but not each of its time stamps);
                "level": "XAdES_BASELINE_T" what DSS must find

Indications: dss as in EN 319 102-1; jdk VALID, INVALID; xmlsec OK, FAIL, NOT_APPLICABLE (a digest alone, RSA-PSS);
any of them REFUSED (cannot be read as a signature), NO_SIGNATURE, ERROR.

One row of JSON is printed per case and judge: id, judge, accepted (true, false, or null when nothing was judged),
indication, reason and what the judge found. ERROR is the harness's own trouble, never a verdict.
Exit: 0 every expectation held and there was no unexpected ERROR; 1 otherwise; 2 usage or a missing tool.
SIGNET_JUDGES names the folder that build_judges.sh filled (dss and jdk need it).
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.parse

import xmlsec

JVM_JUDGES = ("dss", "jdk")
JUDGES = (*JVM_JUDGES, "xmlsec")
KEYS = {"id", "judges", "signature", "documents", "trust", "certificates", "crls", "time", "expect"}
PATH_LISTS = ("trust", "certificates", "crls")


def judge(cases, base="."):
    """The rows of all cases, each case's judges in the order asked for. One JVM for the whole call."""
    cases = [complete(case, pathlib.Path(base)) for case in cases]
    repeated = len(cases) - len({case["id"] for case in cases})
    if repeated:
        raise ValueError(f"{repeated} cases share an id with another")
    rows = judge_in_jvm([(case, name) for case in cases for name in case["judges"] if name in JVM_JUDGES])
    for case in cases:
        if "xmlsec" in case["judges"]:
            rows[case["id"], "xmlsec"] = xmlsec.judge(case)
    return [rows[case["id"], name] for case in cases for name in case["judges"]]


def mismatches(cases, rows):
    """One sentence for each row that is not what its case expects; an ERROR that nobody expects is one too."""
    expectations = {case["id"]: case.get("expect", {}) for case in cases}
    found = []
    for row in rows:
        expected = expectations[row["id"]]
        wanted = expected.get(row["judge"])
        if not matches(row, wanted):
            found.append(f"{row['id']}: {row['judge']} says {verdict(row)}, not {wanted or 'a verdict'}"
                         f" ({row['reason']})")
        if row["judge"] == "dss" and row.get("level") != expected.get("level", row.get("level")):
            found.append(f"{row['id']}: dss finds {row.get('level')}, not {expected['level']}")
    return found


def verdict(row):
    if row["indication"] == "TOTAL_PASSED" and not row["accepted"]:
        return "TOTAL_PASSED/BAD_TIMESTAMP"
    return "/".join(filter(None, (row["indication"], row.get("sub_indication"))))


def matches(row, wanted):
    if wanted is None:
        return row["indication"] != "ERROR"
    if wanted == "TOTAL_PASSED":
        return row["accepted"] is True
    return wanted in (row["indication"], verdict(row))


def complete(case, base):
    unknown = set(case) - KEYS
    if unknown:
        raise ValueError(f"case {case.get('id')}: unknown keys {sorted(unknown)}")
    whole = {"judges": list(JUDGES), "documents": [], "time": None, **case}
    if set(whole["judges"]) - set(JUDGES):
        raise ValueError(f"case {case['id']}: a judge is one of {', '.join(JUDGES)}")
    # Absolute, because xmlsec1 is run in a folder of its own.
    whole["signature"] = str((base / case["signature"]).resolve())
    for key in PATH_LISTS:
        whole[key] = [str((base / path).resolve()) for path in case.get(key, [])]
    whole["documents"] = [
        {**document, "file": str((base / document["file"]).resolve())} if "file" in document else document
        for document in whole["documents"]
    ]
    return whole


def judge_in_jvm(asked):
    if not asked:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        lines = pathlib.Path(folder, "cases")
        lines.write_text("".join(line_of(case, name) + "\n" for case, name in asked))
        said = run_java("org.signet.judges.Judge", lines)
    rows = {}
    for row in map(json.loads, said.stdout.splitlines()):
        rows[row["id"], row["judge"]] = row
    for case, name in asked:
        rows.setdefault((case["id"], name), {
            "id": case["id"], "judge": name, "accepted": None, "indication": "ERROR",
            "reason": f"the JVM ended with {said.returncode}: {said.stderr.strip()[-2000:]}"})
    return rows


def run_java(main, lines):
    home = os.environ.get("SIGNET_JUDGES")
    if not home or not pathlib.Path(home, "classes").is_dir():
        raise FileNotFoundError("SIGNET_JUDGES must name a folder filled by build_judges.sh")
    # A short life: the second compiler and the parallel collector would cost more than they give.
    return subprocess.run(
        ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
         "-cp", f"{home}/classes{os.pathsep}{home}/lib/*", main, str(lines)],
        capture_output=True, text=True, encoding="utf-8", check=False)


def line_of(case, name):
    fields = [("id", escape(case["id"])), ("judge", name), ("signature", escape(case["signature"]))]
    for document in case["documents"]:
        title = escape(document.get("name") or "")
        if "file" in document:
            fields.append(("content", f"{title}:{escape(document['file'])}"))
        else:
            fields.append(("digest", f"{title}:{document['digest']}"))
    for key, field in zip(PATH_LISTS, ("trust", "certificate", "crl")):
        fields += [(field, escape(path)) for path in case[key]]
    if case["time"]:
        fields.append(("time", escape(case["time"])))
    return "\t".join(f"{key}={value}" for key, value in fields)


def escape(text):
    return urllib.parse.quote(text, safe="/")


def read_cases(path):
    read = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    if isinstance(read, list):
        return read
    return [{**read.get("defaults", {}), **case} for case in read["cases"]]


def case_of_arguments(arguments):
    documents = []
    if arguments.digest:
        documents.append({"name": arguments.name, "digest": arguments.digest})
    if arguments.content:
        documents.append({"name": arguments.name, "file": arguments.content})
    return {"id": arguments.signature, "judges": arguments.judge or list(JUDGES), "signature": arguments.signature,
            "documents": documents, "trust": arguments.trust, "certificates": arguments.certificate,
            "crls": arguments.crl, "time": arguments.time}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     usage=argparse.SUPPRESS)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--cases")
    source.add_argument("--signature")
    parser.add_argument("--judge", action="append", choices=JUDGES)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--digest")
    what.add_argument("--content")
    parser.add_argument("--name")
    for option in ("--trust", "--certificate", "--crl"):
        parser.add_argument(option, action="append", default=[])
    parser.add_argument("--time")
    arguments = parser.parse_args()

    try:
        if arguments.cases:
            cases, base = read_cases(arguments.cases), pathlib.Path(arguments.cases).parent
        else:
            cases, base = [case_of_arguments(arguments)], "."
        rows = judge(cases, base)
    except (OSError, ValueError, KeyError) as trouble:
        print(f"judge.py: {type(trouble).__name__}: {trouble}", file=sys.stderr)
        sys.exit(2)
    for row in rows:
        print(json.dumps(row, ensure_ascii=False))
    wrong = mismatches(cases, rows)
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
