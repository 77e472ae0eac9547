#!/usr/bin/python3
"""A sample e-service: a form, signatures from the portal, and what became of them. It speaks to the portal by its WSDL alone, with
zeep, as any integrator would; docs/sandbox.md walks through it.

usage: e_service.py --wsdl URL --sign-page URL --certificate FILE --key FILE [--ca FILE] [--listen ADDRESS:PORT] [--public-url URL]
                    [--tls-certificate FILE --tls-key FILE] [--orders NUMBER]

  --wsdl URL          the portal's contract, https://…/MSign.svc?singleWsdl
  --sign-page URL     where people sign, https://sign.example
  --certificate FILE  this system's certificate, PEM, and
  --key FILE          its private key
  --ca FILE           what the portal's own certificate is checked by (default: the machine's authorities)
  --listen            default 127.0.0.1:8090
  --public-url URL    how browsers reach it (default: http:// and --listen); its ReturnUrl is below it and must be registered
  --tls-certificate FILE, --tls-key FILE  PEM: browsers reach it by HTTPS
  --orders NUMBER     how many orders are remembered, the newest (default 200)
"""
import argparse
import base64
import hashlib
import html
import http.server
import re
import secrets
import socket
import ssl
import sys
import threading
import urllib.parse

import requests
import zeep

LONGEST_FORM = 1 << 20
MOST_FIELDS = 50
SAMPLE = "First invoice\nSecond invoice"
INSTRUMENTS = {"": "choose on the Sign Page", "moldsign": "MoldSign", "nationalid": "identity card", "mobile": "mobile", "sandbox": "sandbox"}
STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#16202c}
label{display:block;margin:.8rem 0 .2rem}input,select,textarea{font:inherit;width:100%;box-sizing:border-box;padding:.4rem}
button{font:inherit;padding:.6rem 1.2rem;margin-top:1rem}table{border-collapse:collapse;width:100%}td,th{text-align:left;border-bottom:1px solid #ccc;padding:.3rem}
.bad{color:#a01010}.good{color:#0a6030}"""


class Order:
    """What one person wants signed. Kept here, found again by the RelayState: a cookie would not come along with the portal's POST."""

    def __init__(self, texts):
        self.texts = texts
        self.request_id = None
        self.response = None

    def digest(self, number):
        return hashlib.sha256(self.texts[number].encode()).digest()


class EService:
    def __init__(self, options):
        session = requests.Session()
        session.trust_env = False
        session.cert = (options.certificate, options.key)
        if options.ca:
            session.verify = options.ca
        self._client = zeep.Client(options.wsdl, transport=zeep.Transport(session=session, operation_timeout=30))
        self._calls, self._lock = threading.Lock(), threading.Lock()  # zeep's client is not for several threads
        self.sign_page, self.public_url = options.sign_page.rstrip("/"), options.public_url.rstrip("/")
        self._orders, self._most_orders = {}, options.orders  # by token, in their order

    def order(self, token):
        with self._lock:
            return self._orders.get(token)

    def _keep(self, order):
        """What people never come back for is forgotten: anybody may fill in the form."""
        token = secrets.token_urlsafe(16)
        with self._lock:
            self._orders[token] = order
            while len(self._orders) > self._most_orders:
                del self._orders[next(iter(self._orders))]
        return token

    def call(self, operation, *arguments, **named):
        with self._calls:
            return getattr(self._client.service, operation)(*arguments, **named)

    def post(self, texts, title, idnp, idno, role):
        order = Order(texts)
        contents = [{"Content": order.digest(i), "CorrelationID": str(i), "Name": f"document-{i + 1}.txt"} for i in range(len(texts))]
        request = {"ContentType": "Hash", "Contents": {"SignContent": contents}, "ShortContentDescription": title}
        if idno:
            request["ExpectedSigner"] = {"DelegatedRoleID": int(role or 0), "DelegatorID": idno, "DelegatorType": "Organization", "ID": idnp}
        elif idnp:
            request["ExpectedSigner"] = {"DelegatedRoleID": 0, "DelegatorType": "None", "ID": idnp}
        order.request_id = self.call("PostSignRequest", request)
        return self._keep(order), order

    def fetch(self, order, language):
        order.response = self.call("GetSignResponse", requestID=order.request_id, language=language)
        return order.response

    def results(self, order):
        results = order.response.Results if order.response is not None else None
        return results.SignResult if results is not None else []

    def verify(self, order, language, how):
        contents = []
        for result in self.results(order):
            digest, signature = order.digest(int(result.CorrelationID)), result.Signature
            if how == "tampered":  # as if the document had been changed after it was signed
                digest = hashlib.sha256(b"changed " + digest).digest()
            elif how == "damaged":  # or the signature: some letters of its value change places
                signature = re.sub(rb"(SignatureValue[^>]*>)([^<]{4})([^<]{4})", rb"\1\3\2", signature, count=1)
            contents.append({"Content": digest, "CorrelationID": result.CorrelationID, "Signature": signature})
        answer = self.call("VerifySignatures", {"Contents": {"VerificationContent": contents}, "Language": language, "SignedContentType": "Hash"})
        return answer.VerificationResult


def page(title, body):
    return f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><link rel=icon href='data:,'><title>{html.escape(title)}</title><style>{STYLE}</style><h1>{html.escape(title)}</h1>{body}"


def hidden(fields):
    return "".join(f'<input type=hidden name="{html.escape(name)}" value="{html.escape(value)}">' for name, value in fields.items() if value)


class Handler(http.server.BaseHTTPRequestHandler):
    service = None
    timeout = 30

    def log_message(self, *_):
        pass

    def show(self, status, title, body):
        content = page(title, body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def form(self):
        told = self.headers.get("Content-Length") or "0"
        if not re.fullmatch("[0-9]{1,9}", told):
            raise ValueError("the form's length is none")
        if int(told) > LONGEST_FORM:
            raise ValueError("the form is too long")
        fields = urllib.parse.parse_qs(self.rfile.read(int(told)).decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
        return {name: values[0] for name, values in fields.items()}

    def do_GET(self):
        if urllib.parse.urlsplit(self.path).path != "/":
            return self.show(404, "Not here", "<p><a href=/>To the form</a>")
        return self.ask({})

    def ask(self, given, problem=""):
        options = "".join(f'<option value="{name}"{" selected" if given.get("instrument") == name else ""}>{text}' for name, text in INSTRUMENTS.items())
        def value(name, default=""):
            return html.escape(given.get(name, default))
        self.show(400 if problem else 200, "The sample e-service", f"""
<form method=post action=/sign>{f'<p class=bad role=alert>{html.escape(problem)}</p>' if problem else ''}
<label for=documents>Documents, one a line</label><textarea id=documents name=documents rows=6>{value("documents", SAMPLE)}</textarea>
<label for=title>What is it?</label><input id=title name=title value="{value("title", "Invoices of November")}">
<label for=idnp>Who must sign (IDNP; empty: anybody)</label><input id=idnp name=idnp value="{value("idnp")}">
<label for=idno>For which organization (IDNO; empty: for themselves)</label><input id=idno name=idno value="{value("idno")}">
<label for=role>In which role for it (a number)</label><input id=role name=role inputmode=numeric value="{value("role")}">
<label for=instrument>With what</label><select id=instrument name=instrument>{options}</select>
<label for=msisdn>Phone number (373 and 8 digits)</label><input id=msisdn name=msisdn value="{value("msisdn")}">
<label for=lang>Language</label><select id=lang name=lang><option>ro<option>ru<option>en</select>
<button>Sign</button></form>""")

    def do_POST(self):
        try:
            given = self.form()
            path = urllib.parse.urlsplit(self.path).path
            if path == "/sign":
                self.sign(given)
            elif path == "/signed":
                self.signed(given)
            elif path == "/verify":
                self.verify(given)
            else:
                self.show(404, "Not here", "<p><a href=/>To the form</a>")
        except zeep.exceptions.Fault as fault:
            self.show(502, "The signing service refused", f"<p class=bad role=alert>{html.escape(str(fault.code))}: {html.escape(str(fault.message))}<p><a href=/>Back to the form</a>")
        except (requests.RequestException, zeep.exceptions.Error) as error:
            self.show(502, "The signing service cannot be reached", f"<p class=bad role=alert>{html.escape(type(error).__name__)}<p><a href=/>Back to the form</a>")
        except ValueError as error:
            self.show(400, "That cannot be read", f"<p class=bad role=alert>{html.escape(str(error))}")

    def sign(self, given):
        if given.get("msisdn") and not re.fullmatch(r"373[0-9]{8}", given["msisdn"]):
            return self.ask(given, "The phone number is not one: 373 and 8 digits")
        texts = [line for line in given.get("documents", "").splitlines() if line.strip()]
        if not texts:
            return self.ask(given, "There is nothing to sign")
        try:
            token, order = self.service.post(texts, *(given.get(name, "").strip() for name in ("title", "idnp", "idno", "role")))
        except zeep.exceptions.Fault as fault:
            return self.ask(given, f"{fault.code}: {fault.message}")
        fields = {"ReturnUrl": self.service.public_url + "/signed", "RelayState": token, "Instrument": given.get("instrument"), "MSISDN": given.get("msisdn"), "lang": given.get("lang")}
        return self.show(200, "To the Sign Page", f"""
<form id=go method=post action="{html.escape(self.service.sign_page)}/{order.request_id}">{hidden(fields)}<p>{len(texts)} documents are ready.<p><button autofocus>Go on to sign</button></form>
<script>document.getElementById("go").submit()</script>""")

    def signed(self, given):
        order = self.service.order(given.get("RelayState", ""))
        if order is None or order.request_id != given.get("RequestID"):
            return self.show(400, "Unknown", "<p class=bad role=alert>This return belongs to no order of ours.<p><a href=/>To the form</a>")
        response = self.service.fetch(order, "en")
        rows = "".join(
            f'<tr><td>{html.escape(order.texts[int(result.CorrelationID)])}<td>{len(result.Signature)} bytes<td><a download="{int(result.CorrelationID) + 1}.xades.xml" '
            f'href="data:application/xml;base64,{base64.b64encode(result.Signature).decode()}">save</a>'
            for result in self.service.results(order)
        )
        good = response.Status == "Success"
        self.show(200, "Signed" if good else "Not signed", f"""
<p id=status class={"good" if good else "bad"} data-request="{order.request_id}">{response.Status}{f": {html.escape(response.Message)}" if response.Message else ""}
<table><tr><th>document<th>signature<th></tr>{rows}</table>
{f'<form method=post action=/verify>{hidden({"order": given["RelayState"]})}<button name=how value=as-signed>Verify</button> <button name=how value=tampered>Verify as if the documents had been changed</button> <button name=how value=damaged>Verify as if the signatures had been damaged</button></form>' if rows else ''}
<p><a href=/>Sign something else</a>""")
        return None

    def verify(self, given):
        order = self.service.order(given.get("order", ""))
        if order is None:
            return self.show(400, "Unknown", "<p class=bad role=alert>There is no such order.")
        rows = "".join(
            f'<tr class={"good" if result.SignaturesValid else "bad"}><td>{html.escape(order.texts[int(result.CorrelationID)])}<td>{html.escape(result.Message)}'
            f'<td>{html.escape(", ".join(one.Subject for one in result.Certificates.VerificationCertificate) if result.Certificates else "")}'
            for result in self.service.verify(order, "en", given.get("how"))
        )
        return self.show(200, "Verified", f"<table id=verified><tr><th>document<th>verdict<th>signer</tr>{rows}</table><p><a href=/>Sign something else</a>")


class Server(http.server.ThreadingHTTPServer):
    tls = None

    def finish_request(self, request, client_address):
        """In the connection's own thread: a slow handshake holds up nobody."""
        if self.tls is None:
            return super().finish_request(request, client_address)
        request.settimeout(Handler.timeout)
        try:
            with self.tls.wrap_socket(request, server_side=True) as wrapped:
                super().finish_request(wrapped, client_address)
        except (ssl.SSLError, OSError):
            pass  # browsers open connections that they do not use
        return None


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ", 1)[1], add_help=True)
    for name in ("wsdl", "sign-page", "certificate", "key"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--ca")
    parser.add_argument("--listen", default="127.0.0.1:8090")
    for name in ("public-url", "tls-certificate", "tls-key"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--orders", type=int, default=200)
    options = parser.parse_args()
    options.public_url = options.public_url or f"http://{options.listen}"
    host, _, port = options.listen.rpartition(":")
    Handler.service = EService(options)
    host = host.strip("[]")
    Server.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if options.tls_certificate:
        Server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        Server.tls.load_cert_chain(options.tls_certificate, options.tls_key)
    server = Server((host, int(port)), Handler)
    print(f"The sample e-service: {options.public_url}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
