#!/usr/bin/env python3
"""Has the programs that have threads use all of them at once, built with ThreadSanitizer: scripts/check --threads.

usage: threads.py BIN_FOLDER

signetd with a SoftHSM2 token, a module whose slot events do not end, two TSAs of which the first fails, and a pinentry:
batches with time stamps, dialogs that are closed from outside while others wait, status and lock beside them, TSAs that all
fail, and an end in the midst of it. Exit: 0 nothing was reported, 1 a data race or a failure, 77 SoftHSM2 is missing (1 with CI=true).
"""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from thread_reports import thread_reports

HERE = pathlib.Path(__file__).resolve().parent
SOFTHSM = pathlib.Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "threads-1"


def sign_with_all_threads(binaries, folder, processes):
    environment = dict(os.environ, HOME=str(folder), XDG_STATE_HOME=str(folder / "state"))

    def signet(*words):
        command = [str(binaries / "signet"), "--config", str(config), *map(str, words)]
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def made(*words, text=None):
        return subprocess.run([str(binaries / "signet"), "demo", *map(str, words)], env=environment, input=text, capture_output=True, text=True, check=True).stdout.strip()

    def tsa(*words):
        process = subprocess.Popen([str(binaries / "signet"), "demo", "tsa", str(folder / "pki"), *words], env=environment, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        return process.stdout.readline().strip()

    made("pki", folder / "pki", "--keys", "p256")
    environment["SOFTHSM2_CONF"] = made("token", folder / "pki", text=PIN + "\n")
    (folder / "pin").write_text(PIN + "\n")
    pinentry = folder / "pinentry"
    # While the file `slow` is there a dialog stands open until it is closed from outside.
    pinentry.write_text(f'#!/bin/bash\n[ ! -e "{folder}/slow" ] || {{ echo OK; touch "{folder}/open"; exec sleep 30; }}\n'
                        f'exec "{HERE.parent}/demo/pinentry" "{folder}/pin"\n')
    pinentry.chmod(0o700)
    (folder / "run").mkdir(mode=0o700)
    config = folder / "signet.toml"
    config.write_text(
        f'control_socket = "{folder}/run/control.sock"\n[[modules]]\npath = "{SOFTHSM}"\n'
        f'[[modules]]\npath = "{binaries.parent}/tests/module/modules/endless_events.so"\n'
        f'[devices]\nmodule_folders = ["/usr", "{binaries.parent}"]\n'
        f'[time_stamping]\nurls = ["{tsa("--fault", "http_500")}", "{tsa("--delay-ms", "20")}"]\ntries = 2\n'
        f'[web]\nports = [30580, 30581, 30582, 30583, 30584]\n[dialog]\npinentry = "{pinentry}"\n')
    with open(folder / "signetd.log", "w") as log:
        agent = subprocess.Popen([str(binaries / "signetd"), "--config", str(config)], env=environment, stdout=log, stderr=log)
    processes.append(agent)

    def until(what, condition):
        deadline = time.monotonic() + 60
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what} did not happen: {(folder / 'signetd.log').read_text()}")
            time.sleep(0.05)

    def ended(process, expected=0):
        said = process.communicate(timeout=120)[1]
        if expected is not None and process.returncode != expected:
            raise RuntimeError(f"{process.args}: exit {process.returncode}, not {expected}: {said}")

    def batch(number, items):
        digests = folder / f"digests-{number}"
        digests.write_text("".join(f"sha256:{number:032x}{i:032x} {number}-{i}\n" for i in range(items)))
        out = folder / f"out-{number}"
        out.mkdir()
        return signet("sign", "--overwrite", "--level", "t", "--digest-list", digests, "--out", out), out

    until("an answer", lambda: signet("status").wait() == 0)
    signing = [batch(number, 60) for number in (1, 2)]
    for _ in range(5):
        ended(signet("tokens"))
        ended(signet("status"))
    for process, out in signing:
        ended(process)
        if len(list(out.iterdir())) != 60:
            raise RuntimeError(f"{out} is not whole")

    (folder / "slow").touch()
    cut, waiting = batch(3, 1)[0], batch(4, 1)[0]
    until("a dialog", (folder / "open").exists)
    ended(signet("lock"))
    (folder / "slow").unlink()
    for process in (cut, waiting):
        process.send_signal(signal.SIGINT)
    for process in (cut, waiting):
        ended(process, None)

    last, out = batch(5, 200)
    until("a signature", lambda: any(out.iterdir()))
    processes[1].terminate()  # the TSA that answered: from here on all of them fail
    before = len(list(out.iterdir()))
    until("signatures without time stamps", lambda: last.poll() is not None or len(list(out.iterdir())) > before + 20)
    agent.terminate()
    ended(last, None)
    if agent.wait(60) != 0:
        raise RuntimeError(f"signetd: exit {agent.returncode}: {(folder / 'signetd.log').read_text()}")


def main(binaries, folder):
    processes = []
    with thread_reports(folder):
        try:
            sign_with_all_threads(binaries, folder, processes)
        finally:
            for process in processes:
                process.terminate()
                process.wait(60)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if not SOFTHSM.exists():
        print("threads: SoftHSM2 is missing", file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") == "true" else 77)
    with tempfile.TemporaryDirectory(prefix="signet-threads-") as place:
        main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(place))
