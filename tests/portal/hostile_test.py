#!/usr/bin/python3
"""SQL and script in every field that somebody else fills: of the SOAP calls, the Sign Page's address and form, the pages' own calls, the
verification page, the sandbox by HTTP, and the sample e-service. An HTML parser says that no element comes of any, and the database is whole.

usage: hostile_test.py FOLDER-OF-SIGNET-PORTAL [unittest's arguments]

In a browser: browser/troubles.test.mjs. Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import base64
import html.parser
import http.client
import importlib.util
import json
import pathlib
import re
import subprocess
import sys
import unittest
import urllib.parse
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape

from e_service_case import EServiceCase
from portal_bench import RETURN_URL, WITHIN_S, SignPage, cannot_run
from wire_case import IDNP, WireCase, content, digest, envelope, fault_of, get_body, post_body, signer, verify_body

MARK = "tedious"  # in each text; nobody else says it
HOSTILE = (
    f"{MARK}'; DROP TABLE requests; --", f"{MARK}' OR '1'='1", f"{MARK}'||(SELECT secret FROM secrets)||'", f"{MARK}\"); DELETE FROM contents; --", f"{MARK}$1 %s ?1 :a \\'",
    f"<script>{MARK}(1)</script>", f"</script><script>{MARK}(1)</script>", f'"><img src=x onerror={MARK}(1)>', f"'><svg onload={MARK}(1)>", f"<!--{MARK}", f"]]><b>{MARK}</b>",
    f"javascript:{MARK}(1)", f"&lt;i&gt;{MARK}&amp;#60;i&#62;", f"{{{{{MARK}}}}}${{{MARK}}}", f"{MARK}\u2028\u202e",
)
TABLES = ("requests", "contents", "results", "consumers", "consumer_certificates", "consumer_addresses", "consumer_return_urls", "secrets", "schema_version")
FORM = "application/x-www-form-urlencoded"
TYPES = {"text/html; charset=utf-8", "application/json"}


class Elements(html.parser.HTMLParser):
    """The elements of a page with the names of their attributes, in order; its texts, but what the page's data element holds; the values of attributes."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts, self.values, self.data, self._in_data = [], "", [], "", False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, [name for name, _ in attrs]))
        self.values += [value or "" for _, value in attrs]
        self._in_data = ("id", "data") in attrs

    def handle_endtag(self, tag):
        self._in_data = False

    def handle_data(self, data):
        if self._in_data:
            self.data += data
        else:
            self.texts += data

    def handle_comment(self, data):
        self.elements.append(("!--", [data]))

    handle_decl = handle_pi = unknown_decl = handle_comment


class HostileCase(WireCase):
    def tables(self):
        return {table: self.portal.sql(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}

    def http(self, method, path, body=None, headers=None):
        return self.portal.at_pages(method, path, body, headers)

    def assert_json_without(self, answer, text, statuses):
        """An answer that no browser takes for a page, and that does not repeat the text."""
        status, headers, body = answer
        self.assertIn(status, statuses, body)
        self.assertEqual((headers["Content-Type"], headers["X-Content-Type-Options"]), ("application/json", "nosniff"))
        self.assertNotIn(MARK, json.dumps(json.loads(body), ensure_ascii=False), text)


class SoapTest(HostileCase):
    def test_texts_that_are_taken(self):
        """descriptions, names and CorrelationIDs are kept as they are: on the page as data and in no element, and back to the e-service to the letter"""
        plain = Elements(SignPage(self.portal, self.post()).html)
        before = self.tables()
        ids = [f"{number}{text}"[:36] for number, text in enumerate(HOSTILE)]
        for text in HOSTILE:
            contents = [content(digest(name), correlation_id=of, name=name) for of, name in zip(ids, HOSTILE, strict=True)]
            request_id = self.post(post_body(*contents, short=text, description=text * 3, expected=signer()))
            page = SignPage(self.portal, request_id, relay_state=text)
            made = Elements(page.html)
            self.assertEqual(made.elements, plain.elements)
            self.assertNotIn(MARK, made.texts + "".join(made.values))
            self.assertEqual(json.loads(made.data), page.data)
            shown = text.replace("\u2028", "\ufffd").replace("\u202e", "\ufffd")
            self.assertEqual((page.data["short_description"], page.data["description"]), (shown, shown * 3))
            page.call("claim", instrument="sandbox")
            self.assertEqual(page.call("sandbox", action="sign")[1]["return"]["fields"], {"RequestID": request_id, "RelayState": text})
            answer = ElementTree.fromstring(self.call(get_body(request_id))[1])
            self.assertEqual([element.text for element in answer.iter("{https://msign.gov.md}CorrelationID")], ids)
        after = self.tables()
        added = {"requests": len(HOSTILE), "contents": len(HOSTILE) ** 2, "results": len(HOSTILE) ** 2}
        self.assertEqual(after, {table: str(int(count) + added.get(table, 0)) for table, count in before.items()})

    def test_fields_that_have_a_form(self):
        """what is no number, person, organization, kind, hash or language is a fault, or Romanian, and nothing of it is repeated or stored"""
        request_id = self.post()
        before = self.tables()
        whole = post_body(expected=signer(kind="Person", delegator=IDNP))
        for text in map(escape, HOSTILE):
            wrong = {
                "ID": whole.replace(f"<ID>{IDNP}<", f"<ID>{text}<"), "DelegatorID": whole.replace(f"<DelegatorID>{IDNP}<", f"<DelegatorID>{text}<"),
                "DelegatorType": whole.replace(">Person<", f">{text}<"), "DelegatedRoleID": whole.replace("<DelegatedRoleID>0", f"<DelegatedRoleID>{text}"),
                "ContentType": whole.replace(">Hash<", f">{text}<"), "Content": whole.replace("<Content>", f"<Content>{text}"),
                "MultipleSignatures": whole.replace(">false<", f">{text}<"), "requestID": get_body(text),
                "Signature": verify_body((digest("a"), text)), "SignedContentType": verify_body((digest("a"), "AAAA")).replace(">Hash<", f">{text}<"),
                "GetSignResponse.language": get_body(request_id).replace(">en<", f">{text}<"), "VerifySignatures.Language": verify_body((digest("a"), "AAAA")).replace(">en<", f">{text}<"),
            }
            for field, body in wrong.items():
                with self.subTest(field, text=text):
                    self.assertIn(text, body)
                    status, told = self.call(body)
                    self.assertNotIn(MARK, told)
                    ElementTree.fromstring(told)
                    code = fault_of(told)[0] if status == 500 else ""
                    self.assertIn(code, {"requestID": ("RequestNotFound", "InvalidParameter"), "GetSignResponse.language": ("", "InvalidParameter")}.get(field, ("InvalidParameter", "Client")))
            answer = ElementTree.fromstring(self.call(verify_body((digest("a"), "AAAA")).replace(">v0<", f">{escape(HOSTILE[6][:36])}<"))[1])
            self.assertEqual(answer.findtext(".//{https://msign.gov.md}CorrelationID"), HOSTILE[6][:36])
        self.assertEqual(self.tables(), before)

    def test_names_of_elements_and_headers(self):
        """elements, prefixes and actions of nobody are a Client fault, in which they stand as text if at all"""
        for body, more in (
            (f"<{MARK} xmlns='x'/>", {}), (post_body(), {"action": f'"{HOSTILE[6]}"'}), (post_body().replace("https://msign.gov.md", escape(HOSTILE[0], {'"': "&quot;"})), {}),
        ):
            status, told = self.call(envelope(body), **more)
            self.assertEqual((status, fault_of(told)[0]), (500, "Client"))
            self.assertEqual(len(list(ElementTree.fromstring(told).iter())), len(list(ElementTree.fromstring(self.call(b"x")[1]).iter())))


class PageTest(HostileCase):
    def opened(self, request_id, by_form, fields):
        query = urllib.parse.urlencode({"ReturnUrl": RETURN_URL, **fields})
        status, headers, page = self.http("POST", f"/{request_id}", query, {"Content-Type": FORM}) if by_form else self.http("GET", f"/{request_id}?{query}")
        self.assertIn(headers["Content-Type"], TYPES)
        return status, headers, Elements(page)

    def test_parameters(self):
        """each parameter of the page, and one that is none, by GET and POST: what a harmless wrong one makes, to the last element and header"""
        request_id = self.post()
        before = self.tables()
        for by_form in (False, True):
            for name, (harmless, status, repeated) in {
                "ReturnUrl": ("https://other.example/", 400, False), "Instrument": ("none", 400, False), "MSISDN": ("1", 400, False), "lang": ("xx", 200, False),
                "RelayState": ("x", 200, True), "Unknown": ("x", 200, False), "<b>": ("x", 200, False),
            }.items():
                expected = self.opened(request_id, by_form, {name: harmless})
                self.assertEqual(expected[0], status, name)
                for text in (*HOSTILE, f"{RETURN_URL}@evil.example/{HOSTILE[7]}", f"https://shop.example; script-src *{MARK}", f"https://x.example\r\nX-{MARK}: y"):
                    with self.subTest(name, text=text, by_form=by_form):
                        told = self.opened(request_id, by_form, {name: text})
                        self.assertEqual((told[0], told[2].elements), (status, expected[2].elements))
                        self.assertEqual({key: value for key, value in told[1].items() if key not in ("Date", "Content-Length")}, {key: value for key, value in expected[1].items() if key not in ("Date", "Content-Length")})
                        data = json.loads(told[2].data)
                        self.assertNotIn(MARK, told[2].texts + "".join(told[2].values) + json.dumps({**data, "token": ""}))
                        if repeated:
                            self.assertEqual(base64.b64decode(data["token"].split(".")[3]).decode(), text)
        self.assertEqual(self.tables(), before)

    def test_a_way_back_that_is_allowed(self):
        """what may stand below a registered ReturnUrl comes back as data, and adds nothing to the policy"""
        request_id = self.post()
        policy = self.opened(request_id, False, {})[1]["Content-Security-Policy"]
        for text in HOSTILE:
            quoted = urllib.parse.quote(text)
            for url in (f"{RETURN_URL}?x={text}", f"{RETURN_URL}?x={quoted}#{quoted}"):
                status, headers, page = self.opened(request_id, False, {"ReturnUrl": url})
                self.assertNotIn(MARK, page.texts + "".join(page.values) + str(headers))
                if url.endswith(quoted):
                    self.assertEqual(status, 200, url)
                if status == 200:
                    self.assertEqual(headers["Content-Security-Policy"], policy)
                    self.assertEqual(base64.b64decode(json.loads(page.data)["token"].split(".")[2]).decode(), url)

    def test_addresses(self):
        """ids and calls of nobody are a page or an answer that repeats nothing"""
        unknown = Elements(self.http("GET", f"/{'0' * 32}?ReturnUrl={RETURN_URL}")[2])
        for text in HOSTILE:
            path = urllib.parse.quote(text, safe="")
            status, headers, page = self.http("GET", f"/{path}?ReturnUrl={RETURN_URL}")
            self.assertEqual((status, Elements(page).elements), (404, unknown.elements), text)
            self.assertNotIn(MARK, page + str(headers))
            for method, address in (("POST", f"/{self.post()}/{path}"), ("GET", f"/sandbox/{path}"), ("POST", f"/sandbox/{path}"), ("GET", f"/verify?{path}={path}")):
                status, headers, page = self.http(method, address, "{}" if method == "POST" else None, {"Content-Type": "application/json"})
                self.assertIn(status, (200, 400, 403, 404))
                self.assertNotIn(MARK, page + str(headers), address)

    def test_the_page_s_own_calls(self):
        """each parameter of each call, and the token: refused, without a word of it, and the request is as it was"""
        page = SignPage(self.portal, self.post())
        self.assertEqual(page.call("claim", instrument="sandbox")[0], 200)
        before = self.tables()
        for text in HOSTILE:
            headers = {"Content-Type": "application/json", "Origin": self.portal.public_url, "Signet-Page": page.data["token"]}
            for call, parameters in (
                ("claim", {"instrument": text}), ("claim", {"instrument": "sandbox", "key": text}), ("contents", {"after": text, "count": 1}), ("contents", {"after": 0, "count": text}),
                ("save", {"results": text}), ("save", {"results": [{"number": text, "signature": "x"}]}), ("save", {"results": [{"number": 0, "signature": text}]}),
                ("give_up", {"reason": text}), ("sandbox", {"action": text}), ("sandbox", {"action": "sign", "idnp": text}), ("sandbox", {"action": "sign", "delay_ms": text}),
                ("mobile", {"msisdn": text}), ("phone", {"action": text}),
            ):
                with self.subTest(call, **parameters):
                    saves = call == "save" and isinstance(parameters["results"], list) and parameters["results"][0]["number"] == 0
                    answer = self.http("POST", f"/{page.id}/{call}", json.dumps({"key": page.key, **parameters}), headers)
                    self.assert_json_without(answer, text, (200,) if saves else (400, 404, 409))
                    if saves:
                        self.assertEqual(json.loads(answer[2])["refused"][0]["code"], "signature_invalid")
            token = text.encode().decode("latin-1")
            self.assert_json_without(self.http("POST", f"/{page.id}/state", json.dumps({"key": page.key}), {**headers, "Signet-Page": token}), text, (403,))
            self.assert_json_without(self.http("POST", f"/{page.id}/state", json.dumps({"key": page.key}), {**headers, "Origin": token}), text, (403,))
        self.assertEqual(self.tables(), before)
        self.assertIn("<Status>Pending</Status>", self.call(get_body(page.id))[1])
        self.assertEqual(page.call("sandbox", action="sign")[1]["status"], "success")

    def test_the_verification_page_s_form(self):
        """signature, hash, algorithm and language: a verdict or a refusal, which repeat nothing"""
        before = self.tables()
        whole = {"signature": "<a/>", "digest": base64.b64encode(digest("a")).decode(), "algorithm": "sha256", "language": "en"}
        for text in HOSTILE:
            for name in whole:
                answer = self.http("POST", "/verify", json.dumps({**whole, name: text}), {"Content-Type": "application/json", "Origin": self.portal.public_url})
                self.assert_json_without(answer, text, (400,) if name == "digest" else (200, 400))
        self.assertEqual(self.tables(), before)

    def test_the_sandbox_by_http(self):
        """each parameter of what tests play: refused, and the request is as it was"""
        request_id = self.post()
        before = self.tables()
        for text in HOSTILE:
            for parameters in ({"action": text}, {"action": "sign", "idnp": text}, {"action": "sign", "delay_ms": text}, {"action": "fail", "reason": text}, {"action": "call", "msisdn": text}):
                answer = self.http("POST", f"/sandbox/{request_id}", json.dumps(parameters), {"Content-Type": "application/json"})
                self.assert_json_without(answer, text, (400,))
        self.assertEqual(self.tables(), before)
        self.assertIn("<Status>Pending</Status>", self.call(get_body(request_id))[1])


class EServiceTest(EServiceCase, HostileCase):
    @classmethod
    def setUpClass(cls):
        if importlib.util.find_spec("zeep") is None:
            cannot_run("missing: python3-zeep")
        super().setUpClass()

    def posted(self, path, **fields):
        """(HTTP status, the page's elements)"""
        status, text = super().posted(path, **fields)
        return status, Elements(text)

    def test_its_form(self):
        """each field: the page that a harmless one of its kind makes, and what was typed is in its field again"""
        whole = {"documents": "a", "title": "A", "idnp": "", "idno": "", "role": "", "instrument": "", "msisdn": "", "lang": "en"}
        harmless = {"documents": "b", "title": "B", "idnp": "12", "idno": "12", "role": "x", "instrument": "x", "msisdn": "1", "lang": "xx"}
        for name, value in harmless.items():
            expected = self.posted("/sign", **{**whole, name: value})
            for text in HOSTILE:
                with self.subTest(name, text=text):
                    status, page = self.posted("/sign", **{**whole, name: text})
                    self.assertEqual((status, page.elements), (expected[0], expected[1].elements))
                    self.assertTrue(all(value == text or MARK not in value for value in page.values), page.values)

    def test_the_way_back_and_verify(self):
        """RequestID, RelayState and what is to be verified; then documents of such texts, signed: shown as texts, in the verdict too"""
        expected = {path: self.posted(path, RequestID="x", RelayState="x", order="x", how="x") for path in ("/signed", "/verify")}
        _, page = self.posted("/sign", documents="\n".join(text for text in HOSTILE if "\u2028" not in text), title=HOSTILE[7])
        (address,) = [value for value in page.values if value.startswith(self.portal.pages)]
        state, request_id = page.values[page.values.index("RelayState") + 1], address.rpartition("/")[2]
        for text in HOSTILE:
            for path, (status, shown) in expected.items():
                for fields in ({"RequestID": text, "RelayState": state}, {"RequestID": request_id, "RelayState": text}, {"order": text, "how": "as-signed"}):
                    told = self.posted(path, **fields)
                    self.assertEqual((told[0], told[1].elements), (status, shown.elements))
                    self.assertNotIn(MARK, told[1].texts + "".join(told[1].values))
        signs = SignPage(self.portal, request_id, relay_state=state)
        signs.call("claim", instrument="sandbox")
        self.assertEqual(signs.call("sandbox", action="sign")[1]["status"], "success")
        for path, fields, rows in (("/signed", {"RequestID": request_id, "RelayState": state}, ["td", "td", "td", "a"]), ("/verify", {"order": state, "how": HOSTILE[5]}, ["td", "td", "td"])):
            status, shown = self.posted(path, **fields)
            self.assertEqual(status, 200)
            for text in HOSTILE[:-1]:
                self.assertIn(text, shown.texts)
            tags = [tag for tag, _ in shown.elements]
            self.assertEqual(re.sub(r"[\[\]', ]+", " ", str(tags)).count(" tr " + " ".join(rows)), len(HOSTILE) - 1)
            self.assertEqual({"script", "img", "svg", "b", "i"} & set(tags), set())


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    WireCase.bin = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
