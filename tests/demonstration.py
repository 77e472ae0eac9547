#!/usr/bin/python3
"""Runs the demonstration with a PIN of its own and looks at all that it leaves, and installs what it built.

usage: tests/demonstration.py

While it runs the PIN must stand in no process's environment or arguments, and in no file but one of mode 0600. Then: ten
signatures over their files, the CA and its revocation list, and xmlsec1 accepts each. The portal's demonstration starts and ends.
"""
import contextlib
import os
import pathlib
import re
import secrets
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import urllib.request
import xml.etree.ElementTree as tree

ROOT = pathlib.Path(__file__).resolve().parent.parent
DS = "{http://www.w3.org/2000/09/xmldsig#}"
SIGNED_PROPERTIES = "http://uri.etsi.org/01903#SignedProperties"
POLL_S = 0.005


def places_of(pin):
    """Where in the environments and arguments of all processes the PIN stands."""
    found = set()
    for process in filter(str.isdigit, os.listdir("/proc")):
        for name in ("environ", "cmdline"):
            with contextlib.suppress(OSError):  # ended, or its memory is gone
                if pin in pathlib.Path("/proc", process, name).read_bytes():
                    found.add((int(process), name))
    return found


def files_with(pin, *folders):
    found = set()
    for folder in folders:
        for at, _, names in os.walk(folder):
            for file in (pathlib.Path(at, name) for name in names):
                with contextlib.suppress(OSError):  # gone meanwhile
                    if file.is_file() and pin in file.read_bytes():
                        found.add((file, stat.S_IMODE(file.stat().st_mode)))
    return found


class Watch(threading.Thread):
    """Looks again and again while the demonstration runs."""

    def __init__(self, pin, *folders):
        super().__init__(daemon=True)
        self._pin, self._folders = pin, folders
        self.end = threading.Event()
        self.looks, self.places, self.files = 0, set(), set()

    def run(self):
        while not self.end.wait(POLL_S):
            self.places |= places_of(self._pin)
            if self.looks % 20 == 0:
                self.files |= files_with(self._pin, *self._folders)
            self.looks += 1


def fail(what):
    sys.exit(f"demonstration: {what}")


def check(holds, what):
    if not holds:
        fail(what)


def run(out, home, pin):
    """What the demonstration printed. It is given the PIN by the environment, which it leaves before it says anything."""
    environment = {**os.environ, "XDG_STATE_HOME": str(home), "SIGNET_DEMO_PIN": pin}
    demo = subprocess.Popen(
        [ROOT / "scripts" / "demo", "--once", "--out", out],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    environment.clear()
    said = []
    watch = Watch(pin.encode(), home, out)
    for line in demo.stdout:
        if not said:  # so it has started anew, without the PIN
            watch.start()
        said.append(line)
        sys.stdout.buffer.write(line)
        sys.stdout.flush()
    demo.stdout.close()
    code = demo.wait()
    check(said, "it says nothing")
    watch.end.set()
    watch.join()
    check(code == 0, f"exit code {code}")
    check(watch.looks > 100, f"looked only {watch.looks} times")
    check(not watch.places, f"the PIN in {sorted(watch.places)}")
    pin_file = home / "signet-demo" / "pin"
    check(watch.files == {(pin_file, 0o600)}, f"files with the PIN: {watch.files}")
    left = files_with(pin.encode(), home, out)
    check(not left, f"files with the PIN after the end: {left}")
    return b"".join(said)


def check_watch(pin):
    """What the watch would find, it finds."""
    for place, command, more in (("environ", ["sleep", "60"], {"PIN": pin}), ("cmdline", ["sleep", "60", pin], {})):
        other = subprocess.Popen(command, env={"PATH": os.environ["PATH"], **more}, stdin=subprocess.PIPE)
        try:
            check((other.pid, place) in places_of(pin.encode()), f"the watch does not see what is in {place}")
        finally:
            other.kill()
            other.wait()


def content_references(signature):
    return [one for one in signature.iterfind(f"./{DS}SignedInfo/{DS}Reference") if one.get("Type") != SIGNED_PROPERTIES]


def accepted(document, signature, ca, content_is_inside):
    # From an empty folder, so that the document is found by the name in the signature and not by chance.
    words = [] if content_is_inside else [f"--url-map:{document.name}", document]
    with tempfile.TemporaryDirectory() as empty:
        command = ["xmlsec1", "--verify", "--id-attr:Id", "SignedProperties", "--trusted-pem", ca, *words, signature]
        return subprocess.run(command, cwd=empty, capture_output=True, text=True, check=False).returncode == 0


def check_signatures(out):
    kinds = {"detached": [f"invoice-{number}.txt" for number in range(1, 6)], "enveloping": [f"contract-{number}.txt" for number in range(1, 6)]}
    expected = {name + end for names in kinds.values() for name in names for end in ("", ".xades.xml")}
    expected |= {"demo-ca.pem", "demo-ca.crl.pem"}
    there = {file.name for file in out.iterdir()}
    check(there == expected, f"files: {sorted(there ^ expected)} too many or missing")
    for kind, names in kinds.items():
        for name in names:
            document, file = out / name, out / f"{name}.xades.xml"
            root = tree.parse(file).getroot()
            check(root.tag == f"{DS}Signature", f"{file.name}: {root.tag}")
            references = content_references(root)
            check(len(references) == 1, f"{file.name}: {len(references)} references to content")
            objects = [one.get("Id") for one in root.iterfind(f"./{DS}Object")]
            uri = references[0].get("URI")
            if kind == "detached":
                check(uri == name, f"{file.name}: its reference is {uri}")
            else:
                check(uri.startswith("#") and uri[1:] in objects, f"{file.name}: its reference is {uri}")
            check(accepted(document, file, out / "demo-ca.pem", kind == "enveloping"), f"xmlsec1 does not accept {file.name}")
            if kind == "detached":
                changed = out / "changed" / name
                changed.parent.mkdir(exist_ok=True)
                changed.write_bytes(document.read_bytes() + b"!")
                check(not accepted(changed, file, out / "demo-ca.pem", False), f"xmlsec1 accepts a changed {name}")
    for name, word in (("demo-ca.pem", "CERTIFICATE"), ("demo-ca.crl.pem", "X509 CRL")):
        check(f"-----BEGIN {word}-----" in (out / name).read_text(), f"{name} holds no {word}")


def check_installs(prefix):
    """What the README says to do next: what the demonstration built is enough to be installed."""
    subprocess.run(["cmake", "--install", ROOT / "build" / "release", "--prefix", prefix], check=True, stdout=subprocess.DEVNULL)
    said = subprocess.run([prefix / "bin" / "signet", "--version"], check=True, capture_output=True, text=True).stdout
    check(said.strip() != "", "the installed `signet --version` says nothing")


def check_portal(home, pin):
    """`--portal`: its e-service posts to its portal; SIGTERM ends all, and leaves nothing but what browsers trust."""
    environment = {**os.environ, "XDG_STATE_HOME": str(home), "SIGNET_DEMO_PIN": pin}
    for display in ("DISPLAY", "WAYLAND_DISPLAY"):
        environment.pop(display, None)
    demo = subprocess.Popen([ROOT / "scripts" / "demo", "--portal"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    environment.clear()
    said = []
    for line in demo.stdout:
        said.append(line)
        if "Ctrl-C" in line:
            break
    found = re.search(r"sample e-service +(http://\S+)", "".join(said))
    check(found, f"--portal says {''.join(said)}")
    check(not places_of(pin.encode()), f"the PIN in {sorted(places_of(pin.encode()))}")
    form = urllib.parse.urlencode({"documents": "One\nTwo", "title": "Two of them", "lang": "ro"}).encode()
    with urllib.request.urlopen(found[1] + "sign", form, timeout=60) as answer:
        check(b"2 documents are ready" in answer.read(), "the e-service does not come to the Sign Page")
    demo.terminate()
    check(demo.wait(60) == 128 + signal.SIGTERM, f"exit code {demo.returncode}")
    demo.stdout.close()
    left = {file.name for file in (home / "signet-demo").iterdir()}
    check(left == {"tls"}, f"--portal leaves {sorted(left)}")


def main():
    if len(sys.argv) != 1:
        sys.exit(__doc__)
    pin = "".join(secrets.choice("0123456789") for _ in range(12))
    check_watch(pin)
    with tempfile.TemporaryDirectory(prefix="demonstration-") as work:
        home, out = pathlib.Path(work, "state"), pathlib.Path(work, "out")
        home.mkdir(mode=0o700)
        said = run(out, home, pin)
        check(pin.encode() not in said, "the PIN is printed")
        check_signatures(out)
        check_installs(pathlib.Path(work, "installed"))
        check_portal(home, pin)
    print("\ndemonstration: ten signatures are as they should be, and the PIN was seen nowhere else")


if __name__ == "__main__":
    main()
