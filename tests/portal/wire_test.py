#!/usr/bin/python3
"""The portal's SOAP side by the bytes on the wire: .NET's messages, who is let in, what is refused, slow and broken clients.

usage: wire_test.py FOLDER-OF-SIGNET-PORTAL [unittest's arguments]

Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import base64
import datetime
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import time
import unittest
import unittest.mock
import urllib.error
import urllib.parse
import urllib.request
import warnings
import xml.etree.ElementTree as ElementTree

from portal_bench import ON_POSTGRESQL, RETURN_URL, WITHIN_S, Portal, SignPage, until
from wire_case import (
    WireCase, content, der_of, digest, envelope, fault_of, get_body, make_authority, make_certificate, make_list, post_body,
    read_answer, serial_of, signer, verify_body,
)

POST = "https://msign.gov.md/IMSign/PostSignRequest"
ACTION = f'<Action s:mustUnderstand="1" xmlns="http://schemas.microsoft.com/ws/2005/05/addressing/none">{POST}</Action>'
LARGEST_BODY = 64 << 20
STALLED_ENDS_WITHIN_S = 45  # the portal waits 30 s for a header, and as long for a body
NASTY = ("'; DROP TABLE requests; --", '"><script>alert(1)</script>', "</script><!--", "&lt;b&gt; & <b>", "{{data}} \\u003c ț ж 漢 \U0001f58b", "\u2028 %00 %3Cscript%3E")


class MessageTest(WireCase):
    def head(self, body, *more, action=POST):
        """What .NET writes before a body."""
        lines = [
            "POST /MSign.svc HTTP/1.1", "Content-Type: text/xml; charset=utf-8", f'SOAPAction: "{action}"',
            f"Host: localhost:{self.portal.api_port}", f"Content-Length: {len(body)}", *more, "Accept-Encoding: gzip, deflate", "Connection: Keep-Alive",
        ]
        return "".join(f"{line}\r\n" for line in (*lines, "")).encode()

    def test_dotnet_waits_for_100_continue(self):
        """.NET sends a body only once it was told to go on, with the Action header and with nil where nothing is"""
        body = envelope(post_body(), header=f"<s:Header>{ACTION}</s:Header>")
        connection = self.connect(self.shop)
        for _ in range(2):  # on one connection
            connection.sendall(self.head(body, "Expect: 100-continue"))
            self.assertEqual(connection.recv(4096), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(body)
            status, headers, text = read_answer(connection)
            self.assertEqual((status, headers["Content-Type"]), (200, "text/xml; charset=utf-8"), text)
            self.assertIn("<PostSignRequestResult>", text)

    def test_nobody_has_to_wait(self):
        """the same without Expect, on one connection, head and body in one write"""
        body = envelope(post_body(), header=f"<s:Header>{ACTION}</s:Header>")
        connection = self.connect(self.shop)
        for _ in range(3):
            connection.sendall(self.head(body) + body)
            self.assertEqual(read_answer(connection)[0], 200)

    def test_a_header_that_must_be_understood(self):
        """of headers only those of addressing are understood; another that must be is a fault, and one that need not is nothing"""
        for action in ("http://www.w3.org/2005/08/addressing", "http://schemas.xmlsoap.org/ws/2004/08/addressing"):
            self.post(envelope(post_body(), header=f'<s:Header><To s:mustUnderstand="1" xmlns="{action}">x</To></s:Header>'))
        self.post(envelope(post_body(), header='<s:Header><Security xmlns="urn:other"/></s:Header>'))
        code, _ = self.fault(envelope(post_body(), header='<s:Header><Security s:mustUnderstand="1" xmlns="urn:other"/></s:Header>'))
        self.assertEqual(code, "MustUnderstand")

    def test_soap_1_2_is_told_so(self):
        """a SOAP 1.2 envelope is another version: VersionMismatch, or 415 where its content type says it already"""
        body = envelope(post_body(), soap="http://www.w3.org/2003/05/soap-envelope")
        self.assertEqual(self.fault(body)[0], "VersionMismatch")
        status, _ = self.call(body, headers={"Content-Type": f'application/soap+xml; charset=utf-8; action="{POST}"'})
        self.assertEqual(status, 415)

    def test_the_action_must_be_that_of_the_body(self):
        """a SOAPAction of another operation is refused; quotes or none, or no action at all, are all the same"""
        for action in (POST, f'"{POST}"', "", '""'):
            self.post(action=action)
        self.assertEqual(self.fault(post_body(), action='"https://msign.gov.md/IMSign/GetSignResponse"')[0], "Client")
        self.assertEqual(self.fault('<Drop xmlns="https://msign.gov.md"/>')[0], "Client")

    def test_the_contract_is_there_for_everybody(self):
        """?wsdl and ?singleWsdl in any letter case are one well-formed document that needs no other, without a client certificate"""
        def read(query):
            with urllib.request.urlopen(f"{self.portal.api}?{query}", context=self.portal.client_context(), timeout=WITHIN_S) as answer:
                return answer.read().decode()

        single = read("singleWsdl")
        for query in ("wsdl", "WSDL", "singlewsdl"):
            self.assertEqual(read(query), single)
        root = ElementTree.fromstring(single)
        self.assertEqual((root.tag, root.get("targetNamespace")), ("{http://schemas.xmlsoap.org/wsdl/}definitions", "https://msign.gov.md"))
        self.assertFalse([element.tag for element in root.iter() if element.tag.rpartition("}")[2] in ("import", "include", "fault")])
        self.assertEqual([element.get("location") for element in root.iter("{http://schemas.xmlsoap.org/wsdl/soap/}address")], [self.portal.api])

    def test_a_host_that_is_markup_stays_text(self):
        """the address in the contract is the Host of who asks, and can add nothing to the document"""
        connection = self.connect()
        connection.sendall(b'GET /MSign.svc?wsdl HTTP/1.1\r\nHost: a"/><b c="&d\r\n\r\n')
        status, _, text = read_answer(connection, "GET")
        if status == 200:
            address = next(ElementTree.fromstring(text).iter("{http://schemas.xmlsoap.org/wsdl/soap/}address"))
            self.assertEqual(list(address), [])
        else:
            self.assertEqual(status, 400)

    def stored(self):
        """How many rows there are of requests and of contents."""
        return [self.portal.sql(f"SELECT count(*) FROM {table}") for table in ("requests", "contents", "results")]

    def test_what_the_contract_does_not_allow(self):
        """each thing that is wrong in a request is InvalidParameter and named, and nothing of it is repeated"""
        same = content(correlation_id="x")
        wrong = {
            "Contents[1].CorrelationID": post_body(same, same),
            "Contents[0].CorrelationID": post_body(content(correlation_id="x" * 37)),
            "Contents[0].Content": post_body(content(b"x" * 31)),
            "Contents[1].Content": post_body(content(), content(b"")),
            "SHA-1": post_body(content(b"x" * 20)),
            "Contents": post_body("").replace("<Contents></Contents>", "<Contents/>"),
            "Contents[0].Name": post_body(content(name="ț" * 257)),
            "ShortContentDescription": post_body(short="ț" * 91),
            "ContentDescription": post_body(description="x" * 513),
            "ContentType": post_body(content_type="Pdf"),
            "is not base64": post_body(content().replace("</Content>", "*</Content>")),
            "DelegatorID": post_body(expected=signer(kind="Person")),
            "DelegatorType": post_body(expected=signer(kind="Organization", delegator="1003600012344")),
            **{f"ExpectedSigner.ID{' ' * i}": post_body(expected=signer(idnp)) for i, idnp in enumerate(("12", "", "200123456789x", "20012345678920"))},
            "SignRequest": post_body().replace("<ContentType>Hash</ContentType>", ""),
            "SignRequest/": post_body(content_type="Poem"),
            # WCF writes in alphabetical order, and readers of WCF count on it.
            "ContentType ": post_body().replace("<ContentType>Hash</ContentType>", "").replace("</Contents>", "</Contents><ContentType>Hash</ContentType>"),
        }
        stored = self.stored()
        for words, body in wrong.items():
            with self.subTest(words):
                code, reason = self.fault(body)
                self.assertEqual(code, "InvalidParameter")
                self.assertIn(words.strip(), reason)
        # The last of many is what is wrong: the others are not there either.
        self.fault(post_body(*(content(correlation_id=str(i)) for i in range(5_000)), content(b"x")))
        self.assertEqual(self.stored(), stored, "nothing of what was refused is stored")
        for length in (28, 32, 48, 64):
            self.post(post_body(content(b"x" * length)))
        self.post(post_body(content(name="ț" * 256), short="ț" * 90, description="ț" * 512))

    def test_what_is_no_message(self):
        """what is not XML, not an envelope, a bomb or too deep is a Client fault in no time; the portal goes on"""
        bomb = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 9))
        wrong = {
            "nothing": b"",
            "no XML": b"POST me",
            "cut": envelope(post_body())[:-9],
            "DTD bomb": f'<!DOCTYPE b [<!ENTITY e0 "ha">{bomb}]>'.encode() + envelope(post_body(short="BOMB")).replace(b"BOMB", b"&e8;"),
            "file": b'<!DOCTYPE b [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + envelope(post_body(short="FILE")).replace(b"FILE", b"&e;"),
            "deep": envelope("<a>" * 100_000 + "</a>" * 100_000),
            "no UTF-8": envelope(post_body(short="XX")).replace(b"XX", b"\xff\xfe"),
            "two bodies": envelope(post_body()).replace(b"</s:Envelope>", b"<s:Body/></s:Envelope>"),
            "two operations": envelope(post_body() * 2),
            "NUL": envelope(post_body(short="XX")).replace(b"XX", b"a\0b"),
            "unbound prefix": envelope("<m:PostSignRequest/>"),
        }
        stored = self.stored()
        for name, body in wrong.items():
            with self.subTest(name):
                started = time.monotonic()
                code, reason = self.fault(body)
                self.assertEqual(code, "Client", reason)
                self.assertNotIn("root:", reason)
                self.assertLess(time.monotonic() - started, WITHIN_S / 2)
        whole = envelope(post_body())
        connection = self.connect(self.shop)
        connection.sendall(self.head(whole) + whole[:-1])
        connection.close()
        self.post()
        self.assertEqual(int(self.stored()[0][0][0]), int(stored[0][0][0]) + 1, "nothing of what was refused or cut is stored")

    def test_other_paths_and_methods(self):
        """only /MSign.svc is there, for GET and POST; HEAD has no body"""
        connection = self.connect(self.shop)
        for line, status in (("GET / HTTP/1.1", 404), ("POST /MSign.svc/x HTTP/1.1", 404), ("DELETE /MSign.svc HTTP/1.1", 405), ("HEAD /MSign.svc?wsdl HTTP/1.1", 200)):
            connection.sendall(f"{line}\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode())
            self.assertEqual(read_answer(connection, line.split()[0])[0], status, line)

    def test_what_is_too_large_is_told_so(self):
        """a body over the limit is 413 before it is read, also to a client that goes on sending and one that asks first"""
        size = LARGEST_BODY + 1
        for more in ((), ("Expect: 100-continue",)):
            connection = self.connect(self.shop)
            connection.sendall(self.head(b"", *more).replace(b"Content-Length: 0", f"Content-Length: {size}".encode()))
            self.assertEqual(read_answer(connection)[0], 413)
        connection = self.connect(self.shop)
        connection.sendall(self.head(b"").replace(b"Content-Length: 0", f"Content-Length: {size}".encode()))
        sent = 0
        try:
            while sent < size:
                sent += connection.send(b"x" * 65_536)
        except OSError:
            pass  # it stopped listening, and has said why
        self.assertEqual(read_answer(connection)[0], 413)
        self.post()

    def test_ten_thousand_hashes(self):
        """10 000 contents are one request, 10 001 too many"""
        contents = [content(digest(str(i)), correlation_id=str(i), name=f"invoice-{i}.pdf") for i in range(10_001)]
        request_id = self.post(post_body(*contents[:-1]))
        page = SignPage(self.portal, request_id)
        self.assertEqual(page.data["documents"]["count"], 10_000)
        self.assertEqual(self.fault(post_body(*contents)), ("InvalidParameter", "Contents: more than 10000"))
        self.assertEqual(self.fault(verify_body(*[(digest("a"), "AAAA")] * 10_001)), ("InvalidParameter", "Contents: more than 10000"))

    def stalled(self):
        """Connections of clients that stall, by what they do, each with what it sends now and then: at the API over TLS, and at the pages."""
        body = envelope(post_body())
        form = f"POST /{self.post()}?ReturnUrl={RETURN_URL} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 999\r\n\r\n".encode()
        heads = {"API": (self.head(body), body[:40]), "pages": (form, b"RelayState=x")}
        for where, (head, part) in heads.items():
            for how, (sent, drop) in {
                "silent": (b"", b""), "header": (head[:40], b""), "body": (head + part, b""), "dripping header": (head[:20], b"x"), "dripping body": (head + part, b" "),
            }.items():
                connection = self.connect(self.shop) if where == "API" else socket.create_connection(("127.0.0.1", self.portal.page_port), WITHIN_S)
                self.addCleanup(connection.close)
                connection.sendall(sent)
                connection.settimeout(0.1)
                yield f"{where}: {how}", (connection, drop)

    @unittest.skipIf(ON_POSTGRESQL, "no database has a part in it, and it takes half a minute")
    def test_a_client_that_stalls_holds_up_nobody(self):
        """silent, stalled or dripping, in the header or in the body, at the API and at the pages: each ends in time, and others are answered meanwhile"""
        connections = dict(self.stalled())
        started = time.monotonic()
        self.assertEqual(SignPage(self.portal, self.post()).status, 200)
        self.assertLess(time.monotonic() - started, WITHIN_S / 2)

        def ended(connection, drop):
            try:
                if drop:
                    connection.sendall(drop)
                return connection.recv(4096) is not None
            except TimeoutError:
                return False
            except OSError:
                return True

        def all_ended():
            for name in [name for name, one in connections.items() if ended(*one)]:
                connections.pop(name)[0].close()
            return not connections

        until(all_ended, f"the stalled connections end: {list(connections)}", STALLED_ENDS_WITHIN_S)
        self.assertEqual(SignPage(self.portal, self.post()).status, 200)

    @unittest.skipIf(ON_POSTGRESQL, "no database has a part in it")
    def test_who_does_not_read_holds_up_nobody(self):
        """pages that are asked for and not read, by many: others are answered meanwhile; a slow reader gets the whole, and the portal ends in time"""
        portal = Portal(self.bin, self.folder / "unread")
        portal.configuration.write_text("stop_timeout_s = 1\n" + portal.configuration.read_text())
        shop = portal.add_consumer("shop")
        portal.start()
        self.addCleanup(lambda: portal.process.poll() is None and portal.stop())
        size = int(portal.at_pages("GET", "/page.js")[1]["Content-Length"])

        def asking(times):
            """Who asks for the script so often, with the smallest buffer that there is."""
            connection = socket.socket()
            self.addCleanup(connection.close)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            connection.connect(("127.0.0.1", portal.page_port))
            connection.sendall(b"GET /page.js HTTP/1.1\r\nHost: x\r\n\r\n" * times)
            return connection

        deaf = [asking(500) for _ in range(100)]
        slow = asking(1)
        started = time.monotonic()
        self.assertEqual(SignPage(portal, self.post(portal=portal, consumer=shop)).status, 200)
        self.assertLess(time.monotonic() - started, WITHIN_S / 2)
        with slow.makefile("rb", buffering=0) as answer:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += answer.read(1)
            body = b""
            while len(body) < size:
                body += answer.read(500)
        self.assertEqual(body.decode(), portal.at_pages("GET", "/page.js")[2])
        gauges = portal.operations("/metrics")[1]
        self.assertRegex(gauges, rf"signet_portal_page_connections {len(deaf) + 1}\b", "they wait all the while")
        self.assertEqual(portal.stop(), 0)

    def test_texts_are_texts(self):
        """markup, quotes and SQL in every text come back unharmed, and unescaped in no page"""
        contents = [content(digest(text), correlation_id=f"{i}{text}"[:36], name=text) for i, text in enumerate(NASTY)]
        for text in NASTY:
            request_id = self.post(post_body(*contents, short=text, description=text * 3))
            page = SignPage(self.portal, request_id, relay_state=text)
            self.assertEqual(page.status, 200)
            before, data, after = page.html.partition('id="data">')
            data, _, after = after.partition("</script>")
            self.assertNotRegex(data, "[<>&\u2028]")
            for nasty in ("alert(1)", "DROP TABLE"):
                self.assertNotIn(nasty, before + after)
            self.assertEqual(page.data["description"].replace("\ufffd", "\u2028"), text * 3)
        page.call("claim", instrument="sandbox")
        self.assertEqual(page.call("sandbox", action="sign")[1]["return"]["fields"]["RelayState"], NASTY[-1])
        status, text = self.call(get_body(request_id))
        self.assertEqual(status, 200)
        ids = [element.text for element in ElementTree.fromstring(text).iter("{https://msign.gov.md}CorrelationID")]
        self.assertEqual(ids, [f"{i}{text}"[:36] for i, text in enumerate(NASTY)])
        for nasty in NASTY[:3]:
            self.assertEqual(self.fault(get_body(nasty.replace("&", "&amp;").replace("<", "&lt;")))[0], "RequestNotFound")

    def test_an_answered_request_survives_a_kill(self):
        """what PostSignRequest has answered is there after SIGKILL and a restart, and its page too"""
        folder = self.folder / "killed"
        portal = Portal(self.bin, folder)
        shop = portal.add_consumer("shop")
        portal.start()
        self.addCleanup(lambda: portal.stop())
        posted = [self.post(portal=portal, consumer=shop) for _ in range(5)]
        portal.kill()
        portal.start()
        for request_id in posted:
            self.assertIn("<Status>Pending</Status>", self.call(get_body(request_id), portal=portal, consumer=shop)[1])
        self.assertEqual(SignPage(portal, posted[-1]).status, 200)

    def test_systemd_hears_of_it(self):
        """it says that it is ready, again and again that it lives (WatchdogSec of its unit), and that it stops"""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(str(self.folder / "notify"))
            systemd.settimeout(WITHIN_S)
            portal = Portal(self.bin, self.folder / "notifies")
            portal.add_consumer("shop")
            with unittest.mock.patch.dict(os.environ, NOTIFY_SOCKET=str(self.folder / "notify")):
                portal.start()
            self.addCleanup(portal.kill)
            self.assertEqual([systemd.recv(99) for _ in range(3)], [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"])
            portal.stop()
            said = []
            while said[-1:] != [b"STOPPING=1"]:
                said.append(systemd.recv(99))

    def test_it_ends_when_it_is_told_to(self):
        """SIGTERM ends the portal within its limit and with exit code 0, whoever is connected"""
        portal = Portal(self.bin, self.folder / "ended")
        portal.configuration.write_text("stop_timeout_s = 2\n" + portal.configuration.read_text())
        shop = portal.add_consumer("shop")
        portal.start()
        stalled = [self.connect(shop, portal) for _ in range(3)]
        stalled[1].sendall(self.head(b"x" * 99))
        stalled[2].sendall(self.head(b"x" * 99) + b"x")
        started = time.monotonic()
        self.assertEqual(portal.stop(), 0)
        self.assertLess(time.monotonic() - started, WITHIN_S / 2)


class CallerTest(WireCase):
    @classmethod
    def prepare(cls):
        cls.foreign = cls.portal.add_consumer("foreign", "--address", "192.0.2.1")  # and 127.0.0.1 again, so:
        cls.portal.command("consumer", "remove", "foreign")
        cls.portal.command(
            "consumer", "add", "foreign", "--name", "Foreign", "--address", "192.0.2.1", "--return-url", RETURN_URL, "--certificate", cls.foreign[0], "--active"
        )
        cls.idle = cls.portal.add_consumer("idle")
        cls.portal.command("consumer", "deactivate", "idle")
        cls.other = cls.portal.add_consumer("other")
        cls.expired = make_certificate(cls.folder, "expired", cls.authority(), days=(-9, -2))
        cls.unknown = make_certificate(cls.folder, "unknown", cls.authority())
        cls.own = make_certificate(cls.folder, "own")
        cls.stranger = make_certificate(cls.folder, "stranger", make_authority("Another TEST CA"))
        # One that says that the right CA issued it, and was not.
        authority, _ = cls.authority()
        cls.forged = make_certificate(cls.folder, "forged", (authority, make_authority("x")[1]))

    def s_client(self, consumer):
        """(status line, body) as `openssl s_client` reads them."""
        body = envelope(post_body())
        head = f"POST /MSign.svc HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        identity = ["-cert", consumer[0], "-key", consumer[1]] if consumer else []
        said = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.portal.api_port}", "-CAfile", self.portal.certificate, "-verify_return_error"]
            + ["-quiet", "-no_ign_eof", "-ign_eof", *identity],
            input=head.encode() + body, capture_output=True, check=False, timeout=WITHIN_S,
        )
        head, _, body = said.stdout.decode().partition("\r\n\r\n")
        self.assertTrue(head, said.stderr.decode())
        return head.splitlines()[0], body

    def test_openssl_reads_why_it_is_not_let_in(self):
        """without a certificate, with one of nobody, of another CA, a forged and an expired one, the handshake completes and the fault says why"""
        for name, words in {
            None: "none was presented", "own": "not issued by", "stranger": "not issued by", "forged": "not issued by", "expired": "it has expired",
        }.items():
            with self.subTest(name):
                status, body = self.s_client(getattr(self, name) if name else None)
                self.assertEqual(status.split()[1], "500")
                code, reason = fault_of(body)
                self.assertEqual(code, "AuthenticationFailed")
                self.assertTrue(reason.startswith("Invalid authentication certificate provided"), reason)
                self.assertIn(words, reason)
        self.assertEqual(self.s_client(self.shop)[0].split()[1], "200")

    def asked_for_certificate(self, portal, port, version):
        """Whether the handshake holds a CertificateRequest, as `openssl s_client -msg` shows it, whatever client certificate there is."""
        words = ["-CAfile", portal.certificate, "-verify_return_error", "-cert", self.shop[0], "-key", self.shop[1], "-msg", version]
        ran = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *words], input=b"", capture_output=True, check=True, timeout=WITHIN_S)
        said = ran.stdout.decode()
        self.assertRegex(said, r"<<< TLS 1\.[23], Handshake .*ServerHello")
        self.assertIn("Verify return code: 0 (ok)", said)
        asked = "CertificateRequest" in said
        if not asked:
            self.assertIn("No client certificate CA names sent", said)
        self.assertEqual(bool(re.search(r">>> TLS 1\.[23], Handshake .*CertificateVerify", said)), asked, "only who is asked shows it")
        return asked

    def test_the_pages_ask_for_no_certificate(self):
        """over TLS the API asks for a client certificate and the pages never do, in TLS 1.2 and 1.3, also where a browser has one"""
        portal = Portal(self.bin, self.folder / "tls-pages")
        pages = f'[pages]\nlisten = ["127.0.0.1:{portal.page_port}"]\n'
        text = portal.configuration.read_text()
        self.assertIn(pages, text)
        portal.configuration.write_text(text.replace(pages, f'{pages}certificate = "{portal.certificate}"\nkey = "{portal.key}"\n'))
        portal.add_consumer("shop")
        portal.start()
        self.addCleanup(lambda: portal.stop())
        for version in ("-tls1_2", "-tls1_3"):
            self.assertTrue(self.asked_for_certificate(portal, portal.api_port, version), version)
            self.assertFalse(self.asked_for_certificate(portal, portal.page_port, version), version)

    def test_operators_are_told_the_rule(self):
        """`consumer test` lets in whom the service does, and else names the rule that refuses in the service's own words; PEM and DER"""
        callers = {"shop": self.shop, **{name: getattr(self, name) for name in ("expired", "own", "stranger", "forged", "unknown", "idle", "foreign")}}
        for name, consumer in callers.items():
            with self.subTest(name):
                der = self.folder / f"{name}.cer"
                der.write_bytes(der_of(consumer[0]))
                told = [self.portal.command("consumer", "test", "--cert", file, "--from", "127.0.0.1", check=False) for file in (consumer[0], der)]
                self.assertEqual(*[(ran.returncode, ran.stdout, ran.stderr) for ran in told])
                if name == "shop":
                    self.assertEqual((told[0].returncode, told[0].stdout), (0, "let in as shop (Test shop)\n"))
                else:
                    self.assertEqual((told[0].returncode, told[0].stderr), (1, "signet-portal: {}: {}\n".format(*self.fault(post_body(), consumer=consumer))))
        from_there = self.portal.command("consumer", "test", "--cert", self.foreign[0], "--from", "192.0.2.1")
        self.assertEqual(from_there.stdout, "let in as foreign (Foreign)\n")

    def test_old_tls_is_refused(self):
        """TLS 1.2 and 1.3 with a client certificate, nothing older"""
        def version(number):
            context = self.portal.client_context(*self.shop)
            context.set_ciphers("ALL:@SECLEVEL=0")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # that is why it is tried
                context.minimum_version = context.maximum_version = number
            return context

        for number in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.assertEqual(self.portal.soap(envelope(post_body()), version(number))[0], 200, number)
        with self.assertRaises(urllib.error.URLError):
            self.portal.soap(envelope(post_body()), version(ssl.TLSVersion.TLSv1_1))

    def test_who_is_not_let_in(self):
        """a number that nobody registered, an e-service that is not active, and one that calls from elsewhere"""
        for consumer, reason in (
            (self.unknown, "Unknown service consumer: {}"),
            (self.idle, "Service consumer is not active: {}"),
            (self.foreign, "Service consumer may not call from this address: {}"),
        ):
            self.assertEqual(self.fault(post_body(), consumer=consumer), ("AuthenticationFailed", reason.format(serial_of(consumer[0]))))

    def test_who_calls_is_asked_before_what(self):
        """a stranger learns nothing of messages, requests and parameters"""
        request_id = self.post()
        for body in (get_body(request_id), get_body("0" * 32), post_body(content(b"")), b"no XML"):
            self.assertEqual(self.fault(body, consumer=self.unknown)[0], "AuthenticationFailed")

    def test_a_stranger_gets_no_memory(self):
        """who would not be let in hears so for a message of usual size; a large one is 413 before it is read, announced or in chunks"""
        large = post_body(*(content(correlation_id=str(i)) for i in range(5_000)))
        self.assertGreater(len(large), 256 << 10)
        self.assertEqual(self.call(large)[0], 200)
        usual = post_body(*(content(correlation_id=str(i)) for i in range(1_000)))
        head = b"POST /MSign.svc HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n"
        for consumer in (None, self.unknown, self.idle):
            self.assertEqual(self.fault(usual, consumer=consumer)[0], "AuthenticationFailed")
            for rest in (b"Content-Length: 300000\r\n\r\n", b"Content-Length: 300000\r\nExpect: 100-continue\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n493e0\r\n"):
                connection = self.connect(consumer)
                connection.sendall(head + rest)
                self.assertEqual(read_answer(connection)[0], 413)

    def test_a_revoked_certificate(self):
        """a certificate on its CA's list is refused though it is registered, and another of the CA is let in"""
        portal = Portal(self.bin, self.folder / "revoking")
        revoked, good = portal.add_consumer("revoked"), portal.add_consumer("good")
        make_list(portal.sandbox, revoked[0])
        portal.start()
        self.addCleanup(lambda: portal.stop())
        code, reason = self.fault(post_body(), consumer=revoked, portal=portal)
        self.assertEqual((code, reason), ("AuthenticationFailed", "Invalid authentication certificate provided: it has been revoked"))
        self.assertEqual(portal.command("consumer", "test", "--cert", revoked[0], "--from", "127.0.0.1", check=False).returncode, 1)
        self.assertEqual(self.call(post_body(), consumer=good, portal=portal)[0], 200)

        # The CA goes on making lists, and a portal runs for months.
        def reason_of(consumer):
            status, text = self.call(post_body(), consumer=consumer, portal=portal)
            return "let in" if status == 200 else fault_of(text)[1]

        make_list(portal.sandbox, good[0])
        until(lambda: "it has been revoked" in reason_of(good), "a new list counts", within_s=10)
        self.assertEqual(reason_of(revoked), "let in", "it is not on this one")
        make_list(portal.sandbox, good[0], lasts=-datetime.timedelta(minutes=1))
        until(lambda: "list is missing or out of date" in reason_of(revoked), "a list that is over says so", within_s=10)
        make_list(portal.sandbox, good[0])
        until(lambda: reason_of(revoked) == "let in", "the next one mends it", within_s=10)

    def test_a_request_is_its_poster_s(self):
        """another e-service is told that it is not its own, whatever became of the request"""
        request_id = self.post()
        refused = ("AuthorizationFailed", "This signature request was not initiated by this system")
        self.assertEqual(self.fault(get_body(request_id), consumer=self.other), refused)
        SignPage(self.portal, request_id).call("give_up", reason="user_cancelled")
        self.assertEqual(self.fault(get_body(request_id), consumer=self.other), refused)

    def test_headers_of_nobody_are_not_believed(self):
        """a certificate or an address in a header changes nothing where no configured proxy wrote it"""
        header = {"X-Client-Cert": urllib.parse.quote(self.shop[0].read_text())}
        self.assertIn("none was presented", self.fault(post_body(), consumer=None, headers=header)[1])
        self.assertIn("Unknown service consumer", self.fault(post_body(), consumer=self.unknown, headers=header)[1])
        forwarded = {"X-Forwarded-For": "192.0.2.1"}
        self.assertIn("may not call from this address", self.fault(post_body(), consumer=self.foreign, headers=forwarded)[1])
        self.post(headers=forwarded)

    def test_headers_of_a_configured_proxy_are_believed(self):
        """behind a proxy its header is the certificate, in the forms that proxies write, and the last address that is no proxy's counts"""
        portal = Portal(
            self.bin, self.folder / "proxied", more='[proxies]\ntrusted = ["127.0.0.1", "10.0.0.0/8"]\ncertificate_header = "X-Client-Cert"\n'
        )
        shop = portal.add_consumer("shop", "--address", "192.0.2.0/24")
        portal.start()
        self.addCleanup(lambda: portal.stop())
        pem = shop[0].read_text()
        spaced = pem.replace("\n", " ").strip()
        forms = (urllib.parse.quote(pem, safe=""), spaced, base64.b64encode(der_of(shop[0])).decode())

        def call(headers, consumer=None):
            return self.call(post_body(), consumer=consumer, portal=portal, headers=headers)

        for form in forms:
            self.assertEqual(call({"X-Client-Cert": form})[0], 200, form[:40])
        for address, status in {
            "192.0.2.7": 200, "198.51.100.1": 500, "198.51.100.1, 192.0.2.7": 200, "192.0.2.7, 198.51.100.1": 500, "192.0.2.7, 10.1.1.1": 200,
            "198.51.100.1, 10.1.1.1,10.2.2.2": 500,
        }.items():
            self.assertEqual(call({"X-Client-Cert": forms[0], "X-Forwarded-For": address})[0], status, address)
        # The proxy's word is the whole of it: not its own TLS certificate, none that cannot be read, not two.
        for headers, consumer in (({}, None), ({}, shop), ({"X-Client-Cert": ""}, shop), ({"X-Client-Cert": forms[0][:-200]}, None), ({"X-Client-Cert": "%zz%"}, None)):
            status, text = call(headers, consumer)
            self.assertEqual((status, fault_of(text)[0]), (500, "AuthenticationFailed"), headers)
        body = envelope(post_body())
        connection = self.connect(portal=portal)
        twice = f"X-Client-Cert: {forms[0]}\r\n" * 2
        connection.sendall(f"POST /MSign.svc HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n{twice}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self.assertIn("AuthenticationFailed", read_answer(connection)[2])


class RegisterTest(WireCase):
    def told(self, *words):
        ran = self.portal.command("consumer", *words, check=False)
        return ran.returncode, (ran.stdout + ran.stderr).strip()

    def outcome(self, consumer=None):
        """"let in", or the fault's reason."""
        status, text = self.call(post_body(), consumer=consumer or self.shop)
        return "let in" if status == 200 else fault_of(text)[1]

    def soon(self, words, consumer=None):
        """Without a restart; the portal looks each second."""
        until(lambda: words in self.outcome(consumer), words, within_s=5)

    def test_a_life_of_a_consumer(self):
        """added, listed, tested, activated, rotated, deactivated and removed: what is said, and that it counts after a second without a restart"""
        issue = self.folder / "life"
        add = ["add", "life", "--name", "Life", "--address", "127.0.0.0/8", "--return-url", RETURN_URL, "--issue", issue]
        self.assertEqual(self.told(*add), (0, "registered life: `signet-portal consumer activate life` lets it call"))
        self.assertEqual(self.told(*add), (1, "signet-portal: there is a consumer life already"))
        first = issue / "life.pem", issue / "life.key"
        serial = serial_of(first[0])
        code, said = self.told("list")
        self.assertEqual(code, 0)
        self.assertRegex(said, rf"life  not active  test  Life\n  certificate {serial} until \S+Z\n  from 127.0.0.0/8\n  back to {RETURN_URL}")
        test = ["test", "--cert", first[0], "--from", "127.0.0.1"]
        self.assertEqual(self.told(*test), (1, f"signet-portal: AuthenticationFailed: Service consumer is not active: {serial}"))
        self.soon("not active", first)

        self.assertEqual(self.told("activate", "life"), (0, "life may call now"))
        self.assertEqual(self.told(*test), (0, "let in as life (Life)"))
        self.assertIn("may not call from this address", self.told("test", "--cert", first[0], "--from", "192.0.2.1")[1])
        self.soon("let in", first)

        renewed = self.folder / "renewed"
        key = first[1].read_text()
        self.assertEqual(self.told("rotate", "life", "--issue", issue)[0], 1)
        self.assertEqual(first[1].read_text(), key, "a key that is there is kept")
        self.assertEqual(self.told("rotate", "life", "--issue", renewed), (0, "life has 2 certificates"))
        second = renewed / "life.pem", renewed / "life.key"
        self.soon("let in", second)
        self.assertEqual(self.outcome(first), "let in", "both while it is being rotated")
        self.assertEqual(self.told("rotate", "life", "--only"), (0, "life has 1 certificate"))
        self.soon("Unknown service consumer", first)
        self.assertEqual(self.outcome(second), "let in")

        self.assertEqual(self.told("deactivate", "life"), (0, "life may not call any more"))
        self.soon("not active", second)
        self.assertEqual(self.told("remove", "life"), (0, "removed life"))
        self.soon("Unknown service consumer", second)
        for word in ("remove", "activate", "deactivate", "rotate"):
            self.assertEqual(self.told(word, "life"), (1, "signet-portal: there is no consumer life"))
        self.assertNotIn("life", self.told("list")[1])

    def test_what_is_registered_changes(self):
        """addresses, return URLs and the name are replaced by what `set` gives, the rest stays; what cannot be is refused and changes nothing"""
        moved = self.portal.add_consumer("moved")
        page = lambda url: self.portal.at_pages("GET", f"/{request_id}?ReturnUrl={urllib.parse.quote(url)}")[0]
        self.soon("let in", moved)
        request_id = self.post(consumer=moved)
        new = "https://new.example/signed"
        self.assertEqual((page(RETURN_URL), page(new)), (200, 400))
        self.assertEqual(self.told("set", "moved", "--return-url", new, "--return-url", "https://third.example/"), (0, "changed moved"))
        until(lambda: page(new) == 200, "the register is read")
        self.assertEqual(page(RETURN_URL), 400)
        self.assertEqual(self.outcome(moved), "let in")
        self.assertEqual(self.told("set", "moved", "--address", "192.0.2.0/24", "--name", "Moved on"), (0, "changed moved"))
        self.soon("may not call from this address", moved)
        self.assertRegex(self.told("list")[1], rf"moved  active  test  Moved on\n  certificate .*\n  from 192.0.2.0/24\n  back to {new}\n  back to https://third.example/")
        before = self.told("list")
        for words in ((), ("--address", "192.0.2.1/24"), ("--return-url", "http://new.example/"), ("--return-url", new, "--name", "\x07")):
            self.assertEqual(self.told("set", "moved", *words)[0], 1, words)
        self.assertEqual(self.told("set", "nobody", "--name", "x"), (1, "signet-portal: there is no consumer nobody"))
        self.assertEqual(self.told("list"), before)

    def test_keys_are_not_overwritten(self):
        """--issue touches no file that is there unless told so, and makes none for what is not registered"""
        issue = self.folder / "kept-keys"
        add = ["add", "again", "--name", "Again", "--address", "127.0.0.1", "--return-url", RETURN_URL, "--issue", issue]
        self.assertEqual(self.told(*add[:-3], "no URL", "--issue", issue)[0], 1)
        self.assertFalse(issue.exists())
        for extension in ("pem", "key", "p12"):
            issue.mkdir(exist_ok=True)
            there = issue / f"again.{extension}"
            there.write_text("mine")
            code, said = self.told(*add)
            self.assertEqual(code, 1)
            self.assertIn(f"{there} is there already", said)
            self.assertEqual([(file, file.read_text()) for file in issue.iterdir()], [(there, "mine")])
            there.unlink()
        self.assertEqual(self.told(*add)[0], 0)
        first = (issue / "again.key").read_text()
        self.told("remove", "again")
        self.assertEqual(self.told(*add)[0], 1)
        self.assertNotIn("again", self.told("list")[1])
        self.assertEqual((issue / "again.key").read_text(), first)
        self.assertEqual(self.told(*add, "--overwrite")[0], 0)
        self.assertNotEqual((issue / "again.key").read_text(), first)

    def test_an_open_connection_is_no_privilege(self):
        """who is deactivated is refused on the connection that was let in"""
        kept = self.portal.add_consumer("kept")
        self.soon("let in", kept)
        connection = self.connect(kept)
        body = envelope(post_body())
        message = f"POST /MSign.svc HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

        def again():
            connection.sendall(message)
            return read_answer(connection)

        self.assertEqual(again()[0], 200)
        self.told("deactivate", "kept")
        until(lambda: "not active" in again()[2], "it is refused", within_s=5)

    def test_what_cannot_be_registered(self):
        """what a consumer cannot be is refused with a reason and exit code 1, wrong usage with 3, a wrong configuration with 78"""
        def add(*words, identity="no", **options):
            given = {"--name": "No", "--address": "127.0.0.1", "--return-url": RETURN_URL, "--certificate": str(stranger[0]), **options}
            return self.told("add", identity, *(word for pair in given.items() if pair[1] is not None for word in pair), *words)

        stranger = make_certificate(self.folder, "stranger", make_authority("Another TEST CA"))
        own = make_certificate(self.folder, "proper", self.authority())
        self.assertEqual(add(), (1, "signet-portal: the certificate was not issued by one of the CAs in consumers.ca"))
        fine = {"--certificate": str(own[0])}
        for words, refused in {
            "--address 192.0.2.7/24": {"--address": "192.0.2.7/24"}, "--address everywhere": {"--address": "everywhere"},
            "http is for this machine": {"--return-url": "http://shop.example/"}, "return URL": {"--return-url": "https://user@shop.example/"}, "name": {"--name": "<\u202e>"},
            "--certificate, --serial": {"--certificate": None}, "no certificate": {"--certificate": str(self.portal.configuration)},
        }.items():
            code, said = add(**{**fine, **refused})
            self.assertEqual((code, words in said), (1, True), said)
        self.assertEqual(add(identity="Shop_1", **fine)[0], 1)
        self.assertEqual(add(**{**fine, "--name": None})[0], 3)
        self.assertEqual(add("--serial", "ff", **fine)[0], 3)
        self.assertEqual(add("--serial", "ff", **{**fine, "--certificate": None})[0], 1)
        self.assertEqual(add(**{"--certificate": str(self.shop[0])}), (1, f"signet-portal: certificate {serial_of(self.shop[0])} is another consumer's"))
        self.assertEqual(self.told("test", "--cert", self.folder / "none.pem", "--from", "127.0.0.1")[0], 1)
        self.assertEqual(self.told("test", "--cert", own[0], "--from", "here")[0], 1)
        self.assertEqual(self.told()[0], 3)
        self.assertNotIn("no  ", self.told("list")[1])
        broken = self.folder / "broken.toml"
        broken.write_text("public_url = 7\n")
        ran = subprocess.run([self.portal.program, "--config", broken, "consumer", "list"], capture_output=True, text=True, check=False, timeout=WITHIN_S)
        self.assertEqual(ran.returncode, 78, ran.stderr)

    def test_by_its_number_alone(self):
        """a certificate that is named by its number and its CA lets in who has that one, in the way operators copy numbers"""
        certificate = make_certificate(self.folder, "numbered", self.authority())
        serial = serial_of(certificate[0])
        padded = serial.zfill(len(serial) + len(serial) % 2)
        written = "00:" + ":".join(padded[i : i + 2] for i in range(0, len(padded), 2)).upper()
        words = ["--name", "Numbered", "--address", "127.0.0.1", "--return-url", RETURN_URL, "--active", "--serial", written]
        self.assertEqual(self.told("add", "numbered", *words)[0], 1, "a number without its CA")
        self.assertEqual(self.told("add", "numbered", *words, "--ca", self.portal.sandbox / "sandbox-ca.pem"), (0, "registered numbered"))
        self.soon("let in", certificate)

    def test_by_a_cer_in_der(self):
        """a certificate may be registered as the .cer that authorities hand out: DER, or PEM under that name"""
        for number, form in enumerate((der_of, lambda file: file.read_bytes())):
            certificate = make_certificate(self.folder, f"handed{number}", self.authority())
            cer = self.folder / f"handed{number}.cer"
            cer.write_bytes(form(certificate[0]))
            words = ["--name", "Handed", "--address", "127.0.0.1", "--return-url", RETURN_URL, "--active", "--certificate", cer]
            self.assertEqual(self.told("add", f"handed{number}", *words), (0, f"registered handed{number}"))
            self.soon("let in", certificate)

    def test_the_listing_for_programs(self):
        """`--json` prints an object a line, with everything that is registered"""
        ran = self.portal.command("--json", "consumer", "list")
        shop = next(one for one in map(json.loads, ran.stdout.splitlines()) if one["id"] == "shop")
        self.assertEqual((shop["active"], shop["environment"], shop["addresses"], shop["return_urls"]), (True, "test", ["127.0.0.1"], [RETURN_URL]))
        self.assertEqual(shop["certificates"][0]["serial"], serial_of(self.shop[0]))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    WireCase.bin = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
