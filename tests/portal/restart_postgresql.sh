#!/usr/bin/env bash
# Ends all connections of the pg_virtualenv that this runs in, as a machine that falls over would, and starts it again; with `stop`
# or `start` only that.
set -euo pipefail
cd /
case ${1:-restart} in
  stop|restart) pg_ctlcluster --mode immediate "$PGVERSION" regress stop ;;&
  stop) exit ;;
esac
# 2, "is already running": a postmaster that fell over leaves its pid file, and its process until it is waited for.
for _ in {1..50}; do
  status=0
  pg_ctlcluster "$PGVERSION" regress start || status=$?
  [ $status = 2 ] || exit "$status"
  sleep 0.1
done
exit 2
