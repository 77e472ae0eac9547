#!/usr/bin/python3
"""WCF, as mono has it, does all operations of the portal with hand-written data contracts and reads its faults.

usage: wcf_test.py FOLDER-OF-SIGNET-PORTAL [unittest's arguments]

Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import pathlib
import shutil
import subprocess
import unittest

import client_case
from portal_bench import cannot_run

SOURCE = pathlib.Path(__file__).resolve().parent / "judges" / "msign_client.cs"
ASSEMBLIES = ("System.ServiceModel.dll", "System.Runtime.Serialization.dll")
for tool in ("mono", "mcs"):
    if not shutil.which(tool):
        cannot_run(f"missing: {tool} (mono-mcs, libmono-system-servicemodel4.0a-cil)")


class WcfTest(client_case.ClientCase, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.program = cls.folder / "msign_client.exe"
        subprocess.run(["mcs", *(f"-r:{name}" for name in ASSEMBLIES), f"-out:{cls.program}", SOURCE], check=True, timeout=client_case.RUN_WITHIN_S)

    def command(self, p12):
        return ["mono", self.program, self.portal.api, self.portal.certificate, p12 or "-"]


if __name__ == "__main__":
    client_case.main(WcfTest, __doc__)
