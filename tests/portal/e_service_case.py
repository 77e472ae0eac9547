"""The sample e-service as a process beside the portal, for tests whose class has that (WireCase)."""
import http.client
import pathlib
import subprocess
import sys
import urllib.parse

from portal_bench import WITHIN_S, free_port

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "demo" / "e-service" / "e_service.py"


class EServiceCase:
    options = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.port = free_port()
        certificate, key = cls.shop
        words = ["--wsdl", f"{cls.portal.api}?singleWsdl", "--sign-page", cls.portal.pages, "--certificate", certificate, "--key", key, "--ca", cls.portal.certificate]
        words += ["--listen", f"127.0.0.1:{cls.port}", "--public-url", "https://shop.example", *cls.options]
        process = subprocess.Popen([sys.executable, PROGRAM, *words], stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(process.wait, WITHIN_S)
        cls.addClassCleanup(process.stdout.close)
        cls.addClassCleanup(process.terminate)
        assert "The sample e-service" in process.stdout.readline()

    def posted(self, path, **fields):
        """(HTTP status, page)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WITHIN_S)
        self.addCleanup(connection.close)
        connection.request("POST", path, urllib.parse.urlencode(fields), {"Content-Type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
