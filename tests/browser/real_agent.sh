#!/usr/bin/env bash
# The page and the sdk in Chromium against signetd with SoftHSM2. Exit codes as run.sh's.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

usage() {
  cat <<'TEXT'
usage: tests/browser/real_agent.sh [BIN] [--screenshots FOLDER] [--only NAME]

BIN is the folder of signetd, signet and signet-token-host (default: build/dev/bin). Everything is made in a temporary folder: a
PKI, a token, a time stamp authority, agents with ports of their own.
  --screenshots FOLDER   also writes page-signed-ro.png and page-signed-en.png, of which docs/images/page-signed.png is made
  --only NAME            as run.sh's
TEXT
}

skip() {
  echo "tests/browser: skipped: $1" >&2
  [ "${CI:-}" = true ] && exit 1
  exit 77
}

case ${1:-} in -h|--help) usage; exit 0 ;; esac
bin=$root/build/dev/bin
case ${1:-} in ''|--*) ;; *) bin=$(cd "$1" && pwd); shift ;; esac
for program in signetd signet signet-token-host; do
  [ -x "$bin/$program" ] || { echo "tests/browser: no $program in $bin" >&2; exit 1; }
done
for module in /usr/lib/softhsm/libsofthsm2.so /usr/lib64/pkcs11/libsofthsm2.so /usr/lib/pkcs11/libsofthsm2.so; do
  [ -e "$module" ] && break
done
[ -e "$module" ] || skip "no libsofthsm2.so"

umask 077
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
printf '%06d\n' "$((16#$(od -An -N4 -tx4 /dev/urandom | tr -d ' ') % 1000000))" >"$folder/pin"
# RSA-3072 is slow enough in software for a batch to have a middle.
"$bin/signet" demo pki "$folder/pki" --keys rsa3072
SOFTHSM2_CONF=$("$bin/signet" demo token "$folder/pki" <"$folder/pin")
export SOFTHSM2_CONF SIGNET_TEST_BIN=$bin SIGNET_TEST_FOLDER=$folder SIGNET_TEST_MODULE=$module
mkdir "$folder/trust"
cp "$folder/pki/demo-ca.pem" "$folder/pki/demo-ca.crl.pem" "$folder/trust"

status=0
"$here/run.sh" "$@" real_agent.test.mjs || status=$?
exit $status
