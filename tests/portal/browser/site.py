#!/usr/bin/python3
"""Everything that a person's signing touches, as processes of their own, in a network namespace: a portal, an agent with a token, a
time stamp authority, the sample e-service. Then runs COMMAND beside them.

usage: site.py BIN COMMAND [ARGUMENT…]

COMMAND finds in its environment SIGNET_SITE_ESERVICE, SIGNET_SITE_PORTAL (addresses) and SIGNET_SITE_PERSON, a folder: what the file
`answer` there says (sign, cancel) is what the person does at a dialog, `dialogs` has a line for each.

Exit code: COMMAND's; 77 (1 where CI=true) when this machine cannot run it.
"""
import importlib.util
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE.parent))
from portal_bench import Portal, cannot_run, until  # noqa: E402

ESERVICE_PORT = 8090
PIN = "482913"


def find_stack():
    for tool in ("unshare", "ip", "node", "openssl"):
        if shutil.which(tool) is None:
            cannot_run(f"missing: {tool}")
    if importlib.util.find_spec("zeep") is None:
        cannot_run("missing: python3-zeep")
    for module in ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/usr/lib/pkcs11/libsofthsm2.so"):
        if os.path.exists(module):
            return module
    cannot_run("missing: libsofthsm2.so")


def in_namespace():
    """The agent has its real ports there, whatever else runs on this machine."""
    words = ["unshare", "--net"] + ([] if os.getuid() == 0 else ["--user", "--map-root-user"])
    if subprocess.run([*words, "true"], check=False, stderr=subprocess.DEVNULL).returncode != 0:
        cannot_run("network namespaces (unshare --net) are not permitted")
    os.execvp(words[0], [*words, sys.executable, __file__, "--in-namespace", *sys.argv[1:]])


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    module = find_stack()
    if sys.argv[1] != "--in-namespace":
        in_namespace()
    bin_folder, command = pathlib.Path(sys.argv[2]).resolve(), sys.argv[3:]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    running = []
    with tempfile.TemporaryDirectory(prefix="site-") as work:
        folder = pathlib.Path(work)
        try:
            person = folder / "person"
            person.mkdir()
            for name, text in (("pin", PIN + "\n"), ("answer", "sign"), ("dialogs", "")):
                (person / name).write_text(text)
            pki = folder / "pki"
            signet = bin_folder / "signet"
            subprocess.run([signet, "demo", "pki", pki, "--keys", "rsa2048"], check=True, stdout=subprocess.DEVNULL)
            token = subprocess.run([signet, "demo", "token", pki], input=PIN, text=True, capture_output=True, check=True)
            environment = {**os.environ, "SOFTHSM2_CONF": token.stdout.strip(), "XDG_STATE_HOME": str(folder / "state")}
            tsa = subprocess.Popen([signet, "demo", "tsa", pki], stdout=subprocess.PIPE, text=True)
            running.append(tsa)
            tsa_url = tsa.stdout.readline().strip()
            trust = folder / "trust"
            trust.mkdir()
            for name in ("demo-ca.pem", "demo-ca.crl.pem"):
                shutil.copy(pki / name, trust)

            portal = Portal(bin_folder, folder / "portal", more=f'[[instruments]]\nid = "moldsign"\n[signers]\ntrust = "{trust}"\n')
            eservice = f"http://localhost:{ESERVICE_PORT}"  # another site than 127.0.0.1
            certificate, key = portal.add_consumer("sample", "--return-url", f"{eservice}/signed")
            running.append(portal.start().process)

            pinentry = folder / "pinentry"
            pinentry.write_text(f'#!/bin/sh\nexec "{ROOT}/tests/browser/pinentry" "{person}"\n')
            pinentry.chmod(0o700)
            (folder / "run").mkdir(mode=0o700)
            (folder / "signet.toml").write_text(
                f'control_socket = "{folder}/run/control.sock"\njournal = "{folder}/journal"\n'
                f'[[modules]]\nname = "SoftHSM2"\npath = "{module}"\n[time_stamping]\nurls = ["{tsa_url}"]\n'
                f'[web]\norigins = ["{portal.pages}"]\n[dialog]\npinentry = "{pinentry}"\n'
            )
            running.append(subprocess.Popen([bin_folder / "signetd", "--config", folder / "signet.toml"], env=environment, stderr=subprocess.DEVNULL))
            words = ["--wsdl", f"{portal.api}?singleWsdl", "--sign-page", portal.pages, "--certificate", certificate, "--key", key, "--ca", portal.certificate]
            words += ["--public-url", eservice, "--listen", f"127.0.0.1:{ESERVICE_PORT}"]
            running.append(subprocess.Popen([ROOT / "demo/e-service/e_service.py", *words], stdout=subprocess.DEVNULL))
            until(lambda: listens(ESERVICE_PORT) and listens(18580), "all of them listen", within_s=60)
            environment |= {"SIGNET_SITE_ESERVICE": eservice, "SIGNET_SITE_PORTAL": portal.pages, "SIGNET_SITE_PERSON": str(person)}
            status = subprocess.run(command, env=environment, check=False).returncode
            if status != 0:
                print(portal.log.read_text(errors="replace")[-4000:], file=sys.stderr)
            return status
        finally:
            for process in reversed(running):
                process.terminate()
            for process in running:
                process.wait(20)
                if process.stdout:
                    process.stdout.close()


if __name__ == "__main__":
    sys.exit(main())
