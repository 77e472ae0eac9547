#!/usr/bin/env bash
# Ends all connections of the pg_virtualenv that this runs in, as a machine that falls over would, and starts it again; with `stop`
# or `start` only that.
set -euo pipefail
cd /
exec pg_ctlcluster --mode immediate "$PGVERSION" regress "${1:-restart}"
