#!/usr/bin/python3
"""The sample e-service and those who send it other things than its form; browsers use it in browser/.

usage: e_service_test.py FOLDER-OF-SIGNET-PORTAL [unittest's arguments]

Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import pathlib
import re
import socket
import sys
import unittest

from e_service_case import EServiceCase
from portal_bench import WITHIN_S, SignPage
from zeep_case import ZeepCase

KEPT = 3


class EServiceTest(EServiceCase, ZeepCase):
    options = ("--orders", str(KEPT))

    def raw(self, length, body=b"", within_s=WITHIN_S):
        with socket.create_connection(("127.0.0.1", self.port), within_s) as connection:
            connection.sendall(f"POST /sign HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode() + body)
            answer = b""
            while more := connection.recv(65_536):
                answer += more
            return answer.split(b" ")[1]

    def ordered(self):
        """(request id, RelayState)"""
        status, page = self.posted("/sign", documents="a", title="A")
        self.assertEqual(status, 200, page)
        return re.search('action="[^"]*/([0-9a-f]{32})"', page).group(1), re.search('name="RelayState" value="([^"]+)"', page).group(1)

    def test_lengths_that_are_none(self):
        """no number, a negative one, one over the limit: 400 at once, without waiting for anything"""
        for length in ("-1", "-5", "x", "1_0", "+1", "٣", "9" * 30, str((1 << 20) + 1)):
            with self.subTest(length):
                self.assertEqual(self.raw(length, within_s=10), b"400")

    def test_fields_without_end(self):
        """a form of thousands of fields is none"""
        body = b"&".join([b"documents=a", b"title=A", *(b"a%d=1" % number for number in range(1_000))])
        self.assertEqual(self.raw(len(body), body), b"400")

    def test_the_newest_orders_are_kept(self):
        """of more orders than are remembered the oldest are forgotten, and the others found"""
        orders = [self.ordered() for _ in range(KEPT + 2)]
        found = [self.posted("/signed", RequestID=request_id, RelayState=state) for request_id, state in orders]
        self.assertEqual([status for status, _ in found], [400] * 2 + [200] * KEPT)
        self.assertIn("Pending", found[-1][1])
        self.assertEqual(SignPage(self.portal, orders[0][0]).status, 200, "the portal has it nevertheless")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    EServiceTest.bin = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
