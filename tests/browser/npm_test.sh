#!/usr/bin/env bash
# The tests of web-bridge/sdk or of pages, in Node.js: types checked, built, run. Exit codes as run.sh's.
# usage: tests/browser/npm_test.sh FOLDER, such as web-bridge/sdk
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
part=${1:?a folder}

skip() {
  echo "tests/browser: skipped: $1" >&2
  [ "${CI:-}" = true ] && exit 1
  exit 77
}

command -v npm >/dev/null || skip "no npm"
# Pages are built of the sdk's sources.
for folder in web-bridge/sdk "$part"; do
  [ -d "$root/$folder/node_modules" ] || skip "npm packages of $folder are not installed: scripts/setup"
done
cd "$root/$part"
npm test
