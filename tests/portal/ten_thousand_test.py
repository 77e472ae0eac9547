#!/usr/bin/python3
"""10 000 contents from their post to their signatures, and as many of these verified as one message holds. For a build that is
optimised: each signature is some milliseconds of arithmetic without.

usage: ten_thousand_test.py FOLDER-OF-SIGNET-PORTAL [unittest's arguments]

Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import base64
import pathlib
import re
import sys
import time
import unittest

from portal_bench import SignPage, until
from wire_case import IDNP, WireCase, content, digest, envelope, get_body, post_body, verify_body

COUNT = 10_000
LARGEST_BODY = 64 << 20
WITHIN_S = 120


class TenThousandTest(WireCase):
    def test_ten_thousand(self):
        """all are signed, fetched in their order and different; a message of up to 64 MiB of them is verified"""
        began = time.monotonic()
        request_id = self.post(post_body(*(content(digest(str(i)), correlation_id=str(i), name=f"invoice-{i}.pdf") for i in range(COUNT))))
        page = SignPage(self.portal, request_id)
        page.call("claim", instrument="sandbox")
        self.assertEqual(page.call("sandbox", action="sign", idnp=IDNP, delay_ms=1)[0], 200)
        until(lambda: page.call("state")[1]["status"] == "success", "all are signed", WITHIN_S)
        signed = time.monotonic()
        status, answered = self.call(get_body(request_id))
        self.assertEqual(status, 200)
        ids, signatures = (re.findall(f"<{name}>([^<]*)</{name}>", answered) for name in ("CorrelationID", "Signature"))
        self.assertEqual((ids, len(set(signatures))), ([str(i) for i in range(COUNT)], COUNT))
        for i in (0, COUNT // 2, COUNT - 1):
            self.assertIn(base64.b64encode(digest(str(i))), base64.b64decode(signatures[i]))
        fetched = time.monotonic()
        pairs = [(digest(str(i)), signature) for i, signature in enumerate(signatures)]
        most = pairs[: COUNT * LARGEST_BODY // max(LARGEST_BODY, len(envelope(verify_body(*pairs)))) - 1]
        status, answered = self.call(verify_body(*most), within_s=WITHIN_S)
        self.assertEqual(status, 200)
        self.assertEqual(re.findall("<SignaturesValid>([a-z]+)</SignaturesValid>", answered), ["true"] * len(most))
        seconds = [f"{later - earlier:.1f} s" for earlier, later in ((began, signed), (signed, fetched), (fetched, time.monotonic()))]
        print(f"{COUNT} posted and signed in {seconds[0]}, fetched in {seconds[1]}, {len(most)} verified in {seconds[2]}", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    WireCase.bin = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
