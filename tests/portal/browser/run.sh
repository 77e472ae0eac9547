#!/usr/bin/env bash
# The Sign Page in a browser with all that stands behind it (site.py). Exit codes as site.py's.
# usage: tests/portal/browser/run.sh BIN [chromium|firefox [public]]
# SIGNET_TEST_ONLY: only the tests whose names fit this regular expression.
# SIGNET_SCREENSHOTS=FOLDER: instead of the tests, pictures of what people see, in three sizes and languages.
# public: the portal and the e-service are at an address that is no loopback, and the browser on a screen.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
bin=${1:?BIN}
export SIGNET_TEST_BROWSER=${2:-chromium}
skip() {
  echo "tests/portal/browser: skipped: $1" >&2
  [ "${CI:-}" = true ] && exit 1
  exit 77
}
case $SIGNET_TEST_BROWSER in
  chromium) program=${SIGNET_TEST_CHROMIUM:-/usr/bin/chromium} ;;
  firefox) program=${SIGNET_TEST_FIREFOX:-/usr/bin/firefox-esr} ;;
  *) echo "usage: run.sh BIN [chromium|firefox]" >&2; exit 2 ;;
esac
[ -x "$program" ] || skip "no $program"
[ -d "$root/tests/browser/node_modules" ] || skip "npm packages of tests/browser are not installed: scripts/setup"
[ -d "$root/portal/pages/node_modules" ] || skip "npm packages of portal/pages are not installed: scripts/setup"
(cd "$root/portal/pages" && node build.mjs)
if [ "${3:-}" = public ]; then
  for tool in xvfb-run xdotool; do command -v $tool >/dev/null || skip "no $tool"; done
  exec /usr/bin/python3 "$here/site.py" --public 203.0.113.10 "$bin" xvfb-run -a -s "-screen 0 1280x1000x24" node --test "$here/public.test.mjs"
fi
[ -z "${SIGNET_SCREENSHOTS:-}" ] || exec /usr/bin/python3 "$here/site.py" --expire-after-s 60 "$bin" node "$here/pictures.mjs"
files=("$here/tc_funct.test.mjs")
[ "$SIGNET_TEST_BROWSER" = firefox ] || files+=("$here/troubles.test.mjs")
# One after another: there is one person.
# shellcheck disable=SC2016  # a script for another shell
exec /usr/bin/python3 "$here/site.py" "$bin" bash -c 'status=0; for file; do node --test ${SIGNET_TEST_ONLY:+--test-name-pattern "$SIGNET_TEST_ONLY"} "$file" || status=1; done; exit $status' files "${files[@]}"
