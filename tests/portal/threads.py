#!/usr/bin/python3
"""Has all threads of signet-portal at work at once, built with ThreadSanitizer: scripts/check --threads.

usage: threads.py BIN_FOLDER

Callers of several connections post, have signed, fetch and verify, while pages are opened, consumers come and go, the folders of
trust change and metrics are read; then it is told to stop in the midst of it. Exit: 0 nothing was reported, 1 a data race or a failure.
"""
import pathlib
import re
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from portal_bench import Portal, SignPage
from thread_reports import thread_reports
from wire_case import content, digest, envelope, get_body, post_body, verify_body

CALLERS = 6
ROUNDS = 8


def element(text, name):
    return re.search(f"<{name}>([^<]*)<", text).group(1)


def rounds(portal, consumer):
    context = portal.client_context(*consumer)
    for number in range(ROUNDS):
        value = digest(f"{threading.get_ident()} {number}")
        request_id = element(portal.soap(envelope(post_body(content(value, "c"))), context)[1], "PostSignRequestResult")
        page = SignPage(portal, request_id)
        page.call("claim", instrument="sandbox")
        status, answer = page.call("sandbox", action="sign")
        if status != 200:
            raise RuntimeError(f"sandbox: {status} {answer}")
        signature = element(portal.soap(envelope(get_body(request_id)), context)[1], "Signature")
        if element(portal.soap(envelope(verify_body((value, signature))), context)[1], "SignaturesValid") != "true":
            raise RuntimeError("a signature of ours does not hold")


def work(portal):
    consumer = portal.add_consumer("shop")
    portal.start()
    failed = []

    def caller():
        try:
            rounds(portal, consumer)
        except Exception as error:  # pylint: disable=broad-except
            failed.append(error)

    callers = [threading.Thread(target=caller) for _ in range(CALLERS)]
    for one in callers:
        one.start()
    number = 0
    while any(one.is_alive() for one in callers):
        portal.operations("/metrics")
        portal.command("consumer", "add", f"other{number}", "--name", "Other", "--address", "127.0.0.1", "--return-url", "https://other.example/", "--issue", portal.folder)
        (portal.sandbox / "changed.txt").write_text(str(number))  # read anew; no certificate
        number += 1
        time.sleep(0.5)
    if failed:
        raise RuntimeError(f"{len(failed)} of {CALLERS} callers failed: {failed[0]!r}")
    last = threading.Thread(target=caller)
    last.start()
    time.sleep(0.3)
    code = portal.stop()  # in the midst of a call
    last.join()
    if code != 0:
        raise RuntimeError(f"signet-portal: exit {code}: {portal.log.read_text(errors='replace')[-2000:]}")


def main(binaries, folder):
    portal = Portal(binaries, folder / "portal")
    portal.configuration.write_text(portal.configuration.read_text().replace("[api]\n", "[api]\nthreads = 3\n"))
    with thread_reports(folder):
        try:
            work(portal)
        finally:
            if portal.process is not None and portal.process.poll() is None:
                portal.kill()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory(prefix="signet-threads-") as place:
        main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(place))
