#!/usr/bin/env bash
# Installs a build below a folder of its own and uses it from there: programs, token host, translations, units, manual pages.
# usage: tests/installed_tree.sh BUILD_FOLDER
set -euo pipefail
build=$(cd "${1:?BUILD_FOLDER}" && pwd)
work=$(mktemp -d)
agent=
trap '[ -z "$agent" ] || { kill "$agent" && wait "$agent" || true; }; rm -rf "$work"' EXIT
fail() { echo "installed_tree: $*" >&2; exit 1; }

# As a package is made: a tree for /usr that stands elsewhere.
DESTDIR=$work/package cmake --install "$build" --prefix /usr >/dev/null
grep -qx 'ExecStart="/usr/bin/signetd"' "$work/package/usr/share/systemd/user/signetd.service" || fail "ExecStart in a package"
grep -qx 'KillMode=process' "$work/package/usr/share/systemd/user/signetd.service" || fail "token hosts are killed while they write a PIN"

# As a person installs it for themselves.
prefix=$work/home/.local
cmake --install "$build" --prefix "$prefix" >/dev/null
[ -x "$prefix/libexec/signet/signet-token-host" ] || fail "no token host"
[ ! -e "$prefix/bin/signet-token-host" ] || fail "the token host is no command"
for page in man1/signet.1 man1/signetd.1 man5/signet.toml.5; do [ -s "$prefix/share/man/$page" ] || fail "no $page"; done
[ "$(ls "$prefix/share/signet/devices")" = "$(cd "$(dirname "$0")/../drivers/catalogue" && ls)" ] || fail "not the whole device catalogue"
[ ! -e "$prefix/bin/signet-portal" ] || fail "the portal comes only where it is asked for"
cmake --install "$build" --component portal --prefix "$work/server" >/dev/null
for file in bin/signet-portal share/signet-portal/pages/index.html share/signet-portal/pages/page.js share/locale/en/LC_MESSAGES/signet-portal-ro.mo \
  share/man/man1/signet-portal.1 lib/sysusers.d/signet-portal.conf; do
  [ -s "$work/server/$file" ] || fail "no $file of the portal"
done
[ "$("$work/server/bin/signet-portal" --version)" = "$("$prefix/bin/signet" --version)" ] || fail "signet-portal --version"
"$work/server/bin/signet-portal" --config "$work/server/share/doc/signet-portal/portal.toml" serve --check >/dev/null || fail "the portal's example configuration"
if command -v systemd-analyze >/dev/null; then
  unit=$work/server/lib/systemd/system/signet-portal.service
  said=$(systemd-analyze --man=no verify "$unit" 2>&1) || fail "the portal's unit: $said"
  ! grep -F signet-portal <<<"$said" || fail "the portal's unit"
  systemd-analyze security --offline=true --threshold=20 "$unit" >"$work/exposure" || fail "the portal's unit: $(tail -n 1 "$work/exposure")"
  mkdir -m 700 "$work/run"
  said=$(cd "$prefix/share/systemd/user" && HOME=$work/home XDG_RUNTIME_DIR=$work/run MANPATH=$prefix/share/man: \
    systemd-analyze --user --man=no verify signetd.service signetd.socket signetd-web.socket 2>&1) || fail "units: $said"
  ! grep -F signetd <<<"$said" || fail "units"
else
  [ "${CI:-}" != true ] || fail "no systemd-analyze"
  echo "installed_tree: skipped: the units, as there is no systemd-analyze" >&2
fi

mkdir -m 700 "$work/sockets"
cat >"$work/signet.toml" <<TOML
control_socket = "$work/sockets/control.sock"
[web]
ports = [29580, 29581, 29582, 29583, 29584]
[[modules]]
path = "$build/tests/module/modules/good.so"
[devices]
module_folders = ["$build"]
TOML
export HOME=$work/home XDG_STATE_HOME=$work/state LANGUAGE=ro
signet() { "$prefix/bin/signet" --config "$work/signet.toml" "$@"; }
"$prefix/bin/signetd" --config "$work/signet.toml" >"$work/log" 2>&1 &
agent=$!
for _ in $(seq 100); do
  signet status >/dev/null 2>&1 && break
  sleep 0.1
done
signet status >/dev/null || fail "the agent does not answer: $(cat "$work/log")"
signet tokens | grep -q 'Fake token' || fail "no token: $(signet status)"
signet origins | grep -q configurație || fail "no translation: $(signet origins)"
