#!/usr/bin/env bash
# Runs the page and the sdk in Chromium. Exit 0: all passed; 1: not; 77: could not run here (1 with CI=true).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

usage() {
  cat <<'TEXT'
usage: tests/browser/run.sh [--screenshots FOLDER] [--only NAME] [FILE.test.mjs...]

Builds web-bridge/pages and tests it in Chromium against a scripted agent.
  --screenshots FOLDER   also writes a picture of every state, language and size
  --only NAME            only the tests whose names fit this regular expression
Against a real agent: SIGNET_TEST_AGENT_PORTS="18580 …" and SIGNET_TEST_PAGE_PORT=8443 (the origin is
https://sign.example:8443); tests that need a misbehaving agent are then skipped.
SIGNET_TEST_CHROMIUM names another browser than /usr/bin/chromium.
TEXT
}

skip() {
  echo "tests/browser: skipped: $1" >&2
  [ "${CI:-}" = true ] && exit 1
  exit 77
}

files=()
select=()
while [ $# -gt 0 ]; do
  case $1 in
    -h|--help) usage; exit 0 ;;
    --screenshots) mkdir -p "$2"; SIGNET_SCREENSHOTS=$(cd "$2" && pwd); export SIGNET_SCREENSHOTS; shift ;;
    --only) select=(--test-name-pattern "$2"); shift ;;
    *.test.mjs) files+=("$here/$(basename "$1")") ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
if [ ${#files[@]} -eq 0 ]; then
  for file in "$here"/*.test.mjs; do
    [ "$(basename "$file")" = real_agent.test.mjs ] || files+=("$file") # which real_agent.sh starts
  done
fi

command -v node >/dev/null || skip "no node"
command -v openssl >/dev/null || skip "no openssl"
[ -x "${SIGNET_TEST_CHROMIUM:-/usr/bin/chromium}" ] || skip "no Chromium at ${SIGNET_TEST_CHROMIUM:-/usr/bin/chromium}"
for folder in web-bridge/sdk web-bridge/pages tests/browser; do
  [ -d "$root/$folder/node_modules" ] || skip "npm packages of $folder are not installed: scripts/setup"
done

(cd "$root/web-bridge/pages" && node build.mjs)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=sign.example \
  -addext subjectAltName=DNS:sign.example -keyout "$scratch/key.pem" -out "$scratch/certificate.pem" 2>/dev/null
export SIGNET_TEST_CERTIFICATE=$scratch/certificate.pem SIGNET_TEST_KEY=$scratch/key.pem

# One file after the other: a port given for the page's origin is one port.
status=0
for file in "${files[@]}"; do
  echo "tests/browser: $(basename "$file")"
  # What only lays out and reads the page needs no browser with a window: that one is a third quicker.
  browser=
  [ "$(basename "$file")" != accessibility.test.mjs ] || browser=$(command -v chromium-headless-shell || true)
  SIGNET_TEST_CHROMIUM=${SIGNET_TEST_CHROMIUM:-${browser:-/usr/bin/chromium}} node --test "${select[@]}" "$file" || status=1
done
exit $status
