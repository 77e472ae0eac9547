#!/usr/bin/python3
"""The verification page in Chromium: a portal, files as people have them, and verify_page.test.mjs beside them.

usage: verify_page.py FOLDER-OF-SIGNET-PORTAL

The test finds in its environment SIGNET_VERIFY_PAGE (its address) and SIGNET_VERIFY_FILES (a folder). With SIGNET_SCREENSHOTS, a folder,
it writes pictures there. Exit code: the test's; 77 (1 where CI=true) when this machine cannot run it.
"""
import base64
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE.parent))
from middleware_signature import Middleware  # noqa: E402
from portal_bench import Portal, SignPage, cannot_run  # noqa: E402
from wire_case import IDNP, content, envelope, get_body, post_body  # noqa: E402

CHROMIUM = os.environ.get("SIGNET_TEST_CHROMIUM", "/usr/bin/chromium")
HOSTILE = "<img src=x onerror=alert(1)>'; DROP TABLE requests; --"


def signed_by_sandbox(portal, shop, document):
    """The signature over a document's hash."""
    def call(body):
        status, text = portal.soap(envelope(body), portal.client_context(*shop))
        if status != 200:
            raise AssertionError(text)
        return text

    request_id = re.search("Result>(.*?)<", call(post_body(content(hashlib.sha256(document).digest())))).group(1)
    page = SignPage(portal, request_id)
    page.call("claim", instrument="sandbox")
    page.call("sandbox", action="sign", idnp=IDNP)
    return base64.b64decode(re.search("<Signature>(.*?)</Signature>", call(get_body(request_id))).group(1))


def make_files(folder, portal, shop, people, hostile):
    """What a person might choose."""
    document = b"THE CONTRACT " * 400_000  # 5 MB: would be seen on its way
    detached = signed_by_sandbox(portal, shop, document)
    value = re.search(b"<ds:SignatureValue[^>]*>([^<]{20})", detached).group(1)
    files = {
        "contract.pdf": document, "other.pdf": b"another", "detached.xml": detached, "damaged.xml": detached.replace(value, value[::-1]),
        "enveloping.xml": people.enveloping(hashlib.sha1(document).digest()),
        "enveloping-sha512.xml": people.enveloping(hashlib.sha512(document).digest()),  # its reference is made by SHA-1
        "hostile.xml": hostile.enveloping(hashlib.sha1(document).digest()), "no-xml.xml": b"%PDF-1.7", "no-signature.xml": b"<a/>",
        "large.xml": detached.replace(b"</ds:Signature>", b" " * 3_000_001 + b"</ds:Signature>"), "contract.sha256": hashlib.sha256(document).hexdigest().encode(),
    }
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if shutil.which("node") is None or not os.access(CHROMIUM, os.X_OK):
        cannot_run(f"missing: node or {CHROMIUM}")
    if not (ROOT / "tests/browser/node_modules").is_dir():
        cannot_run("npm packages of tests/browser are not installed: scripts/setup")
    with tempfile.TemporaryDirectory(prefix="verify-") as work:
        folder = pathlib.Path(work)
        people, hostile = Middleware(folder / "people", IDNP), Middleware(folder / "hostile", IDNP, name=HOSTILE, authority="TEST CA of others")
        trust = folder / "trust"
        trust.mkdir()
        for middleware in (people, hostile):
            for file in middleware.trust.iterdir():
                shutil.copy(file, trust / f"{middleware.folder.name}-{file.name}")
        portal = Portal(sys.argv[1], folder / "portal", more=f'[signers]\ntrust = "{trust}"\n')
        shop = portal.add_consumer("shop")
        portal.start()
        try:
            make_files(folder / "files", portal, shop, people, hostile)
            environment = {**os.environ, "SIGNET_VERIFY_PAGE": f"{portal.pages}/verify", "SIGNET_VERIFY_FILES": str(folder / "files")}
            return subprocess.run(["node", "--test", HERE / "verify_page.test.mjs"], env=environment, check=False).returncode
        finally:
            portal.stop()


if __name__ == "__main__":
    sys.exit(main())
