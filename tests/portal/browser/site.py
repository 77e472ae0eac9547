#!/usr/bin/python3
"""Starts what the portal's demonstration starts (demo/portal_site.py), in a network namespace, with a person at the dialogs who does
as a file says, and runs COMMAND beside it.

usage: site.py [--public ADDRESS] [--expire-after-s N] BIN COMMAND [ARGUMENT…]

  --public ADDRESS    the namespace has this address too, and the pages are https:// there
  --expire-after-s N  how long a request waits to be signed

COMMAND finds in its environment SIGNET_SITE_ESERVICE, SIGNET_SITE_PORTAL (addresses), SIGNET_SITE_CA (of their certificates) and
SIGNET_SITE_PERSON, a folder: what the file `answer` there says (sign, cancel) is what the person does at a dialog, `dialogs` has a
line for each.

Exit code: COMMAND's; 77 (1 where CI=true) when this machine cannot run it.
"""
import argparse
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(HERE.parent), str(ROOT / "demo")]
from portal_bench import cannot_run  # noqa: E402
from portal_site import Site, softhsm  # noqa: E402

PIN = "482913"


def look_at_machine():
    for tool in ("unshare", "ip", "node", "openssl", "setpriv", "certutil"):
        if shutil.which(tool) is None:
            cannot_run(f"missing: {tool}")
    if importlib.util.find_spec("zeep") is None:
        cannot_run("missing: python3-zeep")
    if softhsm() is None:
        cannot_run("missing: libsofthsm2.so")


def in_namespace():
    """The programs have their usual ports there, whatever else runs on this machine."""
    words = ["unshare", "--net"] + ([] if os.getuid() == 0 else ["--user", "--map-root-user"])
    if subprocess.run([*words, "true"], check=False, stderr=subprocess.DEVNULL).returncode != 0:
        cannot_run("network namespaces (unshare --net) are not permitted")
    os.execvp(words[0], [*words, sys.executable, __file__, "--in-namespace", *sys.argv[1:]])


def person_in(folder):
    """The pinentry program of a person who is told what to do in that folder."""
    folder.mkdir()
    for name, text in (("pin", PIN + "\n"), ("answer", "sign"), ("dialogs", "")):
        (folder / name).write_text(text)
    pinentry = folder / "pinentry"
    pinentry.write_text(f'#!/bin/sh\nexec "{ROOT}/tests/browser/pinentry" "{folder}"\n')
    pinentry.chmod(0o700)
    return pinentry


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ", 1)[1])
    parser.add_argument("--in-namespace", action="store_true")
    parser.add_argument("--public")
    parser.add_argument("--expire-after-s", type=int, default=3600)
    parser.add_argument("bin")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if not options.in_namespace:
        look_at_machine()
        in_namespace()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    if options.public:
        subprocess.run(["ip", "address", "add", f"{options.public}/32", "dev", "lo"], check=True)
    with tempfile.TemporaryDirectory(prefix="site-") as work:
        person = pathlib.Path(work) / "person"
        pinentry = person_in(person)
        with Site(options.bin, pathlib.Path(work) / "site", person / "pin", pinentry, options.public, options.public, expire_after_s=options.expire_after_s) as site:
            found = {"ESERVICE": site.shop, "PORTAL": site.pages, "CA": site.tls.ca, "PERSON": person}
            environment = {**os.environ, **{f"SIGNET_SITE_{name}": str(value) for name, value in found.items()}}
            status = subprocess.run(options.command, env=environment, check=False).returncode
            if status != 0:
                print(site.log_of("signet-portal").read_text(errors="replace")[-4000:], file=sys.stderr)
            return status


if __name__ == "__main__":
    sys.exit(main())
