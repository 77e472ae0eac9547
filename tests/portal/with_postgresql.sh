#!/usr/bin/env bash
# Runs a program of tests with a PostgreSQL of its own, which ends with it. 77 (skipped) where there is none.
set -euo pipefail

if ! command -v pg_virtualenv >/dev/null || ! compgen -G '/usr/lib/postgresql/*/bin/pg_ctl' >/dev/null; then
  echo "left out: no PostgreSQL (scripts/setup test)" >&2
  [ "${CI:-}" = true ] && exit 1
  exit 77
fi
# -t: nothing is written to /etc/postgresql and /var/lib/postgresql, also as root. pg_virtualenv switches fsync off: nothing here
# ends the machine. Its words are not the tests'.
exec pg_virtualenv -t env \
  SIGNET_TEST_DATABASE=postgresql \
  "SIGNET_TEST_RESTART=${0%/*}/restart_postgresql.sh" \
  "$@"
