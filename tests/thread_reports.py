"""What ThreadSanitizer says of programs that a test starts."""
import contextlib
import os
import sys


@contextlib.contextmanager
def thread_reports(folder):
    """Programs that are started within write their reports below `folder`. At the end they are printed, and any of them is a failure (SystemExit 1)."""
    reports = folder / "reports"
    reports.mkdir()
    os.environ["TSAN_OPTIONS"] = f"log_path={reports}/tsan"
    try:
        yield
    finally:
        for report in sorted(reports.iterdir()):
            print(report.read_text(), file=sys.stderr)
    if any(reports.iterdir()):
        sys.exit(1)
