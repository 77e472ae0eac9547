#!/usr/bin/env bash
# The Sign Page in Chromium with all that stands behind it (site.py). Exit codes as site.py's.
# usage: tests/portal/browser/run.sh BIN
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
skip() {
  echo "tests/portal/browser: skipped: $1" >&2
  [ "${CI:-}" = true ] && exit 1
  exit 77
}
[ -x "${SIGNET_TEST_CHROMIUM:-/usr/bin/chromium}" ] || skip "no Chromium at ${SIGNET_TEST_CHROMIUM:-/usr/bin/chromium}"
[ -d "$root/tests/browser/node_modules" ] || skip "npm packages of tests/browser are not installed: scripts/setup"
exec /usr/bin/python3 "$here/site.py" "$1" node --test "$here/tc_funct.test.mjs"
