#!/usr/bin/python3
"""Starts what the portal's demonstration starts (demo/portal_site.py), in a network namespace, with a person at the dialogs who does
as a file says, and runs COMMAND beside it. The token has a second certificate, of another CA: that of the identity card.

usage: site.py [--public ADDRESS] [--expire-after-s N] BIN COMMAND [ARGUMENT…]

  --public ADDRESS    the namespace has this address too, and the pages are https:// there
  --expire-after-s N  how long a request waits to be signed

COMMAND finds in its environment SIGNET_SITE_ESERVICE, SIGNET_SITE_PORTAL (addresses), SIGNET_SITE_CA (of their certificates) and
SIGNET_SITE_PERSON, a folder: what the file `answer` there says (sign, cancel, cancel-pin) is what the person does at a dialog, `dialogs`
has a line for each, and of several certificates the person takes the one whose description holds what the file `certificate` says.
By POST to SIGNET_SITE_CONTROL/WHAT/NAME programs end and start again: WHAT is end, kill (SIGKILL) or start, NAME portal, agent or tsa; the
token is taken out and put back by end and start too, and the token's certificate of the demonstration's CA is revoked by end, and is not by start. SIGNET_SITE_AGENT is the agent's address, SIGNET_SITE_BIN has the programs, SIGNET_SITE_JOURNAL is the agent's journal, SIGNET_SITE_WAIT_FOR_PAGE_S how long it signs without its page.

Exit code: COMMAND's; 77 (1 where CI=true) when this machine cannot run it.
"""
import argparse
import contextlib
import http.server
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(HERE.parent), str(ROOT / "demo")]
from portal_bench import cannot_run  # noqa: E402
from portal_site import ENDS_WITHIN_S, Site, softhsm, until  # noqa: E402
from second_issuer import add_signer  # noqa: E402
from wire_case import authority_of, list_of  # noqa: E402

PIN = "482913"
WAIT_FOR_PAGE_S = 1
PROGRAMS = {"portal": "signet-portal", "agent": "signetd", "tsa": "time stamp authority"}


class DisturbedSite(Site):
    """One whose programs end and start again, whose agent does not wait long for a page that has gone, and whose `nationalid` has an issuer of its own."""

    def _agent_settings(self):
        return super()._agent_settings().replace("[web]\n", f"[web]\nwait_for_page_s = {WAIT_FOR_PAGE_S}\n")

    def _register_shop(self):
        shutil.copytree(self.work / "second", self.trust, dirs_exist_ok=True)
        super()._register_shop()

    def _portal_settings(self):
        ours = f'id = "nationalid"\nissuers = "{self.trust}"'
        settings = super()._portal_settings()
        if ours not in settings:
            raise AssertionError(settings)
        return settings.replace(ours, f'id = "nationalid"\nissuers = "{self.work}/second"').replace(
            f'id = "moldsign"\nissuers = "{self.trust}"', f'id = "moldsign"\nissuers = "{self.work}/pki/demo-ca.pem"')

    def end(self, name, number):
        if name == "certificate":
            self._publish(list_of(authority_of(self.work / "pki", "demo-ca"), self.work / "pki" / "signer-rsa2048.pem"))
            return
        if name == "token":
            self._tokens().rename(self._tokens(out=True))
            self._tokens().mkdir()
            self._end_token_hosts()
            return
        (entry,) = [one for one in self._running if one[0] == PROGRAMS[name]]
        self._running.remove(entry)
        entry[1].send_signal(number)
        entry[1].wait(ENDS_WITHIN_S)
        if entry[1].stdout:
            entry[1].stdout.close()

    def start(self, name):
        if name == "certificate":
            self._publish((self.work / "pki" / "demo-ca.crl.pem").read_bytes())
            return
        if name == "token":
            self._tokens().rmdir()
            self._tokens(out=True).rename(self._tokens())
            self._end_token_hosts()
            return
        {"portal": self._start_portal, "agent": self._start_agent, "tsa": self._start_time_stamps}[name]()

    def _publish(self, revocation_list):
        """Until the portal knows it."""
        def read():
            return self.log_of("signet-portal").read_text(encoding="utf-8").count(" trust_changed ")

        before = read()
        (self.trust / "demo-ca.crl.pem").write_bytes(revocation_list)
        until(lambda: read() > before, "the portal reads the list")

    def _tokens(self, out=False):
        return pathlib.Path(self.softhsm).parent / ("tokens.out" if out else "tokens")

    def _end_token_hosts(self):
        """SoftHSM looks at its tokens only when it starts: what a vendor's module does that sees the reader."""
        (agent,) = [process for name, process in self._running if name == "signetd"]
        hosts = subprocess.run(["pgrep", "-P", str(agent.pid), "signet-token"], capture_output=True, text=True, check=False).stdout.split()
        for host in hosts:
            with contextlib.suppress(ProcessLookupError):  # it found out, and has ended
                os.kill(int(host), signal.SIGKILL)
        # Killed by us, and not for a fault of the module's: too many, and it would not be started any more.
        signet = [self.bin / "signet", "--config", self.work / "signet.toml", "--json"]
        status = json.loads(subprocess.run([*signet, "status"], capture_output=True, check=True).stdout)
        subprocess.run([*signet, "restart", status["modules"][0]["name"]], capture_output=True, check=True)


def controlled(site):
    """The address at which the test disturbs it. One thread for all: what it starts ends with it."""
    class Control(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            _, what, name = self.path.split("/")
            if what == "start":
                site.start(name)
            else:
                site.end(name, {"end": signal.SIGTERM, "kill": signal.SIGKILL}[what])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Control)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


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
    for name, text in (("pin", PIN + "\n"), ("answer", "sign"), ("certificate", "Signet Demo CA"), ("dialogs", ""), ("cancelled", "")):
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
        place = pathlib.Path(work) / "site"
        add_signer(options.bin, place / "pki", place / "second")
        with DisturbedSite(options.bin, place, person / "pin", pinentry, options.public, options.public, expire_after_s=options.expire_after_s) as site:
            found = {"ESERVICE": site.shop, "PORTAL": site.pages, "CA": site.tls.ca, "PERSON": person, "BIN": site.bin, "AGENT": f"http://127.0.0.1:{site.agent_port}", "JOURNAL": site.work / "journal", "WAIT_FOR_PAGE_S": WAIT_FOR_PAGE_S, "CONTROL": controlled(site)}
            environment = {**os.environ, **{f"SIGNET_SITE_{name}": str(value) for name, value in found.items()}}
            status = subprocess.run(options.command, env=environment, check=False).returncode
            if status != 0:
                print(site.log_of("signet-portal").read_text(errors="replace")[-4000:], file=sys.stderr)
            return status


if __name__ == "__main__":
    sys.exit(main())
