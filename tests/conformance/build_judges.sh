#!/usr/bin/env bash
# Builds the Java judges into OUTDIR (classes/ and lib/), which SIGNET_JUDGES then names.
set -euo pipefail

if [ $# != 1 ] || [ "$1" = --help ] || [ "$1" = -h ]; then
  echo "usage: build_judges.sh OUTDIR   (does nothing when the sources are those of the last build)" >&2
  exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)

# Tests run in parallel, and each may ask for the judges.
exec 9>"$out/.lock"
flock 9

stamp=$({ cat "$0" "$here/judges/pom.xml"; find "$here/judges/src" -type f -name '*.java' -print0 | sort -z | xargs -0 cat
          javac -version 2>&1; } | sha256sum | cut -d' ' -f1)
if [ "$(cat "$out/.stamp" 2>/dev/null)" = "$stamp" ]; then
  exit 0
fi
rm -rf "$out/.stamp" "$out/classes" "$out/lib" "$out/maven-status" "$out/generated-sources"
mvn --batch-mode --quiet --strict-checksums -Dstyle.color=never --file "$here/judges/pom.xml" \
  "-Djudges.output=$out" process-classes >&2
rm -rf "$out/maven-status" "$out/generated-sources"
echo "$stamp" >"$out/.stamp"
