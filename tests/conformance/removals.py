#!/usr/bin/env python3
"""Takes each check of the verifier out of its source, one at a time, and shows that a test fails then.

usage: removals.py WORK_FOLDER [NAME…]

The sources are copied into WORK_FOLDER and built there once; for each row of removals.toml one text is replaced, what changed is built
again, and the tests of pki/, xades/, trust/ and net/ are run until one fails. NAME: only rows whose name contains it. PKITS
(SIGNET_PKITS) is among the tests where it is there.
Exit: 0 each removal is noticed; 1 one is not, or a row's text does not stand in its file once, or what is left does not compile.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
TESTS = ("unit_xades_verify", "unit_pki", "unit_trust", "unit_net", "unit_xades_build")
PKITS = "conformance_pkits"
BUILD = "source/build/dev"
TIME_LIMIT_S = 300


def copied(work):
    """The sources as they are here, committed or not; nothing that was built."""
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=SOURCE, capture_output=True, check=True).stdout
    tree = work / "source"
    wanted = {name for name in listed.decode().split("\0") if name and (SOURCE / name).is_file()}
    for file in [file for file in tree.rglob("*") if file.is_file()] if tree.exists() else []:
        name = str(file.relative_to(tree))
        if name not in wanted and not name.startswith("build/"):
            file.unlink()
    for name in wanted:
        here, there = SOURCE / name, tree / name
        there.parent.mkdir(parents=True, exist_ok=True)
        # What did not change keeps its time, so that it is not built again.
        if not there.exists() or there.read_bytes() != here.read_bytes():
            shutil.copy(here, there)
    return tree


def built(work, targets):
    """What the compiler says, where it does not take it."""
    said = subprocess.run(["ninja", "-C", work / BUILD, *targets], capture_output=True, text=True, errors="replace", check=False)
    return "" if said.returncode == 0 else said.stdout[-3000:]


def failing(work, tests):
    """Which test fails, and of it the first case; or nothing."""
    for test in tests:
        try:
            said = subprocess.run([work / BUILD / "bin" / test, "--abort"], capture_output=True, text=True, errors="replace", timeout=TIME_LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            return f"{test}: does not end"
        if said.returncode != 0:
            titles = re.findall(r"^-{79}\n(.+?)\n(?:.*\n)*?-{79}$", said.stdout, re.M)
            return f"{test}: {titles[-1] if titles else f'exit {said.returncode}'}"
    return ""


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 2
    work = pathlib.Path(sys.argv[1]).resolve()
    work.mkdir(parents=True, exist_ok=True)
    rows = tomllib.loads((HERE / "removals.toml").read_text())["removal"]
    rows = [row for row in rows if not sys.argv[2:] or any(name in row["name"] for name in sys.argv[2:])]
    wrong = [f"{row['name']}: its text stands in {row['file']} {(SOURCE / row['file']).read_text().count(row['text'])} times" for row in rows
             if (SOURCE / row["file"]).read_text().count(row["text"]) != 1]
    if len({row["name"] for row in rows}) != len(rows):
        wrong.append("two rows have one name")
    for sentence in wrong:
        print("NOT AS EXPECTED:", sentence)
    if wrong or not rows:
        return 1

    tree = copied(work)
    tests = [*TESTS, *([PKITS] if os.environ.get("SIGNET_PKITS") else [])]
    subprocess.run(["cmake", "--preset", "dev", "-DSIGNET_BENCH=OFF"], cwd=tree, stdout=subprocess.DEVNULL, check=True)
    said = built(work, tests) or failing(work, tests)
    if said:
        print(f"NOT AS EXPECTED: the sources as they are: {said}")
        return 1
    missed = []
    for number, row in enumerate(rows, 1):
        file = tree / row["file"]
        whole = file.read_text()
        file.write_text(whole.replace(row["text"], row["with"]))
        try:
            said = built(work, tests)
            outcome = f"does not compile: {said}" if said else failing(work, tests)
        finally:
            file.write_text(whole)
        print(f"{number}/{len(rows)} {row['name']}: {outcome or 'NOTHING FAILS'}", flush=True)
        if said or not outcome:
            missed.append(row["name"])
    for name in missed:
        print("NOT AS EXPECTED: no test fails without", name)
    print(f"{len(rows)} checks taken out, {len(missed)} not noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
