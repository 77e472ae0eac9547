#!/usr/bin/python3
"""Signatures that others made and labelled (SIGNET_CORPUS), judged by a portal over SOAP.

usage: corpus_test.py FOLDER-OF-SIGNET-PORTAL [unittest's arguments]

VerifySignatures is asked with a hash: of each row's one detached document or the digest that the row gives; the others' documents are in
the signature itself, and nobody's hash. The labels speak of references and SignatureValue alone, and no anchor of theirs is given here: what
is whole is refused for its issuer, and for nothing else. Exit code 77 without a corpus, 1 where CI=true.
"""
import base64
import csv
import hashlib
import os
import pathlib
import re
import sys
import unittest
import xml.etree.ElementTree as ElementTree

from portal_bench import cannot_run
from wire_case import WireCase, verify_body

CORPUS = pathlib.Path(os.environ.get("SIGNET_CORPUS") or "/nonexistent")
if not (CORPUS / "manifest.tsv").is_file():
    cannot_run("SIGNET_CORPUS names no corpus")
MSIGN = "{https://msign.gov.md}"
AT_ONCE = 20
NOBODY_S = bytes(32)
LENGTHS = {"SHA1": 20, "SHA224": 28, "SHA256": 32, "SHA384": 48, "SHA512": 64}
NOT_TRUSTED = "The signature is not valid: the certificate's issuer is not trusted"
OTHER_CONTENT = "The signature is not valid: it is not over this content"
DAMAGED = "The signature is not valid: it was changed or is damaged"
MALFORMED = "The signature is not valid: it is not well formed"
EXPECTED = {
    "valid": {NOT_TRUSTED}, "invalid": {OTHER_CONTENT, DAMAGED, MALFORMED}, "reject": {DAMAGED, MALFORMED},
    "indeterminate": {OTHER_CONTENT, "The signature is not valid"},
}


def rows():
    with open(CORPUS / "manifest.tsv", newline="", encoding="utf-8") as table:
        return [row for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE) if row["kind"] in ("xades", "xades-hash")]


def content_algorithm(signature):
    """The hash of the first reference to something outside, for hashlib; SHA-256 where it is none that hashlib has. None without such a reference."""
    references = re.findall(rb"<(?:\w+:)?Reference\b([^>]*)>(.*?)</(?:\w+:)?Reference>", signature, re.S)
    outside = [inside for attributes, inside in references if re.search(rb"""URI=["'][^"'#]""", attributes)]
    if not outside:
        return None
    found = re.search(rb"DigestMethod[^>]*#(sha\d+)", outside[0])
    return found.group(1).decode() if found and found.group(1).decode() in hashlib.algorithms_available else "sha256"


def hash_of(row, signature):
    """What the e-service would post; None: no hash is what is signed."""
    given = [one for one in row["detached"].split(";") if one]
    if len(given) != 1:
        return None
    if given[0].startswith("digest:"):
        algorithm, value = given[0].removeprefix("digest:").split("@")[0].split(":")
        value = base64.b64decode(value)
        return value if len(value) == LENGTHS[algorithm] else None  # here a hash's length is its algorithm
    data = bytes.fromhex(given[0][4:]) if given[0].startswith("hex:") else (CORPUS / given[0].partition("@")[0]).read_bytes()
    algorithm = content_algorithm(signature)
    return hashlib.new(algorithm, data).digest() if algorithm else None


class CorpusTest(WireCase):
    def judged(self, pairs):
        """(SignaturesValid, Message, how many certificates) of pairs of a hash and a signature."""
        for first in range(0, len(pairs), AT_ONCE):
            status, text = self.call(verify_body(*((value, base64.b64encode(signature).decode()) for value, signature in pairs[first : first + AT_ONCE])))
            self.assertEqual(status, 200, text[:1_000])
            for result in ElementTree.fromstring(text).iter(f"{MSIGN}VerificationResult"):
                yield result.findtext(f"{MSIGN}SignaturesValid"), result.findtext(f"{MSIGN}Message"), len(list(result.iter(f"{MSIGN}VerificationCertificate")))

    def test_over_a_hash(self):
        """each row over its hash is judged as it is labelled, and a whole one names its signer; nothing passes for another hash, and nothing passes without its issuer"""
        pairs, labels = [], []
        for row in rows():
            signature = (CORPUS / row["file"]).read_bytes()
            value = hash_of(row, signature)
            pairs += [(value or NOBODY_S, signature), (NOBODY_S, signature)]
            labels.append((row, value is not None))
        verdicts = list(self.judged(pairs))
        self.assertEqual(len(verdicts), len(pairs))
        compared = 0
        for (row, over_a_hash), own, nobodys in zip(labels, verdicts[::2], verdicts[1::2], strict=True):
            with self.subTest(row["id"], core=row["core"], own=own, nobodys=nobodys):
                self.assertEqual((own[0], nobodys[0]), ("false", "false"))
                self.assertNotEqual(nobodys[1], NOT_TRUSTED, "over nobody's hash")
                if not over_a_hash or row["core"] not in EXPECTED:
                    continue
                compared += 1
                self.assertIn(own[1], EXPECTED[row["core"]])
                if row["core"] == "valid":
                    self.assertGreater(own[2], 0)
        print(f"{len(labels)} rows, {compared} of them over a hash")
        self.assertGreater(compared, 0)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    WireCase.bin = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
