"""A signet-portal of a test's own: sandbox, TLS files, consumers, and the two clients' sides of it."""
import contextlib
import http.client
import itertools
import json
import os
import pathlib
import random
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

WITHIN_S = 20
POLL_S = 0.02
RETURN_URL = "https://shop.example/signed"
ON_POSTGRESQL = os.environ.get("SIGNET_TEST_DATABASE") == "postgresql"  # with_postgresql.sh
_numbers = itertools.count()


def until(condition, what, within_s=WITHIN_S):
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what}")
        time.sleep(POLL_S)
    return value


def cannot_run(why):
    print(f"{pathlib.Path(sys.argv[0]).name}: cannot run here: {why}", file=sys.stderr)
    sys.exit(1 if os.environ.get("CI") == "true" else 77)


def free_port():
    """One that no outgoing connection of anybody gets meanwhile: below those that the system chooses (ip_local_port_range)."""
    while True:
        with socket.socket() as found, contextlib.suppress(OSError):
            found.bind(("127.0.0.1", random.randrange(10_000, 32_000)))
            return found.getsockname()[1]


def server_certificate(folder, name="server"):
    """A server's own for localhost: (certificate, key)."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        + ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, stderr=subprocess.DEVNULL,
    )
    return certificate, key


def own_database(folder):
    """A new one: a file, or one in the PostgreSQL of the environment."""
    if not ON_POSTGRESQL:
        return f"sqlite:{folder}/portal.db"
    name = f"portal_{os.getpid()}_{next(_numbers)}"
    subprocess.run(["createdb", name], check=True)
    return f"postgresql:dbname={name}"


class Portal:
    """signet-portal with a sandbox below `folder`. `more` is added to its configuration. `beside`: another instance, at the same address for people and
    with the same sandbox; the database is to be the same too."""

    def __init__(self, bin_folder, folder, database=None, more="", beside=None):
        self.program = pathlib.Path(bin_folder) / "signet-portal"
        self.folder = pathlib.Path(folder)
        self.sandbox = beside.sandbox if beside else self.folder / "sandbox"
        for made in (self.folder, self.sandbox):
            made.mkdir(parents=True, exist_ok=True)
        self.database = database or own_database(self.folder)
        self.api_port, self.page_port, self.operations_port = free_port(), free_port(), free_port()
        self.certificate, self.key = server_certificate(self.folder)
        self.pages = f"http://127.0.0.1:{self.page_port}"
        self.public_url = beside.public_url if beside else self.pages
        self.api = f"https://localhost:{self.api_port}/MSign.svc"
        self.configuration = self.folder / "portal.toml"
        self.configuration.write_text(
            f'public_url = "{self.public_url}"\n'
            f'[api]\nlisten = ["127.0.0.1:{self.api_port}"]\ncertificate = "{self.certificate}"\nkey = "{self.key}"\n'
            f'[pages]\nlisten = ["127.0.0.1:{self.page_port}"]\n'
            f'[operations]\nlisten = ["127.0.0.1:{self.operations_port}"]\n'
            f'[store]\ndatabase = "{self.database}"\n'
            f'[consumers]\nca = "{self.sandbox}"\n'
            f'[sandbox]\nfolder = "{self.sandbox}"\n'
            '[[instruments]]\nid = "sandbox"\nkind = "sandbox"\n' + more,
            encoding="utf-8",
        )
        self.log = self.folder / "portal.log"
        self.process = None

    def command(self, *words, check=True):
        ran = subprocess.run([self.program, "--config", self.configuration, *words], capture_output=True, text=True, check=False, timeout=WITHIN_S)
        if check and ran.returncode != 0:
            raise AssertionError(f"signet-portal {' '.join(map(str, words))}: {ran.returncode} {ran.stdout}{ran.stderr}")
        return ran

    def requests(self, *words):
        """What operators are told of what is stored."""
        return [json.loads(line) for line in self.command("--json", "requests", *words).stdout.splitlines()]

    def sql(self, statement):
        """Past the portal; answers the rows, each a list of texts."""
        kind, _, name = self.database.partition(":")
        if kind == "postgresql":
            ran = subprocess.run(["psql", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", statement, name], capture_output=True, text=True, check=True)
            return [line.split("|") for line in ran.stdout.splitlines()]
        with contextlib.closing(sqlite3.connect(name)) as connection, connection:
            return [[str(value) for value in row] for row in connection.execute(statement)]

    def add_consumer(self, name, *words):
        """Registers one with a certificate of the sandbox's CA; answers the paths of (certificate, key)."""
        self.command("consumer", "add", name, "--name", f"Test {name}", "--address", "127.0.0.1", "--return-url", RETURN_URL, "--issue", self.folder, "--active", *words)
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([self.program, "--config", self.configuration, "serve"], stdout=log, stderr=log)
        until(self._answers, "the portal listens")
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"signet-portal ended: {self.log.read_text(errors='replace')}")
        for port in (self.api_port, self.page_port):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                continue
            return False
        return True

    def operations(self, path):
        """(HTTP status, text) of /health, /ready or /metrics."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.operations_port}{path}", timeout=WITHIN_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def stop(self):
        """Its exit code after SIGTERM."""
        self.process.terminate()
        return self.process.wait(WITHIN_S)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(WITHIN_S)

    def client_context(self, certificate=None, key=None):
        context = ssl.create_default_context(cafile=self.certificate)
        if certificate:
            context.load_cert_chain(certificate, key)
        return context

    def at_pages(self, method, path, body=None, headers=None, address="127.0.0.1"):
        """(status, headers, text) of a request to the pages from one of the loopback's addresses, as it is."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.page_port, timeout=WITHIN_S, source_address=(address, 0))) as connection:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()

    def soap(self, body, context, action="", headers=None, within_s=WITHIN_S):
        """(HTTP status, text) of bytes posted as they are."""
        request = urllib.request.Request(self.api, data=body, headers={"Content-Type": "text/xml; charset=utf-8", "SOAPAction": action, **(headers or {})})
        try:
            with urllib.request.urlopen(request, context=context, timeout=within_s) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


class SignPage:
    """What a browser does at the Sign Page, without one: for what is not about pages."""

    def __init__(self, portal, request_id, return_url=RETURN_URL, relay_state=None, **parameters):
        self.portal, self.id, self.key = portal, request_id, os.urandom(16).hex()
        fields = {"ReturnUrl": return_url, **({"RelayState": relay_state} if relay_state is not None else {}), **parameters}
        self.status, self.headers, self.html = self.get(f"/{request_id}?{urllib.parse.urlencode(fields)}")
        found = re.search(r'<script type="application/json" id="data">(.*?)</script>', self.html, re.S)
        self.data = json.loads(found.group(1)) if found else None

    def get(self, path):
        try:
            with urllib.request.urlopen(self.portal.pages + path, timeout=WITHIN_S) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def call(self, name, token=None, origin=None, content_type="application/json", **parameters):
        """(HTTP status, JSON)."""
        headers = {"Content-Type": content_type, "Origin": origin or self.portal.public_url, "Signet-Page": token or (self.data or {}).get("token", "")}
        body = json.dumps({"key": self.key, **parameters}).encode()
        request = urllib.request.Request(f"{self.portal.pages}/{self.id}/{name}", data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=WITHIN_S) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
