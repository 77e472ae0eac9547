"""Signatures as people's agents make them: signetd with a token and a TSA of the demonstration, asked by `signet sign`."""
import contextlib
import os
import pathlib
import shutil
import subprocess

from portal_bench import WITHIN_S, cannot_run, free_port, until

PIN = b"482913\n"
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/usr/lib/pkcs11/libsofthsm2.so")


class Agent:
    """`trust` holds what a portal's signers.trust needs."""

    def __init__(self, bin_folder, folder):
        module = next(filter(os.path.exists, MODULES), None) or cannot_run("missing: libsofthsm2.so")
        self.bin, self.folder, self.processes = pathlib.Path(bin_folder), folder, []
        self.pki, self.trust, self.environment = folder / "pki", folder / "trust", {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
        self.configuration = folder / "signet.toml"
        for made in (folder, self.trust, folder / "run"):
            made.mkdir(mode=0o700)
        self._signet("demo", "pki", self.pki, "--keys", "rsa2048")
        self.environment["SOFTHSM2_CONF"] = self._signet("demo", "token", self.pki, input=PIN).decode().strip()
        for name in ("demo-ca.pem", "demo-ca.crl.pem"):
            shutil.copy(self.pki / name, self.trust)
        self.configuration.write_text(
            f'control_socket = "{folder}/run/control.sock"\njournal = "{folder}/journal"\n[[modules]]\nname = "SoftHSM2"\npath = "{module}"\n'
            f'[time_stamping]\nurls = ["{self._start("signet", "demo", "tsa", self.pki)}"]\n[web]\nports = [{free_port()}]\n'
        )
        self._start("signetd", "--config", self.configuration, speaks=False)
        with self.ending_on_error():
            until(lambda: self._answers("status"), "the agent answers", 60)

    def _answers(self, *words):
        ran = subprocess.run([self.bin / "signet", "--config", self.configuration, *words], env=self.environment, capture_output=True, check=False, timeout=WITHIN_S)
        return ran.returncode == 0

    def _start(self, program, *words, speaks=True):
        """The first line that it prints."""
        process = subprocess.Popen([self.bin / program, *words], stdout=subprocess.PIPE if speaks else subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment, text=True)
        self.processes.append(process)
        return process.stdout.readline().strip() if speaks else None

    def _signet(self, *words, **more):
        return subprocess.run([self.bin / "signet", *words], env=self.environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=WITHIN_S, **more).stdout

    def sign(self, algorithm, digest, *words):
        """The signature over a hash."""
        (self.folder / "list").write_text(f"{algorithm}:{digest.hex()} file\n")
        self._signet("--config", self.configuration, "sign", "--overwrite", "--pin-stdin", "--digest-list", self.folder / "list", "--out", self.folder / "out", *words, input=PIN)
        made = self.folder / "out" / "file.xades.xml"
        signature = made.read_bytes()
        made.unlink()
        return signature

    @contextlib.contextmanager
    def ending_on_error(self):
        try:
            yield
        except BaseException:
            self.stop()
            raise

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
            process.wait(WITHIN_S)
            if process.stdout:
                process.stdout.close()
