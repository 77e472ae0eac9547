#!/usr/bin/env bash
# Runs fuzz targets over every file of SIGNET_CORPUS.
# usage: replay_corpus.sh TARGET…; 77 without a corpus, which with CI=true is a failure
set -uo pipefail

if [ ! -d "${SIGNET_CORPUS:-}" ]; then
  echo "skipped: SIGNET_CORPUS (${SIGNET_CORPUS:-not set}) is no folder"
  [ "${CI:-}" != true ] || exit 1
  exit 77
fi
mapfile -d '' -t files < <(find "$SIGNET_CORPUS" -type f -print0 | sort -z)
[ ${#files[@]} -gt 0 ] || { echo "no file in $SIGNET_CORPUS"; exit 1; }
output=$(mktemp)
trap 'rm -f "$output"' EXIT

failed=0
for target; do
  begin=$SECONDS
  if "$target" -timeout=30 -rss_limit_mb=2048 "${files[@]}" >"$output" 2>&1; then
    echo "$(basename "$target"): ${#files[@]} files, $((SECONDS - begin)) s"
  else
    tail -n 40 "$output"
    echo "$(basename "$target"): FAILED"
    failed=1
  fi
done
exit $failed
