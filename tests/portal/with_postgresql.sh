#!/usr/bin/env bash
# Runs a program of tests with a PostgreSQL of its own, which ends with it. 77 (skipped) where there is none.
set -euo pipefail

if ! command -v pg_virtualenv >/dev/null || ! compgen -G '/usr/lib/postgresql/*/bin/pg_ctl' >/dev/null; then
  echo "left out: no PostgreSQL (scripts/setup test)" >&2
  [ "${CI:-}" = true ] && exit 1
  exit 77
fi
# Several run beside one another, and some stop and start theirs: each holds a port of its own, by a lock that ends with the last
# process of this run. pg_virtualenv would take whichever is free when it looks.
locks=${XDG_RUNTIME_DIR:-${TMPDIR:-/tmp}}/signet-postgresql.$UID
mkdir -p -m 700 "$locks"
for ((port = 5500; port < 5600; ++port)); do
  exec 9>"$locks/$port"
  if flock -n 9 && ! (: </dev/tcp/127.0.0.1/$port) 2>/dev/null; then break; fi
done
# -t: nothing is written to /etc/postgresql and /var/lib/postgresql, also as root. pg_virtualenv switches fsync off: nothing here
# ends the machine. Its words are not the tests'.
exec pg_virtualenv -t -c "--port $port" env \
  SIGNET_TEST_DATABASE=postgresql \
  "SIGNET_TEST_RESTART=${0%/*}/restart_postgresql.sh" \
  "$@"
