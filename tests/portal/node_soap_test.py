#!/usr/bin/python3
"""The npm package `soap` does all operations of the portal with its .p12 and reads its faults.

usage: node_soap_test.py FOLDER-OF-SIGNET-PORTAL [unittest's arguments]

Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import pathlib
import shutil
import unittest

import client_case
from portal_bench import cannot_run

JUDGES = pathlib.Path(__file__).resolve().parent / "judges"
if not shutil.which("node"):
    cannot_run("missing: node")
if not (JUDGES / "node_modules" / "soap").exists():
    cannot_run("missing: npm's packages of tests/portal/judges (scripts/setup test)")


class NodeSoapTest(client_case.ClientCase, unittest.TestCase):
    def command(self, p12):
        return ["node", JUDGES / "msign_client.mjs", self.portal.api, p12 or "-"]


if __name__ == "__main__":
    client_case.main(NodeSoapTest, __doc__)
