#!/usr/bin/python3
"""A stand-in for MPower, the register of powers of representation: its check by type code, over mutual TLS, with powers of a file.

usage: mpower.py --powers FILE --certificate FILE --key FILE --client-ca FILE [--listen ADDRESS:PORT] [--verbose]

  --powers FILE       JSON, read again at each question:
                        {"clients": ["1f2e"],
                         "powers": [{"type": "AT-0000123", "authorizing": "1003600000002", "authorized": "2001234567892", "answer": "valid"}]}
                      answer is "valid", "revoked", or an HTTP status such as 403 or 500; "delay_s" beside it makes it late, "body" is
                      sent as it is instead of what belongs to the answer. clients: serial numbers of those who may ask, in hexadecimal;
                      others are answered 403. Without it whoever has a certificate of --client-ca may.
  --certificate FILE  this server's own, PEM, and
  --key FILE          its private key
  --client-ca FILE    PEM: who asks must have a certificate of one of these
  --listen            default 127.0.0.1:0, a free port
  --verbose           a line of JSON for each question, when it comes

Prints {"url": …} when it listens: what belongs into mpower.url of the portal's configuration. Ends with SIGTERM.
"""
import argparse
import contextlib
import http.server
import json
import pathlib
import re
import signal
import socketserver
import ssl
import sys
import threading
import time
import urllib.parse

BASE = "/clients-api"
CHECK = f"{BASE}/api/authorization/check/typecode-valid-one"  # the real one takes any letter case
TYPE_CODE, IDN = re.compile(r"AT-[0-9A-Za-z]{7}"), re.compile(r"[0-9]{13}")
SECONDS_FOR_A_QUESTION = 10


def failed(message):
    return {"data": None, "success": False, "messages": [message]}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = SECONDS_FOR_A_QUESTION

    def log_message(self, *_):
        pass

    def do_GET(self):
        """One question."""
        where, _, query = self.path.partition("?")
        given = {name.lower(): value for name, value in urllib.parse.parse_qsl(query)}
        kind, authorizing, authorized = (given.get(name, "") for name in ("authorizationtypecode", "authorizingidn", "authorizedidn"))
        if self.server.verbose:
            self.server.say(json.dumps({"asked": where, "type": kind}))
        try:
            known = json.loads(self.server.powers.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            print(f"mpower.py: {self.server.powers}: {error}", file=sys.stderr, flush=True)
            return self.answer(500, failed("The powers cannot be read."))
        if where.lower() != CHECK:
            return self.answer(404, failed("Not found."))
        if "clients" in known and self.serial() not in {serial.lower().lstrip("0") for serial in known["clients"]}:
            return self.answer(403, failed("The certificate has no right to ask this."))
        if not (TYPE_CODE.fullmatch(kind) and IDN.fullmatch(authorizing) and IDN.fullmatch(authorized)):
            return self.answer(400, failed("Validation failed."))
        for power in known.get("powers", ()):
            if (power["type"], power["authorizing"], power["authorized"]) == (kind, authorizing, authorized):
                return self.tell(power)
        return self.answer(404, failed("Not found."))

    def tell(self, power):
        time.sleep(power.get("delay_s", 0))
        answer = power["answer"]
        if answer in ("valid", "revoked"):
            status, told = 200, {"data": {"authorizationCode": "0200000000000001", "isValid": answer == "valid"}, "success": True, "messages": []}
        else:
            status, told = answer, failed("As the powers say.")
        self.answer(status, power.get("body", told))

    def serial(self):
        return self.connection.getpeercert()["serialNumber"].lower().lstrip("0")

    def answer(self, status, told):
        body = (told if isinstance(told, str) else json.dumps(told)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def __init__(self, address, options):
        super().__init__(address, Handler)
        self.powers, self.verbose, self.speaking = options.powers, options.verbose, threading.Lock()
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(options.certificate, options.key)
        self.tls.load_verify_locations(options.client_ca)
        self.tls.verify_mode = ssl.CERT_REQUIRED

    def say(self, line):
        """To the standard output, whole, whoever else speaks."""
        with self.speaking:
            print(line, flush=True)

    def finish_request(self, request, client_address):
        """In the connection's own thread: a slow handshake keeps nobody waiting."""
        request.settimeout(SECONDS_FOR_A_QUESTION)
        with contextlib.suppress(OSError), self.tls.wrap_socket(request, server_side=True) as connection:
            super().finish_request(connection, client_address)

    def handle_error(self, *_):
        pass


def read_options():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ", 1)[1])
    for name in ("--powers", "--certificate", "--key", "--client-ca"):
        parser.add_argument(name, type=pathlib.Path, required=True)
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def main():
    options = read_options()
    address, _, port = options.listen.rpartition(":")
    with Server((address, int(port)), options) as server:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        print(json.dumps({"url": f"https://localhost:{server.server_address[1]}{BASE}"}), flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
