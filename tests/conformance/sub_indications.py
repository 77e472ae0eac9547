#!/usr/bin/env python3
"""Has EU DSS judge what provokes each sub-indication of our verifier (tests/unit/xades_verify/sub_indications_test.cpp).

usage: sub_indications.py UNIT_XADES_VERIFY

The unit test writes its cases and what our verifier says of each. DSS, with its default policy, says the same, or what the row of
that test says that it says instead.
Exit: 0 all as expected, 1 not, 77 a tool is missing (1 with CI=true).
"""
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import judge  # noqa: E402


def case_of(folder):
    documents = []
    for place in sorted((folder / "content").iterdir()):
        file = next(place.iterdir())
        documents.append({"name": "", "digest": "SHA256:" + file.read_text()} if file.name == "digest"
                         else {"name": file.name, "file": str(file)})
    case = {"id": folder.name, "judges": ["dss"], "signature": str(folder / "signature.xml"), "documents": documents,
            "time": (folder / "time").read_text()}
    for key, name in (("trust", "trust.pem"), ("certificates", "certificates.pem"), ("crls", "crls.pem")):
        case[key] = [str(folder / name)] if (folder / name).stat().st_size else []
    return case


def main():
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    judges = os.environ.get("SIGNET_JUDGES")
    if judges:
        subprocess.run([HERE / "build_judges.sh", judges], check=False)
    if not judges or not (pathlib.Path(judges) / "classes").is_dir():
        print("skipped: the judges are missing (build_judges.sh)")
        return 1 if os.environ.get("CI") == "true" else 77
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([sys.argv[1], "every sub-indication is provoked*"], check=True, env={**os.environ, "SIGNET_PROVOKED": work},
                       stdout=subprocess.DEVNULL)
        folders = sorted(pathlib.Path(work).iterdir(), key=lambda folder: int(folder.name))
        said = {folder: (folder / "dss").read_text() for folder in folders}
        asked = [folder for folder in folders if said[folder] != "-"]
        rows = {row["id"]: row for row in judge.judge([case_of(folder) for folder in asked])}
        wrong = 0
        for folder in folders:
            ours, how, why = ((folder / name).read_text() for name in ("expected", "how", "why"))
            if folder not in asked:
                print(f"{ours} ({how}): DSS is not asked, {why}")
                continue
            row = rows[folder.name]
            theirs = row.get("sub_indication") or row["indication"]
            if theirs != (said[folder] or ours):
                wrong += 1
                print(f"WRONG: {ours} ({how}): DSS says {theirs}, not {said[folder] or 'the same'}: {row['reason']}")
            else:
                print(f"{ours} ({how}): " + (f"DSS says {theirs}, {why}" if said[folder] else "DSS says the same"))
    print(f"{len(folders)} cases, {len(asked)} judged by DSS, {sum(1 for one in asked if not said[one])} to be the same, {wrong} wrong")
    return 1 if wrong or not asked else 0


if __name__ == "__main__":
    sys.exit(main())
