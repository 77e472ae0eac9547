#!/usr/bin/env python3
"""Shows that verifying touches no file but what it is given, and no network: every row of a corpus of others' signatures
(SIGNET_CORPUS), attacks among them, is verified under strace.

usage: untouched.py BIN_FOLDER

What a process opens, asks about or connects to is compared with a list: the inputs, the program with its libraries, and what the C
library reads of the system. Two controls show that the list is heeded. All rows go to the verifier in one process; those of attacks
to the command line too, offline.
Exit: 0 nothing else was touched, 1 something was, 77 no corpus, no strace, or tracing is not allowed (1 with CI=true).
"""
import csv
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import corpus  # noqa: E402
import judge  # noqa: E402

# Of the system, and read by any program that is linked so: libraries, character sets, the language, the zone (the C library looks at it
# for any time, also where nobody asks), OpenSSL's and GnuTLS's configuration.
SYSTEM = ("/lib/", "/lib64/", "/usr/lib/", "/etc/ld.so.", "/usr/share/locale/", "/etc/locale", "/proc/self/", "/sys/devices/system/cpu/",
          "/dev/urandom", "/etc/localtime", "/etc/ssl/openssl.cnf", "/etc/gnutls/config", "/proc/sys/vm/overcommit_memory", "/sys/fs/cgroup", "/sys/kernel/mm/")
NETWORK = ("socket", "connect", "bind", "sendto", "sendmsg", "recvfrom", "recvmsg")


def skipped(why):
    print(f"skipped: {why}")
    return 1 if os.environ.get("CI") == "true" else 77


class Tracer:
    def __init__(self, work):
        self.work = work
        self.empty = work / "empty"  # names that are no paths would be looked for here
        self.empty.mkdir()

    def touched(self, command, allowed):
        """The calls of a command that are on no list, and how it ended."""
        trace = self.work / "trace"
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(self.work / "home"), "XDG_CACHE_HOME": str(self.work / "home"),
                       "ASAN_OPTIONS": "detect_leaks=0"}  # the leak checker cannot run under a tracer
        said = subprocess.run(["strace", "-f", "-qq", "-s", "4096", "-o", trace, "-e", "trace=%file,%network", *map(str, command)], cwd=self.empty,
                              env=environment, capture_output=True, text=True, errors="replace", timeout=600, check=False)
        program = shutil.which(str(command[0])) or str(command[0])
        fine = {str(program), str(pathlib.Path(program).resolve()), *map(str, allowed)}
        found = []
        for line in trace.read_text(errors="replace").splitlines():
            call = re.match(r"\d+\s+(?:<\.\.\. )?(\w+)\(?", line)
            if not call or "resumed>" in line:
                continue
            paths = [bytes(path, "latin-1", "replace").decode("unicode_escape").encode("latin-1", "replace").decode("utf-8", "replace")
                     for path in re.findall(r'"((?:[^"\\]|\\.)*)"', line)][: 1 if call[1] == "execve" else None]
            if call[1] in NETWORK or any(not self.is_fine(path, fine) for path in paths):
                found.append(line.split(" ", 1)[1].strip()[:300])
        return found, said

    def is_fine(self, path, fine):
        return path in fine or path.startswith(SYSTEM) or path in ("", "/", "/proc", "/sys") or any(path == str(parent) for one in fine for parent in pathlib.Path(one).parents)


def main():
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    binaries = pathlib.Path(sys.argv[1]).resolve()
    folder = pathlib.Path(os.environ.get("SIGNET_CORPUS", ""))
    if not (folder / "manifest.tsv").is_file():
        return skipped(f"SIGNET_CORPUS ({folder}) is no corpus")
    if shutil.which("strace") is None:
        return skipped("strace is not installed")
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        tracer = Tracer(work)
        if subprocess.run(["strace", "-o", work / "trace", "true"], capture_output=True, check=False).returncode != 0:
            return skipped("tracing is not allowed here")
        return compare(tracer, binaries, folder.resolve())


def controls(tracer):
    """What the list must not let pass."""
    python = ["/usr/bin/python3", "-I", "-S", "-c"]
    library = [path for path in sys.path if path]
    for what, code, wanted in (("a file", "open('/etc/hostname')", "/etc/hostname"), ("a name", "import os; os.path.exists('contract.pdf')", "contract.pdf"),
                               ("the network", "import _socket; _socket.socket().connect_ex(('127.0.0.1', 9))", "connect(")):
        found, _ = tracer.touched([*python, code], library)
        if not any(wanted in line for line in found):
            return [f"the control was not noticed: {what}: {found}"]
    return []


def cases_of(rows, folder, work):
    """Lines for the verifier, and all that they name."""
    lines, inputs = [], []
    for number, row in enumerate(rows):
        given = work / f"given-{number}"
        given.mkdir()
        options = corpus.Corpus(None, folder, given).given(row)
        documents = []
        for option, value in zip(options[::2], options[1::2]):
            if option == "--digest":
                documents.append({"name": None, "digest": value})
            else:
                documents.append({"name": pathlib.Path(value).name, "file": value})
                inputs.append(value)
        case = judge.complete({"id": row["id"], "signature": str(folder / row["file"]), "judges": ["dss"], "documents": documents}, folder)
        inputs.append(case["signature"])
        lines.append(judge.line_of(case, "signet") + "\n")
    return lines, inputs


def compare(tracer, binaries, folder):
    with open(folder / "manifest.tsv", newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))
    problems = controls(tracer)
    lines, inputs = cases_of(rows, folder, tracer.work)
    cases = tracer.work / "cases"
    cases.write_text("".join(lines))
    found, said = tracer.touched([binaries / "conformance_verdicts", cases], [*inputs, cases])
    problems += [f"the verifier touched {line}" for line in dict.fromkeys(found)]
    verdicts = len(said.stdout.splitlines())
    if said.returncode != 0 or verdicts != len(rows):
        problems.append(f"{verdicts} verdicts of {len(rows)}, exit {said.returncode}: {said.stderr[-1000:]}")
    attacks = [row for row in rows if row["kind"] == "xml-attack"]
    # What it keeps is in a folder of its own; which policies there are the configuration says.
    own = [tracer.work / "home", binaries / "signet", binaries.parent / "locale", "/etc/signet/signet.toml"]
    for row in attacks:
        found, said = tracer.touched([binaries / "signet", "--json", "verify", "--offline", folder / row["file"]], [folder / row["file"], *own])
        found = [line for line in found if str(tracer.work / "home") not in line]
        problems += [f"signet touched {line}, of {row['id']}" for line in dict.fromkeys(found)]
        if said.returncode < 0 or said.returncode > 64:
            problems.append(f"{row['id']}: exit {said.returncode}: {said.stderr[-1000:]}")
    for problem in problems:
        print("NOT AS EXPECTED:", problem)
    print(f"{len(rows)} rows, {len(attacks)} of them by the command line too: {len(problems)} problems")
    return 1 if problems or not attacks else 0


if __name__ == "__main__":
    sys.exit(main())
