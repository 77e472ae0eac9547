#!/usr/bin/python3
"""The Sign Page by HTTP alone, as what is no honest browser asks it: where it may lead back, who may call it, what it takes as a signature.

usage: sign_page_test.py FOLDER-OF-SIGNET-PORTAL [unittest's arguments]

Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import base64
import hmac
import json
import os
import pathlib
import re
import socket
import sys
import unittest
import urllib.parse

from portal_bench import RETURN_URL, WITHIN_S, Portal, SignPage, until
from wire_case import IDNP, WireCase, content, digest, get_body, post_body, signer

OTHER_IDNP = "2009876543210"
FORM = "application/x-www-form-urlencoded"
REFUSED_URLS = (
    "https://evil.example/signed", "http://shop.example/signed", "https://shop.example/signedx", "https://shop.example/", "https://shop.example/signed/../x",
    "https://shop.example/signed/%2e%2e/x", "https://shop.example/signed/..%2fx", "https://shop.example/signed/..;/x", "https://shop.example/signed/%252e%252e/x",
    "https://shop.example.evil.example/signed", "https://shop.example@evil.example/signed", "https://evil.example\\@shop.example/signed",
    "https://shop.example\\.evil.example/signed", "https://evil.example/https://shop.example/signed", "//shop.example/signed", "/signed", "signed",
    "javascript:alert(1)//https://shop.example/signed", "data:text/html,x", "https:shop.example/signed", "https:/shop.example/signed", "https:///shop.example/signed",
    " https://shop.example/signed", "https://shop.example/signed\n", "https://shop.example/si\tgned", "https://shop.example:444/signed", "https://shop.example:0443x/signed",
    "https://shop.example/signed\x00", "https://shop.example%00.evil.example/signed", "https://shop.example%2f.evil.example/signed", "https://shop.example?/signed",
    "https://shop.example#/signed", "https://ѕhop.example/signed", "https://shop.example。evil.example/signed", "https://[::1]/signed", "blob:https://shop.example/signed",
    "https://shop.example./signed", "https://shop.example/SIGNED", "https://shop.example/signed/" + "x" * 5_000, "HTTPS://EVIL.example/signed",
)
ALLOWED_URLS = (
    RETURN_URL, f"{RETURN_URL}/", f"{RETURN_URL}/a/b", f"{RETURN_URL}?a=b&c=%20", f"{RETURN_URL}#x", "https://SHOP.example/signed", "https://shop.example:443/signed",
    f"{RETURN_URL}?next=https://evil.example/",
)


class SignPageCase(WireCase):
    def open(self, request_id=None, **parameters):
        return SignPage(self.portal, request_id or self.post(), **parameters)

    def claimed(self, request_id=None, **parameters):
        page = self.open(request_id, **parameters)
        self.assertEqual(page.call("claim", instrument="sandbox")[0], 200)
        return page

    def refused(self, page, status, code, **named):
        """That the page is an error, which names what is to be mended, without a token and without a way to anywhere."""
        self.assertEqual((page.status, page.data["page"], page.data["code"]), (status, "error", code))
        for key, value in named.items():
            self.assertEqual(page.data.get(key), value)
        self.assertNotIn("token", page.data)
        self.assertNotIn("return", page.data)
        self.assertIn("form-action 'self';", page.headers["Content-Security-Policy"])

    def http(self, method, path, body=None, headers=None):
        return self.portal.at_pages(method, path, body, headers)

    def posted_page(self, request_id, fields, query=""):
        status, headers, html = self.http("POST", f"/{request_id}{query}", urllib.parse.urlencode(fields), {"Content-Type": FORM})
        page = SignPage.__new__(SignPage)
        page.portal, page.id, page.key, page.status, page.headers, page.html = self.portal, request_id, os.urandom(16).hex(), status, headers, html
        page.data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.S).group(1))
        return page

    def assert_error(self, answer, status, code):
        self.assertEqual((answer[0], answer[1]["error"]["code"]), (status, code))

    def answer_of(self, request_id):
        return self.call(get_body(request_id))[1]


class OpeningTest(SignPageCase):
    def test_the_way_back_is_a_registered_one(self):
        """a ReturnUrl that is not below what the e-service registered, however it is written, is refused; what is below it is taken as it is"""
        request_id = self.post()
        for url in REFUSED_URLS:
            with self.subTest(url):
                self.refused(self.open(request_id, return_url=url), 400, "return_url_refused", parameter="ReturnUrl")
        self.refused(self.open(request_id, return_url=""), 400, "return_url_missing", parameter="ReturnUrl", host=None)
        for url in ALLOWED_URLS:
            with self.subTest(url):
                page = self.open(request_id, return_url=url)
                self.assertEqual((page.status, page.data["page"]), (200, "sign"))
        page = self.claimed(request_id, return_url=ALLOWED_URLS[3])
        self.assertEqual(page.call("give_up", reason="user_cancelled")[1]["return"]["url"], ALLOWED_URLS[3])

    def test_a_refused_way_back_is_named(self):
        """the page names the host that a refused ReturnUrl leads to, as text; one that programs read differently, or that is markup, is not named"""
        request_id = self.post()
        for url, host in (
            ("https://evil.example:8443/signed", "evil.example:8443"), ("http://shop.example/signed", "shop.example"), ("https://shop.example/signed/../x", "shop.example"),
            ("https://shop.example@evil.example/", None), ("https://</script><b>/", None), ("javascript:alert(1)", None), ("https://call.us now/", None),
        ):
            page = self.open(request_id, return_url=url)
            self.refused(page, 400, "return_url_refused", host=host)
            self.assertNotIn("href=\"https", page.html)
            self.assertNotIn("</script><b>", page.html)
            self.assertNotIn("evil", str(page.headers))

    def test_of_two_ways_back_the_first_counts(self):
        """a second ReturnUrl neither hides the first from the check nor takes its place"""
        request_id = self.post()
        good, evil = (urllib.parse.quote(url, safe="") for url in (RETURN_URL, "https://evil.example/"))
        for first, second, status in ((good, evil, 200), (evil, good, 400)):
            answer = self.http("GET", f"/{request_id}?ReturnUrl={first}&returnurl={second}")
            self.assertEqual(answer[0], status)
            self.assertNotIn("evil.example", answer[2].replace('"host":"evil.example"', "") + str(answer[1]))
        body = urllib.parse.urlencode({"ReturnUrl": RETURN_URL})
        self.assertEqual(self.http("POST", f"/{request_id}?returnUrl={evil}", body, {"Content-Type": FORM})[0], 200)

    def test_parameters_in_any_letter_case_by_get_and_post(self):
        """names of parameters are read in any letter case, from the address and from a form"""
        request_id = self.post()
        for names in (("ReturnUrl", "RelayState", "Instrument", "MSISDN", "lang"), ("returnUrl", "relayState", "instrument", "msisdn", "Lang"), ("RETURNURL", "RELAYSTATE", "INSTRUMENT", "Msisdn", "LANG")):
            fields = dict(zip(names, (RETURN_URL, "r", "Sandbox", "37369123456", "ru"), strict=True))
            status, _, html = self.http("GET", f"/{request_id}?{urllib.parse.urlencode(fields)}")
            self.assertEqual(status, 200)
            for page in (self.posted_page(request_id, fields), self.posted_page(request_id, {}, f"?{urllib.parse.urlencode(fields)}")):
                data = page.data
                self.assertEqual((data["language"], data["instrument"], data["msisdn"], data["return_origin"]), ("ru", "sandbox", "37369123456", "https://shop.example"))
                self.assertIn('<html lang="ru"', html)
                self.assertEqual(page.call("state")[0], 200)

    def test_relay_state_comes_back_as_it_was(self):
        """RelayState is returned byte for byte, empty too, absent only where it was; what cannot be is not taken"""
        states = ("", " ", "a b+c", "a=b&c=d", "%41%zz%", "ț ж 漢 \U0001f58b", "\"'<>&;", "a\r\nb\tc", "\r\n\r\n", "\x00\x01\x7f", "null", '{"a":[1]}', "\u2028\u2029\ufeff", "x" * 16_384, "</script><script>")
        for by_form in (False, True):
            for state in states:
                with self.subTest(state[:20], by_form=by_form):
                    request_id = self.post()
                    fields = {"ReturnUrl": RETURN_URL, "RelayState": state}
                    page = self.posted_page(request_id, fields) if by_form else self.open(request_id, relay_state=state)
                    self.assertEqual(page.status, 200)
                    back = page.call("give_up", reason="user_cancelled")[1]["return"]
                    self.assertEqual(back["fields"], {"RequestID": request_id, "RelayState": state})
        page = self.open()
        self.assertNotIn("RelayState", page.call("give_up", reason="user_cancelled")[1]["return"]["fields"])
        request_id = self.post()
        for query in ("%ff", "%c3", "%ed%a0%80", "x" * 16_385):
            self.assertEqual(self.http("GET", f"/{request_id}?ReturnUrl={urllib.parse.quote(RETURN_URL)}&RelayState={query}")[0], 400)
        self.refused(self.posted_page(request_id, {"ReturnUrl": RETURN_URL, "RelayState": "x" * 100_000}), 400, "parameter_invalid", parameter="RelayState", host=None)

    def test_requests_that_are_not_there(self):
        """an id that nobody has, or that is none, is 404 and says nothing of anybody"""
        for path in ("0" * 32, "0" * 31, "g" * 32, "..%2f..%2fetc%2fpasswd", "favicon.ico", "index.html", "%00", ""):
            status, headers, html = self.http("GET", f"/{path}?ReturnUrl={urllib.parse.quote(RETURN_URL)}")
            self.assertEqual(status, 404, path)
            self.assertIn('"code":"request_unknown"', html)
            self.assertNotIn("shop", html + str(headers))
        for method in ("PUT", "DELETE", "OPTIONS", "TRACE"):
            self.assertEqual(self.http(method, f"/{self.post()}")[0], 404, method)

    def test_an_id_may_be_pasted_in_capitals(self):
        """letters of an id may be capitals"""
        self.assertEqual(self.http("GET", f"/{self.post().upper()}?ReturnUrl={urllib.parse.quote(RETURN_URL)}")[0], 200)

    def test_a_request_that_ended(self):
        """an ended request shows that it is, whether signed or given up, and leads back; nothing can be signed with its page"""
        signed, given_up = self.claimed(), self.claimed()
        signed.call("sandbox", action="sign")
        given_up.call("give_up", reason="pin_locked")
        for page, status, reason in ((signed, "success", ""), (given_up, "failure", "pin_locked")):
            again = self.open(page.id, relay_state="r")
            self.assertEqual((again.status, again.data["page"], again.data["status"], again.data["reason"]), (200, "ended", status, reason))
            self.assertEqual(again.data["return"], {"url": RETURN_URL, "fields": {"RequestID": page.id, "RelayState": "r"}})
            self.assertNotIn("token", again.data)
            self.refused(self.open(page.id, return_url="https://evil.example/"), 400, "return_url_refused")

    def test_instrument_and_msisdn(self):
        """an instrument that is not configured, and a number that is none of Moldova, are errors and no redirect"""
        request_id = self.post()
        for parameters in (
            {"Instrument": "nonsense"}, {"Instrument": "moldsign"}, {"Instrument": "<script>"}, {"MSISDN": "069123456"}, {"MSISDN": "+37369123456"},
            {"MSISDN": "3736912345"}, {"MSISDN": "373691234567"}, {"MSISDN": "37369123x56"}, {"MSISDN": "40712345678"},
        ):
            self.refused(self.open(request_id, **parameters), 400, "parameter_invalid", parameter=next(iter(parameters)), host=None)
        self.assertNotIn("instrument", self.open(request_id, Instrument="", MSISDN="").data)

    def test_mobile_where_it_is_not_configured(self):
        """the mobile signature, which the contract names, is shown with the reason why nobody can sign with it, and cannot be claimed"""
        self.assertEqual([one["id"] for one in self.open().data["instruments"]], ["sandbox"])
        page = self.open(Instrument="mobile")
        self.assertEqual((page.status, page.data["instrument"]), (200, "mobile"))
        self.assertEqual(page.data["instruments"][-1], {"id": "mobile", "kind": "mobile", "available": False, "reason": "no_phones"})
        self.assert_error(page.call("claim", instrument="mobile"), 400, "instrument_unavailable")
        self.assert_error(page.call("mobile", msisdn="37369123456"), 400, "parameter_invalid")
        self.assertEqual(page.call("give_up", reason="user_cancelled")[1]["status"], "failure")

    def test_the_language(self):
        """the parameter, else the browser's first that is known, else Romanian; what is unknown is Romanian"""
        request_id = self.post()
        path = f"/{request_id}?ReturnUrl={urllib.parse.quote(RETURN_URL)}"
        for lang, accepted, spoken in (
            ("ru", "en", "ru"), ("EN", None, "en"), ("fr", "en", "ro"), ("", "en", "ro"), (None, None, "ro"), (None, "fr-FR, ru;q=0.8, en", "ru"),
            (None, "en-GB,en;q=0.9", "en"), (None, "de", "ro"), (None, "*", "ro"), (None, "," * 4_000, "ro"), ('"><script>', None, "ro"),
        ):
            query = "" if lang is None else f"&lang={urllib.parse.quote(lang)}"
            _, headers, html = self.http("GET", path + query, headers={"Accept-Language": accepted} if accepted else {})
            self.assertEqual(headers["Content-Language"], spoken, (lang, accepted))
            self.assertIn(f'<html lang="{spoken}"', html)
            self.assertIn(f'"language":"{spoken}"', html)

    def test_strict_headers(self):
        """no inline script, no frames, no cookies, no referrer; a form goes home and to the registered origin only"""
        page = self.open(return_url=f"{RETURN_URL}/x?y")
        policy = dict(part.strip().partition(" ")[::2] for part in page.headers["Content-Security-Policy"].split(";"))
        self.assertEqual(policy["form-action"], "'self' https://shop.example")
        self.assertEqual((policy["default-src"], policy["script-src"], policy["style-src"]), ("'none'", "'self'", "'self'"))
        self.assertEqual((policy["frame-ancestors"], policy["base-uri"]), ("'none'", "'none'"))
        self.assertEqual(policy["connect-src"].split()[0], "'self'")
        for address in policy["connect-src"].split()[1:]:
            self.assertRegex(address, r"^ws://(127\.0\.0\.1|localhost):\*$")
        expected = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "same-origin"}
        self.assertEqual({name: page.headers[name] for name in expected}, expected)
        self.assertEqual(re.findall(r"<script(?![^>]*(?:src=|application/json))|<style| on[a-z]+=|javascript:", page.html), [])
        for path in (f"/{page.id}?ReturnUrl=x", "/page.js", "/0", f"/{page.id}/state"):
            for method in ("GET", "POST", "HEAD"):
                headers = self.http(method, path)[1]
                self.assertIsNone(headers["Set-Cookie"])
                self.assertIsNone(headers["Access-Control-Allow-Origin"])
                self.assertEqual(headers["X-Content-Type-Options"], "nosniff", (method, path))

    def test_the_files_of_the_page(self):
        """scripts and styles have their types and are not sent twice; the page as a file is not there; HEAD has no body"""
        for name, kind in (("page.js", "text/javascript"), ("page.css", "text/css"), ("favicon.svg", "image/svg+xml")):
            status, headers, _ = self.http("GET", f"/{name}")
            self.assertEqual((status, headers["Content-Type"].split(";")[0]), (200, kind))
            self.assertEqual(self.http("GET", f"/{name}", headers={"If-None-Match": headers["ETag"]})[0::2], (304, ""))
        self.assertEqual(self.http("HEAD", f"/{self.post()}?ReturnUrl={urllib.parse.quote(RETURN_URL)}")[0::2], (200, ""))

    def test_a_removed_e_service_has_no_pages(self):
        """a request of an e-service that is not registered any more leads nowhere: its ways back are forgotten"""
        gone = self.portal.add_consumer("gone")
        until(lambda: self.call(post_body(), consumer=gone)[0] == 200, "it may call", 5)
        request_id = self.post(consumer=gone)
        self.assertEqual(self.open(request_id).status, 200)
        self.portal.command("consumer", "remove", "gone")
        until(lambda: self.open(request_id).status == 404, "its pages are gone", 5)


    def test_a_way_back_that_is_not_registered_any_more(self):
        """a page that is open when its ReturnUrl is taken off the register can neither sign nor lead back, and is not opened again"""
        moved = self.portal.add_consumer("moved")
        until(lambda: self.call(post_body(), consumer=moved)[0] == 200, "it may call", 5)
        request_id = self.post(consumer=moved)
        page = self.claimed(request_id)
        self.portal.command("consumer", "remove", "moved")
        elsewhere = "https://moved.example/signed"
        words = ["--name", "Moved", "--address", "127.0.0.1", "--return-url", elsewhere, "--certificate", moved[0], "--active"]
        self.portal.command("consumer", "add", "moved", *words)
        until(lambda: self.open(request_id, return_url=elsewhere).status == 200, "the new way back counts", 5)
        for call, parameters in {"claim": {"instrument": "sandbox"}, "sandbox": {"action": "sign"}, "give_up": {"reason": "user_cancelled"}, "state": {}}.items():
            self.assert_error(page.call(call, **parameters), 403, "token_invalid")
        self.refused(self.open(request_id), 400, "return_url_refused")
        self.assertIn("<Status>Pending</Status>", self.call(get_body(request_id), consumer=moved)[1])


class ExpiryTest(SignPageCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.portal.stop()
        with cls.portal.configuration.open("a") as configuration:
            configuration.write("[requests]\nexpire_after_s = 10\n")
        cls.portal.start()

    def test_nobody_signed_in_time(self):
        """a request past its time is expired on its page, to its e-service and to a page that comes late; a page that signs may finish"""
        late, signing = self.open(), self.claimed()
        until(lambda: self.open(late.id).data["page"] == "ended", "it expires", 15)
        again = self.open(late.id)
        self.assertEqual((again.status, again.data["status"]), (200, "expired"))
        self.assertIn("<Status>Expired</Status>", self.answer_of(late.id))
        self.assertIn("<Message>The request has expired: nobody signed it in time.</Message>", self.answer_of(late.id))
        self.assert_error(late.call("claim", instrument="sandbox"), 409, "ended")
        self.assertEqual(signing.call("sandbox", action="sign")[1]["status"], "success")


class CallTest(SignPageCase):
    """What the page's script asks."""

    CALLS = ("claim", "contents", "save", "release", "give_up", "state", "sandbox")

    def assert_untouched(self, page):
        self.assertIn("<Status>Pending</Status>", self.answer_of(page.id))

    def test_a_token_of_nobody(self):
        """a page token that was not sealed here, or for another request, opens nothing"""
        page, other = self.open(), self.open()
        token = page.data["token"]
        parts = token.split(".")
        evil = base64.b64encode(b"https://evil.example/").decode()
        forged_mac = base64.b64encode(hmac.digest(b"", ".".join([*parts[:2], evil, parts[3]]).encode(), "sha256")).decode()
        for forged in (
            "x", ".....", token[:-8], token + "A", token.swapcase(), other.data["token"], ".".join([*parts[:2], evil, *parts[3:]]),
            ".".join([*parts[:2], evil, parts[3], forged_mac]), ".".join([other.id, *parts[1:]]), ".".join([*parts[:4], ""]), "." * 10_000,
        ):
            for call in self.CALLS:
                self.assert_error(page.call(call, token=forged, reason="x", action="cancel", instrument="sandbox"), 403, "token_invalid")
        headers = {"Content-Type": "application/json", "Origin": self.portal.pages}
        body = json.dumps({"key": page.key, "reason": "user_cancelled"})
        self.assertEqual(self.http("POST", f"/{page.id}/give_up", body, headers)[0], 403, "no token")
        self.assertEqual(self.http("POST", f"/{page.id}/give_up", body, headers | {"Signet-Page": other.data["token"]})[0], 403)
        self.assert_untouched(page)

    def test_a_token_past_its_time(self):
        """a page token is good for a month, whoever kept it"""
        page = self.open()
        parts = page.data["token"].split(".")
        secret = bytes.fromhex(self.portal.sql("SELECT secret FROM secrets WHERE name = 'page-token'")[0][0])

        def aged(days):
            text = ".".join([parts[0], str(int(parts[1]) - days * 86_400), *parts[2:4]])
            return f"{text}.{base64.b64encode(hmac.digest(secret, text.encode(), 'sha256')).decode()}"

        self.assertEqual(aged(0), page.data["token"])
        for call in self.CALLS:
            self.assert_error(page.call(call, token=aged(32), reason="user_cancelled", action="cancel", instrument="sandbox"), 403, "token_invalid")
        self.assert_untouched(page)
        self.assertEqual(page.call("state", token=aged(30))[0], 200)

    def test_calls_of_other_sites(self):
        """another Origin, none, or two are refused even with the token; so is what a form of another site can send"""
        page = self.open()
        for origin in ("https://evil.example", "https://shop.example", "null", self.portal.pages + "/", self.portal.pages.replace("127.0.0.1", "localhost"), self.portal.pages.upper()):
            self.assert_error(page.call("give_up", origin=origin, reason="user_cancelled"), 403, "token_invalid")
        body = json.dumps({"key": page.key, "reason": "user_cancelled"})
        headers = {"Content-Type": "application/json", "Signet-Page": page.data["token"]}
        self.assertEqual(self.http("POST", f"/{page.id}/give_up", body, headers)[0], 403, "no origin")
        for kind in ("text/plain", FORM, "multipart/form-data", "", "text/json", "application/x-json"):
            self.assert_error(page.call("give_up", content_type=kind, reason="user_cancelled"), 400, "parameter_invalid")
        status, answered, _ = self.http("OPTIONS", f"/{page.id}/give_up", headers={"Origin": "https://evil.example", "Access-Control-Request-Headers": "signet-page"})
        self.assertEqual((status, answered["Access-Control-Allow-Headers"]), (404, None))
        for method in ("GET", "PUT"):
            self.assertEqual(self.http(method, f"/{page.id}/give_up", body, {**headers, "Origin": self.portal.pages})[0], 404)
        self.assert_untouched(page)

    def test_two_pages_race(self):
        """one page signs: another is held until it lets go, and neither signs, gives up nor saves over it"""
        first = self.open()
        second = self.open(first.id)
        self.assertEqual((first.data["held"], second.data["held"]), (False, False))
        self.assertEqual(first.call("claim", instrument="sandbox")[0], 200)
        for call, parameters in {"claim": {"instrument": "sandbox"}, "save": {"results": []}, "give_up": {"reason": "user_cancelled"}, "sandbox": {"action": "sign"}}.items():
            self.assert_error(second.call(call, **parameters), 409, "held")
        self.assertTrue(self.open(first.id).data["held"])
        self.assertTrue(second.call("state")[1]["held"])
        second.call("release")
        self.assert_error(second.call("claim", instrument="sandbox"), 409, "held")
        self.assertEqual(first.call("claim", instrument="sandbox")[0], 200, "it may go on")
        self.assertEqual(first.call("release"), (200, {}))
        self.assertEqual(second.call("claim", instrument="sandbox")[0], 200)
        self.assert_error(first.call("save", results=[]), 409, "held")
        self.assertEqual(second.call("sandbox", action="sign")[1]["status"], "success")

    def test_after_the_end_nothing_changes(self):
        """what is sent again after the end is `ended`, and the outcome stays what it was"""
        page = self.claimed()
        page.call("sandbox", action="sign")
        before = self.answer_of(page.id)
        for call, parameters in {"claim": {"instrument": "sandbox"}, "save": {"results": []}, "give_up": {"reason": "user_cancelled"}}.items():
            self.assert_error(page.call(call, **parameters), 409, "ended")
        self.assertEqual(page.call("sandbox", action="sign")[1]["status"], "success")
        self.assert_error(page.call("sandbox", action="cancel"), 409, "ended")
        self.assertEqual(page.call("release")[0], 200)
        self.assertEqual(page.call("contents", count=10)[1]["items"], [])
        self.assertEqual(page.call("state")[1]["return"]["url"], RETURN_URL)
        self.assertEqual(self.answer_of(page.id), before)

    def test_parameters_that_are_none(self):
        """keys, instruments, reasons, counts and numbers that are none are refused, and change nothing"""
        page = self.claimed()
        for key in (None, "", "x", "0" * 31, "0" * 33, "G" * 32, 7, ["0" * 32]):
            self.assert_error(page.call("claim", key=key, instrument="sandbox"), 400, "parameter_invalid")
        wrong = {
            "claim": [{}, {"instrument": "moldsign"}, {"instrument": None}, {"instrument": {}}],
            "contents": [{"count": count} for count in (0, -1, 5_001, 10**30)] + [{"after": after, "count": 1} for after in (-1, 1_000_001, 2**63, 2**32, 10**30, "1", 0.5, {})],
            "save": [{}, {"results": {}}, {"results": [7]}, {"results": [{}]}, {"results": [{"number": 0}]}, {"results": [{"number": 0, "signature": 7}]}]
            + [{"results": [{"number": number, "signature": "x"}]} for number in (-1, 1, 999_999, 1_000_001, 2**32, 2**63, 10**30, 0.5, "0", None)]
            + [{"results": [{"number": 0, "signature": "x"}] * 2}, {"results": [{"number": i, "signature": "x"} for i in range(501)]}],
            "give_up": [{}, {"reason": ""}, {"reason": "x" * 41}, {"reason": "a b"}, {"reason": "<b>"}, {"reason": 7}],
            "sandbox": [{}, {"action": "burn"}, {"action": "sign", "idnp": "12"}, {"action": "sign", "idnp": "x" * 13}],
            "nothing": [{}],
        }
        for call, all_parameters in wrong.items():
            for parameters in all_parameters:
                with self.subTest(call, **{"parameters": str(parameters)[:60]}):
                    self.assert_error(page.call(call, **parameters), 404 if call == "nothing" else 400, "parameter_invalid")
        headers = {"Content-Type": "application/json", "Origin": self.portal.pages, "Signet-Page": page.data["token"]}
        for body in ("", "[]", "{", "null", '{"key":' + "[" * 100_000, '{"key":"\ud800"}'.encode("utf-8", "surrogatepass"), "\ufeff{}".encode()):
            self.assertEqual(self.http("POST", f"/{page.id}/claim", body, headers)[0], 400, body[:20])
        self.assert_untouched(page)

    def test_bodies_that_are_too_large(self):
        """a body of 10 MB is 413, to a call and to the page, and the portal goes on"""
        page = self.open()
        for path in (f"/{page.id}/save", f"/{page.id}"):
            with socket.create_connection(("127.0.0.1", self.portal.page_port), WITHIN_S) as connection:
                size = 10_000_000
                connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n".encode())
                try:
                    for _ in range(size // 10_000):
                        connection.sendall(b"x" * 10_000)
                except OSError:
                    pass  # it stopped listening, and has said why
                self.assertEqual(connection.recv(64).split(b" ")[1], b"413")
        self.assertEqual(page.call("state")[0], 200)

    def test_contents_in_parts(self):
        """what is to be signed comes in order and in parts, without what is signed already"""
        page = self.claimed(self.post(post_body(*(content(digest(str(i)), name=f"n{i}") for i in range(5)))))
        items = page.call("contents", after=None, count=2)[1]["items"]
        self.assertEqual([(item["number"], item["name"], item["algorithm"]) for item in items], [(0, "n0", "sha256"), (1, "n1", "sha256")])
        self.assertEqual(base64.b64decode(items[1]["digest"]), digest("1"))
        self.assertEqual([item["number"] for item in page.call("contents", after=1, count=5_000)[1]["items"]], [2, 3, 4])
        self.assertEqual(page.call("contents", after=4, count=1)[1]["items"], [])


class SignatureTest(SignPageCase):
    """What a page brings as a signature. Good ones for the wrong place are those of other requests, by the sandbox."""

    def signature(self, text="a", idnp=IDNP):
        """A good one over the text's hash."""
        page = self.claimed(self.post(post_body(content(digest(text)), expected=signer(idnp))))
        self.assertEqual(page.call("sandbox", action="sign")[1]["status"], "success")
        return base64.b64decode(re.search("<Signature>(.*?)</Signature>", self.answer_of(page.id)).group(1)).decode()

    def save(self, page, *signatures):
        """(saved, {number: code of what was refused}, status)"""
        status, answer = page.call("save", results=[{"number": number, "signature": signature} for number, signature in enumerate(signatures)])
        self.assertEqual(status, 200, answer)
        return answer["saved"], {refused["number"]: refused["code"] for refused in answer["refused"]}, answer["status"]

    def test_a_good_one_is_taken(self):
        """the hash that was posted, signed by who was expected: saved, once, and given to the e-service as it came"""
        page = self.claimed(self.post(post_body(content(digest("a")), content(digest("b")), expected=signer())))
        a, b = self.signature("a"), self.signature("b")
        self.assertEqual(self.save(page, a), (1, {}, "pending"))
        self.assertEqual(self.save(page, self.signature("a")), (0, {}, "pending"), "what is there stays")
        self.assertEqual(self.save(page, a, b), (1, {}, "success"))
        results = [base64.b64decode(text).decode() for text in re.findall("<Signature>(.*?)</Signature>", self.answer_of(page.id))]
        self.assertEqual(results, [a, b])

    def test_garbage_is_none(self):
        """what is no signature, or one that was changed anywhere, is not saved and can be sent right after"""
        page = self.claimed(self.post(post_body(content(digest("a")), expected=signer())))
        good = self.signature("a")
        value = re.search("<ds:SignatureValue[^>]*>([^<]{20})", good).group(1)
        for garbage in (
            "", "x", "<a/>", "\x00", good[:-20], good + good, good.replace(value, value[::-1]), good.replace("<ds:SignatureValue", "<ds:SignatureValu"),
            "<!DOCTYPE a [<!ENTITY e 'x'>]>" + re.sub(r"^<\?xml.*?\?>", "", good), "x" * 300_000, "<a>" * 50_000,
            re.sub("(<xades:SigningTime>)\\d{4}", r"\g<1>2031", good),
        ):
            with self.subTest(garbage[:40]):
                saved, refused, status = self.save(page, garbage)
                self.assertEqual((saved, list(refused), status), (0, [0], "pending"))
                self.assertIn(refused[0], ("signature_invalid", "certificate_refused", "other_hash"))
        self.assertNotIn("<SignResult>", self.answer_of(page.id))
        self.assertEqual(self.save(page, good), (1, {}, "success"))

    def test_another_hash(self):
        """a good signature over another hash, or of another number, is `other_hash`; the good one beside it is saved"""
        page = self.claimed(self.post(post_body(content(digest("a")), content(digest("b")), expected=signer())))
        a, b = self.signature("a"), self.signature("b")
        self.assertEqual(self.save(page, b, a), (0, {0: "other_hash", 1: "other_hash"}, "pending"))
        self.assertEqual(self.save(page, a, self.signature("c")), (1, {1: "other_hash"}, "pending"))
        self.assertEqual(page.call("state")[1]["signed"], 1)

    def test_another_person(self):
        """a good signature by another person than the expected one is `signer_differs`, from the page and from the sandbox alike"""
        page = self.claimed(self.post(post_body(content(digest("a")), expected=signer())))
        self.assertEqual(self.save(page, self.signature("a", OTHER_IDNP)), (0, {0: "signer_differs"}, "pending"))
        status, answer = page.call("sandbox", action="sign", idnp=OTHER_IDNP)
        self.assertEqual((status, answer["refused"][0]["code"]), (200, "signer_differs"))
        anybody = self.claimed(self.post(post_body(content(digest("a")))))
        self.assertEqual(self.save(anybody, self.signature("a", OTHER_IDNP)), (1, {}, "success"))

    def test_a_stranger_s_ca(self):
        """a signature under a CA that is not trusted is `certificate_refused`: another sandbox is one"""
        other = Portal(self.bin, self.folder / "other")
        shop = other.add_consumer("shop")
        other.start()
        self.addCleanup(lambda: other.stop())
        request_id = self.post(post_body(content(digest("a"))), portal=other, consumer=shop)
        theirs = SignPage(other, request_id)
        theirs.call("claim", instrument="sandbox")
        theirs.call("sandbox", action="sign")
        text = self.call(get_body(request_id), portal=other, consumer=shop)[1]
        signature = base64.b64decode(re.search("<Signature>(.*?)</Signature>", text).group(1)).decode()
        page = self.claimed(self.post(post_body(content(digest("a")))))
        self.assertEqual(self.save(page, signature), (0, {0: "certificate_refused"}, "pending"))

    def test_without_a_time_stamp(self):
        """a signature whose time stamp was taken out is not a XAdES-T, and not taken"""
        page = self.claimed(self.post(post_body(content(digest("a")), expected=signer())))
        bare = re.sub("<xades:UnsignedProperties.*</xades:UnsignedProperties>", "", self.signature("a"), flags=re.S)
        self.assertNotIn("SignatureTimeStamp", bare)
        self.assertEqual(self.save(page, bare), (0, {0: "time_stamp_missing"}, "pending"))

    def test_what_people_read_of_a_failure(self):
        """a failure that the sandbox plays is one for the e-service, with its words"""
        page = self.claimed()
        self.assertEqual(page.call("sandbox", action="cancel")[1]["reason"], "user_cancelled")
        self.assertIn("<Message>Signing was cancelled by the user.</Message>", self.answer_of(page.id))
        page = self.claimed()
        self.assertEqual(page.call("sandbox", action="fail")[1]["status"], "failure")
        self.assertIn("<Status>Failure</Status>", self.answer_of(page.id))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    WireCase.bin = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
