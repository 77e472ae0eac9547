#!/usr/bin/python3
"""All that a person's signing at the portal touches, as processes of their own: portal, agent with a demo token, time stamp authority,
MPower stand-in, sample e-service. The demonstration runs it; tests/portal/browser does, too, as a module.

usage: portal_site.py --bin FOLDER --work FOLDER --pin FILE [--tls FOLDER] [--listen ADDRESS --name HOST] [--ports FIRST]

  --bin FOLDER        signet, signetd and signet-portal
  --work FOLDER       for what is made; is removed in the end, and the file of --pin too
  --pin FILE          the PIN of the token that is made
  --tls FOLDER        certificates of the servers, kept for the next time (default: in --work)
  --listen, --name    for other machines: listens at ADDRESS (0.0.0.0 for all), the pages are https://HOST
  --ports FIRST       the first of five ports (default: 8440)
"""
import argparse
import contextlib
import ipaddress
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/usr/lib/pkcs11/libsofthsm2.so")
FIRST_PORT = 8440
STARTS_WITHIN_S = 60
ENDS_WITHIN_S = 20
POLL_S = 0.05
TLS_DAYS = 180
TLS_LASTS_S = 7 * 86_400  # what is kept is made anew when less is left
ROLE, POWER = 12, "AT-0000123"
SIGNER = "2000000000001"  # whom the demo token belongs to
EMPLOYER = "1003600000017"  # for whom that person may sign


class CannotStart(Exception):
    """What to tell the person."""


def until(condition, what, within_s=STARTS_WITHIN_S):
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise CannotStart(f"not within {within_s} s: {what}")
        time.sleep(POLL_S)
    return value


def softhsm():
    """The PKCS#11 module, or None."""
    return next(filter(os.path.exists, MODULES), None)


def in_url(host):
    return f"[{host}]" if ":" in host else host


def is_address(text):
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(text) is not None
    return False


def address_for_others(listen):
    """An address of this machine that others reach: the one named, or where packets to the world would leave from."""
    if not ipaddress.ip_address(listen).is_unspecified:
        return listen
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.connect((far, 9))  # sends nothing
            return asked.getsockname()[0]
    raise CannotStart("this machine has no way out: name one of its addresses with --listen")


class Tls:
    """Certificates of the servers, of a CA whose key is deleted at once: a browser that trusts it is in nobody's hand."""

    def __init__(self, folder, names):
        self.folder = folder
        self.ca, self.server, self.server_key = folder / "tls-ca.pem", folder / "server.pem", folder / "server.key"
        self.portal, self.portal_key = folder / "portal.pem", folder / "portal.key"  # what MPower knows the portal by
        known = folder / "names"
        if known.exists() and known.read_text(encoding="utf-8").split() == names and self._lasts():
            return
        folder.mkdir(parents=True, exist_ok=True)
        ca_key = folder / "tls-ca.key"
        try:
            self._make(self.ca, ca_key, "Signet Demo TLS CA", ["basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=critical,keyCertSign"])
            alternatives = ",".join(f"{'IP' if is_address(name) else 'DNS'}:{name}" for name in names)
            self._make(self.server, self.server_key, names[0], ["extendedKeyUsage=serverAuth", f"subjectAltName={alternatives}"], ca_key)
            self._make(self.portal, self.portal_key, "Signet Demo portal", ["extendedKeyUsage=clientAuth"], ca_key)
        finally:
            ca_key.unlink(missing_ok=True)
        known.write_text("\n".join(names), encoding="utf-8")

    def _make(self, certificate, key, common_name, extensions, ca_key=None):
        if ca_key:
            extensions = ["basicConstraints=critical,CA:FALSE", *extensions]
        settings = self.folder / "openssl.cnf"
        settings.write_text(f"[req]\ndistinguished_name=dn\nprompt=no\nx509_extensions=x\n[dn]\nO=Signet demonstration\nCN={common_name[:64]}\n[x]\n" + "\n".join(extensions) + "\n", encoding="utf-8")
        words = ["-config", settings, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(TLS_DAYS), "-keyout", key, "-out", certificate]
        issuer = ["-CA", self.ca, "-CAkey", ca_key] if ca_key else []
        made = subprocess.run(["openssl", "req", "-x509", *words, *issuer], capture_output=True, text=True, check=False)
        settings.unlink()
        if made.returncode != 0:
            raise CannotStart(f"openssl: {made.stderr.strip()}")

    def _lasts(self):
        ran = subprocess.run(["openssl", "x509", "-in", self.server, "-checkend", str(TLS_LASTS_S)], capture_output=True, check=False)
        return ran.returncode == 0


class Site:
    """`with Site(…) as site:` everything runs; afterwards nothing does. What it wrote stays in `work`."""

    def __init__(self, bin_folder, work, pin, pinentry=None, listen=None, name=None, first_port=FIRST_PORT, tls=None, expire_after_s=3600):
        self.bin, self.work, self.pin = (pathlib.Path(path).resolve() for path in (bin_folder, work, pin))
        # Who asks for the PIN: a program as named, else pinentry if there is a screen, else one that agrees to everything.
        self.person_asked = pinentry is None and bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
        self.pinentry = "pinentry" if self.person_asked else pinentry
        self.module = softhsm()
        if self.module is None:
            raise CannotStart("libsofthsm2.so was not found: scripts/setup demo")
        if (listen is None) != (name is None):
            raise CannotStart("--listen and --name go together: where to listen, and how others call this machine")
        if listen is not None and not is_address(listen):
            raise CannotStart(f"--listen {listen} is no address")
        self.listen = listen or "127.0.0.1"
        self.page_port, self.shop_port, self.api_port, self.operations_port, self.mpower_port = range(first_port, first_port + 5)
        # The e-service is another site than the portal: an address is not the same site as a name, or as another address. Plain
        # HTTP is enough on the loopback, which browsers trust as they do HTTPS.
        scheme, page_host, shop_host = "http", "127.0.0.1", "localhost"
        if listen:
            scheme, page_host, shop_host = "https", name, address_for_others(listen)
        self.public = listen is not None
        self.pages = f"{scheme}://{in_url(page_host)}:{self.page_port}"
        self.shop = f"{scheme}://{in_url(shop_host)}:{self.shop_port}"
        self.api = f"https://localhost:{self.api_port}/MSign.svc"
        self.api_for_others = f"https://{in_url(page_host if listen else 'localhost')}:{self.api_port}/MSign.svc"
        self.operations = f"http://127.0.0.1:{self.operations_port}"
        self.mpower = self.time_stamps = None
        self.configuration = self.work / "portal.toml"
        self.names = list(dict.fromkeys([page_host, shop_host, "localhost", "127.0.0.1"]))
        self.tls_folder = pathlib.Path(tls).resolve() if tls else self.work / "tls"
        self.expire_after_s = expire_after_s
        self._running = []  # (name, process), in the order in which they began

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends all, the last begun first."""
        while self._running:
            name, process = self._running.pop()
            process.terminate()
            try:
                process.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                print(f"portal_site: {name} does not end, and is killed", file=sys.stderr)
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()

    def ended(self):
        """Waits until one of the programs has ended; its name."""
        while True:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            for name, process in self._running:
                if process.poll() is not None:
                    return name
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-1, os.WNOHANG)  # somebody else's

    def log_of(self, name):
        return self.work / f"{name}.log"

    def _start(self):
        self._look_at_ports()
        self.work.mkdir(parents=True, exist_ok=True)
        if self.pinentry is None:
            self.pinentry = self.work / "pinentry"
            self.pinentry.write_text(f'#!/bin/sh\nexec "{ROOT}/demo/pinentry" "{self.pin}"\n', encoding="utf-8")
            self.pinentry.chmod(0o700)
        self.tls = Tls(self.tls_folder, self.names)
        pki = self.work / "pki"
        if not pki.exists():
            self._run(self.bin / "signet", "demo", "pki", pki, "--keys", "rsa2048")
        self.softhsm = self._run(self.bin / "signet", "demo", "token", pki, stdin=self.pin.read_text(encoding="utf-8")).strip()
        self.trust = self.work / "trust"
        self.trust.mkdir()
        for name in ("demo-ca.pem", "demo-ca.crl.pem"):
            shutil.copy(pki / name, self.trust)
        self._start_time_stamps()
        self.mpower = self._start_mpower()
        self._register_shop()
        self._start_portal()
        self._start_agent()
        self._start_shop()

    def _look_at_ports(self):
        addresses = {self.page_port: self.listen, self.shop_port: self.listen, self.api_port: self.listen, self.operations_port: "127.0.0.1", self.mpower_port: "127.0.0.1"}
        for port, address in addresses.items():
            with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((address, port))
                except OSError as error:
                    raise CannotStart(f"{address} port {port}: {error.strerror}. --ports FIRST chooses other ports (now {self.page_port} to {self.mpower_port})") from None

    def _run(self, *words, stdin=""):
        ran = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise CannotStart(f"{pathlib.Path(words[0]).name}: {(ran.stderr or ran.stdout).strip()}")
        return ran.stdout

    def _begin(self, name, *words, **more):
        """Ends with this process, whatever ends it; a Ctrl-C of the terminal is for this process alone."""
        with self.log_of(name).open("ab") as log:
            process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *words], stderr=log, start_new_session=True, **{"stdout": log, **more})
        self._running.append((name, process))
        return process

    def _first_line(self, name, *words):
        process = self._begin(name, *words, stdout=subprocess.PIPE, text=True)
        line = process.stdout.readline().strip()
        if not line:
            raise CannotStart(self._did_not_start(name))
        return line

    def _did_not_start(self, name):
        return f"{name} did not start:\n{self.log_of(name).read_text(errors='replace')[-2000:]}"

    def _listens(self, name, process, port, address="127.0.0.1"):
        def answers():
            if process.poll() is not None:
                raise CannotStart(self._did_not_start(name))
            with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
                return True
            return False

        until(answers, f"{name} listens")

    def _reached_at(self):
        """An address of this machine at which what listens at `listen` answers."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.listen, self.listen)

    def _start_time_stamps(self):
        """Again it is where it was."""
        port = ["--port", str(urllib.parse.urlsplit(self.time_stamps).port)] if self.time_stamps else []
        self.time_stamps = self._first_line("time stamp authority", self.bin / "signet", "demo", "tsa", self.work / "pki", *port)

    def _start_mpower(self):
        """MPower's stand-in; None where there is none."""
        program = ROOT / "demo/mpower/mpower.py"
        if not program.exists():
            return None
        powers = self.work / "powers.json"
        powers.write_text(json.dumps({"powers": [{"type": POWER, "authorizing": EMPLOYER, "authorized": SIGNER, "answer": "valid"}]}), encoding="utf-8")
        words = ["--powers", powers, "--certificate", self.tls.server, "--key", self.tls.server_key, "--client-ca", self.tls.ca]
        line = self._first_line("MPower stand-in", program, *words, "--listen", f"127.0.0.1:{self.mpower_port}")
        return json.loads(line)["url"]

    def _portal_settings(self):
        tls = f'certificate = "{self.tls.server}"\nkey = "{self.tls.server_key}"\n'
        at = in_url(self.listen)
        api = [f"{at}:{self.api_port}"]
        if self.listen != "127.0.0.1" and not ipaddress.ip_address(self.listen).is_unspecified:
            api.append(f"127.0.0.1:{self.api_port}")  # where the e-service calls
        settings = (
            f'public_url = "{self.pages}"\n'
            f'[api]\nlisten = {json.dumps(api)}\n{tls}'
            f'[pages]\nlisten = ["{at}:{self.page_port}"]\n{tls if self.public else ""}'
            f'[operations]\nlisten = ["127.0.0.1:{self.operations_port}"]\n'
            f'[requests]\nexpire_after_s = {self.expire_after_s}\n[store]\ndatabase = "sqlite:{self.work}/portal.db"\n'
            f'[consumers]\nca = "{self.work}/sandbox"\n[signers]\ntrust = "{self.trust}"\n[sandbox]\nfolder = "{self.work}/sandbox"\n'
            f'[[instruments]]\nid = "moldsign"\nissuers = "{self.trust}"\n'
            f'[[instruments]]\nid = "nationalid"\nissuers = "{self.trust}"\n'
            '[[instruments]]\nid = "mobile"\nkind = "mobile"\n'
            '[[instruments]]\nid = "sandbox"\nkind = "sandbox"\n'
        )
        if self.mpower:
            settings += (
                f'[mpower]\nurl = "{self.mpower}"\ncertificate = "{self.tls.portal}"\nkey = "{self.tls.portal_key}"\nca = "{self.tls.ca}"\n'
                f'[mpower.roles]\n{ROLE} = "{POWER}"\n'
            )
        return settings

    def portal_command(self, *words):
        return self._run(self.bin / "signet-portal", "--config", self.configuration, *words)

    def _register_shop(self):
        (self.work / "sandbox").mkdir()
        self.configuration.write_text(self._portal_settings(), encoding="utf-8")
        words = ["--name", "Sample e-service", "--address", "127.0.0.1", "--address", "::1", "--return-url", f"{self.shop}/signed"]
        self.portal_command("consumer", "add", "sample", *words, "--issue", self.work / "keys", "--active")

    def _start_portal(self):
        portal = self._begin("signet-portal", self.bin / "signet-portal", "--config", self.configuration, "serve")
        self._listens("signet-portal", portal, self.api_port, "::1" if self.listen == "::" else "127.0.0.1")
        self._listens("signet-portal", portal, self.page_port, self._reached_at())

    def _agent_settings(self):
        return (
            f'control_socket = "{self.work}/run/control.sock"\njournal = "{self.work}/journal"\n'
            f'[[modules]]\nname = "SoftHSM2 (demo)"\npath = "{self.module}"\n[time_stamping]\nurls = ["{self.time_stamps}"]\n'
            f'[web]\norigins = ["{self.pages}"]\n[dialog]\npinentry = "{self.pinentry}"\n'
        )

    def _start_agent(self):
        (self.work / "run").mkdir(mode=0o700, exist_ok=True)
        settings = self.work / "signet.toml"
        settings.write_text(self._agent_settings(), encoding="utf-8")
        environment = {**os.environ, "SOFTHSM2_CONF": self.softhsm, "XDG_STATE_HOME": str(self.work / "state")}
        agent = self._begin("signetd", self.bin / "signetd", "--config", settings, env=environment)
        asks = [self.bin / "signet", "--config", settings, "--json", "status"]

        def answer():
            if agent.poll() is not None:
                raise CannotStart(self._did_not_start("signetd"))
            ran = subprocess.run(asks, capture_output=True, text=True, check=False)
            return json.loads(ran.stdout) if ran.returncode == 0 else None

        self.agent_port = until(answer, "signetd answers")["port"]

    def _start_shop(self):
        keys = self.work / "keys"
        words = ["--wsdl", f"{self.api}?singleWsdl", "--ca", self.tls.ca, "--certificate", keys / "sample.pem", "--key", keys / "sample.key"]
        words += ["--sign-page", self.pages, "--public-url", self.shop, "--listen", f"{in_url(self.listen)}:{self.shop_port}"]
        if self.public:
            words += ["--tls-certificate", self.tls.server, "--tls-key", self.tls.server_key]
        shop = self._begin("e-service", ROOT / "demo/e-service/e_service.py", *words)
        self._listens("e-service", shop, self.shop_port, self._reached_at())


def explained(site):
    """What the person reads once everything runs."""
    asks = f"Its PIN is {site.pin.read_text(encoding='utf-8').strip()}." if site.person_asked else "No display, no PIN dialog: the demonstration agrees and enters the PIN."
    lines = ["", f"The sample e-service   {site.shop}/      begin here", f"The Sign Page          {site.pages}/      a signature is verified at {site.pages}/verify"]
    lines += [f"The contract           {site.api_for_others}?singleWsdl", f"Health and metrics     {site.operations}/health  /ready  /metrics"]
    if site.mpower:
        lines.append(f"MPower stand-in        {site.mpower}      IDNP {SIGNER} may sign for {EMPLOYER} with the role {ROLE}")
    lines += ["", f"Sign with MoldSign: the demo token, IDNP {SIGNER}. {asks}", "Or with the trial instrument, without a token."]
    if site.public:
        lines += [
            "", f"Browsers are to trust {site.tls.ca} (the key of this CA is deleted; nobody can issue with it):",
            f'  Chromium   certutil -d sql:$HOME/.pki/nssdb -A -n "Signet Demo TLS CA" -t C,, -i tls-ca.pem     (package libnss3-tools)',
            "  Firefox    Settings, Privacy & Security, View Certificates, Authorities, Import",
            "or go on at their warnings, at both addresses. At another machine the token is not there: use the trial instrument, or an agent of its own.",
        ]
    lines += [
        "", f"Your own e-service checks the contract's address by {site.tls.ca}, and is registered with",
        f"  {site.bin}/signet-portal --config {site.configuration} consumer add shop --name Shop --active \\",
        f"    --address {'ADDRESS-THAT-IT-CALLS-FROM' if site.public else '127.0.0.1'} --return-url http://localhost:9000/signed --issue FOLDER-FOR-ITS-KEYS",
        "", f"Logs: {site.work}/*.log. Ctrl-C ends all and removes it.",
    ]
    return "\n".join(lines)


class Told(BaseException):
    """To end."""


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ", 1)[1])
    for name in ("bin", "work", "pin"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("tls", "listen", "name"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--ports", type=int, default=FIRST_PORT)
    options = parser.parse_args()

    def told(number, _):
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.SIG_IGN)
        raise Told(number)

    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, told)
    try:
        with Site(options.bin, options.work, options.pin, None, options.listen, options.name, options.ports, options.tls) as site:
            print(explained(site), flush=True)
            name = site.ended()
            print(f"demo: {name} has ended:\n{site.log_of(name).read_text(errors='replace')[-2000:]}", file=sys.stderr)
            return 1
    except CannotStart as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 1
    except Told as end:
        return 128 + end.args[0]
    finally:
        shutil.rmtree(options.work, ignore_errors=True)
        pathlib.Path(options.pin).unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
