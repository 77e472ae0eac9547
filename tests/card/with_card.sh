#!/usr/bin/env bash
# Runs a command beside a private pcscd with PIV cards in its readers, in network and mount namespaces of its own.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: with_card.sh [options] -- COMMAND [ARGUMENT…]

  --keys LIST      keys of the new cards, such as 9A=rsa2048,9C=p256 (rsa2048 rsa3072 p256 p384)
  --dir DIR        a prepared card folder (piv_card.py init); again for the second card, and so on
  --ca-key FILE    with --ca-cert FILE: the CA that issues the new cards' certificates
  --pin PIN        default 471108; the PUK is 12345678
  --delay MS       each signature takes so much longer
  --cards N        1 (default) or 2 cards, each in a reader of its own
  --pin-pad FILE   pin_pad_driver.so: the readers have keys, for who listens at the Unix socket SIGNET_PIN_PAD

COMMAND finds in its environment: SIGNET_CARD_CTL, the first card's control socket (SIGNET_CARD_CTL_1 … _N: each
card's), SIGNET_CARD_MODULE, the path of opensc-pkcs11.so, and OPENSC_CONF. It writes a line `pin` or `puk` to the
file SIGNET_CARD_TYPED_WRONG for each that it types wrong. Answers COMMAND's exit code; 71 where the cards have refused
more or fewer than that; 77 (1 where CI=true) when this machine cannot run the bench; 70 when the bench did not start.
TEXT
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here piv_card=$here/piv_card.py
readonly python=/usr/bin/python3 # Debian's: python3-cryptography is not seen by another
readonly first_port=35963        # vpcd's own; its second slot has the next one
# Compiled into vpcd. A second entry in reader.conf would share the slots of the first one, and pcscd would hang.
readonly vpcd_slots=2
readonly work=/run/signet-card # in the private /run
readonly ready_within_s=20
readonly stopped_within_s=5

say() { echo "with_card.sh: $*" >&2; }

cannot_run() {
  say "cannot run the card bench here: $*"
  [ "${CI:-}" = true ] && exit 1
  exit 77
}

first_file() {
  local path
  for path in "$@"; do
    [ ! -e "$path" ] || { echo "$path"; break; }
  done
}

find_stack() {
  local missing=()
  PATH=$PATH:/usr/sbin:/sbin # not in every user's path
  command -v unshare >/dev/null && command -v setpriv >/dev/null || missing+=(util-linux)
  command -v ip >/dev/null || missing+=(iproute2)
  command -v pcscd >/dev/null || missing+=(pcscd)
  command -v opensc-tool >/dev/null || missing+=(opensc)
  "$python" -c 'import cryptography' 2>/dev/null || missing+=(python3-cryptography)
  driver=$(first_file /usr/lib/pcsc/drivers/serial/libifdvpcd.so /usr/lib64/pcsc/drivers/serial/libifdvpcd.so)
  [ -n "$driver" ] || missing+=(vsmartcard-vpcd)
  module=$(first_file /usr/lib/*/opensc-pkcs11.so /usr/lib/opensc-pkcs11.so /usr/lib64/opensc-pkcs11.so)
  [ -n "$module" ] || missing+=(opensc-pkcs11)
  [ ${#missing[@]} -eq 0 ] || cannot_run "missing packages: ${missing[*]}"
}

parse_options() {
  init_options=() run_options=() folders=() cards=1 pin_pad=''
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    case $1 in
      -h | --help) usage; exit 0 ;;
      --keys | --dir | --ca-key | --ca-cert | --pin | --delay | --cards | --pin-pad)
        [ $# -ge 2 ] || { usage >&2; exit 2; } ;;&
      --keys | --ca-key | --ca-cert) init_options+=("$1" "$2") ;;
      --pin | --delay) run_options+=("$1" "$2") ;;
      --dir) folders+=("$2") ;;
      --cards) cards=$2 ;;
      --pin-pad) pin_pad=$2 ;;
      *) usage >&2; exit 2 ;;
    esac
    shift 2
  done
  command=("${@:2}")
  [ ${#command[@]} -gt 0 ] && [[ $cards =~ ^[1-9]$ ]] || { usage >&2; exit 2; }
  [ "$cards" -ge ${#folders[@]} ] || cards=${#folders[@]}
  [ "$cards" -le $vpcd_slots ] || { say "vpcd has $vpcd_slots slots"; exit 2; }
}

# In a chroot whose root is not a mount point propagation cannot be set; as it is will do where mounts are not seen outside.
enter_namespaces() {
  local unshare=(unshare --mount --net) propagation
  [ "$(id -u)" = 0 ] || unshare+=(--user --map-root-user)
  for propagation in private unchanged; do
    if "${unshare[@]}" --propagation $propagation "$here/with_card.sh" --try-mount $$ 2>/dev/null; then
      exec "${unshare[@]}" --propagation $propagation -- "$here/with_card.sh" --in-namespaces "$@"
    fi
  done
  cannot_run "mount and network namespaces (unshare, mount) are not permitted"
}

# Whether a mount can be made that process $1, outside, does not see.
try_mount() {
  mount --no-mtab -t tmpfs signet-try /mnt || return
  ! grep -q ' - tmpfs signet-try ' "/proc/$1/mountinfo" || { umount /mnt; return 1; }
}

# A /run of our own: pcscd's socket path is compiled in, and /run/pcscd may not exist to be mounted over. What else is
# there (D-Bus, a user's runtime folder) stays reachable. The namespace takes all of it along when it ends.
# --no-mtab: libmount would write to /run/mount, which in a user namespace is another's.
make_private_run() {
  local entry copy
  mount --no-mtab -t tmpfs -o mode=755 tmpfs /mnt
  for entry in /run/*; do
    copy=/mnt/${entry#/run/}
    if [ "$entry" = /run/pcscd ] || [ "$entry" = "$work" ]; then
      continue # another pcscd's, another bench's
    elif [ -L "$entry" ]; then
      cp -P "$entry" "$copy"
    elif [ -d "$entry" ]; then
      mkdir "$copy" && mount --no-mtab --rbind "$entry" "$copy"
    else
      touch "$copy" && mount --no-mtab --bind "$entry" "$copy"
    fi
  done
  mount --no-mtab --move /mnt /run
  mkdir -p /run/pcscd "$work"
}

write_reader_conf() {
  mkdir "$work/reader.conf.d"
  cat >"$work/reader.conf.d/vpcd" <<CONF
FRIENDLYNAME "Virtual PCD"
DEVICENAME /dev/null:$(printf '0x%X' $first_port)
LIBPATH ${pin_pad:-$driver}
CHANNELID $(printf '0x%X' $first_port)
CONF
}

# Two cards may look alike to a cache left by another run: the folder is this run's own.
write_opensc_conf() {
  mkdir -m 1777 "$work/opensc-cache"
  cat >"$work/opensc.conf" <<CONF
app default {
  framework pkcs15 {
    file_cache_dir = $work/opensc-cache;
  }
}
CONF
}

# A service of the bench: out of the terminal's signals, and not left behind even if this shell is killed.
# Its input is nothing, its output a log that is shown when the bench does not start.
start() {
  local name=$1
  shift
  setpriv --pdeathsig TERM setsid "$@" </dev/null >"$work/$name.log" 2>&1 &
  services+=($!)
}

start_cards() {
  local number folder
  for ((number = 1; number <= cards; number++)); do
    folder=${folders[number - 1]:-}
    if [ -z "$folder" ]; then
      folder=$work/card-$number
      "$python" "$piv_card" init --dir "$folder" --name "Card Bench $number" \
        --serial-number "$((2000000000000 + number))" "${init_options[@]}" || exit 70
    fi
    start "card-$number" "$python" "$piv_card" run --dir "$folder" --ctl "$work/card-$number.ctl" \
      --vpcd "127.0.0.1:$((first_port + number - 1))" "${run_options[@]}"
    export "SIGNET_CARD_CTL_$number=$work/card-$number.ctl"
  done
  export SIGNET_CARD_CTL=$SIGNET_CARD_CTL_1
}

# Without USB drivers, this pcscd takes no real reader of the machine away from its user.
hide_usb_drivers() {
  local bundle
  for bundle in "${driver%/serial/*}"/*.bundle; do
    [ ! -d "$bundle" ] || mount --no-mtab -t tmpfs tmpfs "$bundle"
  done
}

# Asked of PC/SC: an answer of the reader driver or of a card alone would not say that pcscd shows it to its clients.
cards_in_readers() { timeout 2 opensc-tool --list-readers 2>/dev/null | grep -cE '^[0-9]+ +Yes ' || true; }

wait_for_cards() {
  local service
  until [ "$(cards_in_readers)" -eq "$cards" ]; do
    for service in "${services[@]}"; do
      kill -0 "$service" 2>/dev/null || did_not_start "a part of it ended"
    done
    [ $SECONDS -lt $ready_within_s ] || did_not_start "no card after $ready_within_s s"
    sleep 0.02
  done
}

did_not_start() {
  say "the card bench did not start: $*"
  tail -n 20 "$work"/*.log >&2
  exit 70
}

stop_services() {
  local service
  trap '' TERM INT HUP
  for service in "${services[@]}"; do
    kill "$service" 2>/dev/null || true
  done
  # pcscd waits for its readers' threads; one that is held up by a slow signature is not waited for.
  local deadline=$((SECONDS + stopped_within_s))
  while [ $SECONDS -lt $deadline ] && kill -0 "${services[@]}" 2>/dev/null; do
    sleep 0.02
  done
  kill -KILL "${services[@]}" 2>/dev/null || true
  wait "${services[@]}" 2>/dev/null || true
}

# In the background of this shell, so that its traps run while it waits; hence the terminal's signals, which a shell
# lets such commands ignore, are put back, and a signal to this shell is handed on.
run_command() {
  local pid status handed_on=yes
  setpriv --pdeathsig TERM env --default-signal=INT,QUIT "${command[@]}" <&0 &
  pid=$!
  trap 'handed_on=yes; kill -TERM "$pid" 2>/dev/null' TERM INT HUP
  while [ $handed_on = yes ]; do # a trap ends `wait` before the command has ended
    handed_on=no status=0
    wait "$pid" || status=$?
  done
  return "$status"
}

# A try too many that no single test looks for shows here, and one too few: a wrong PIN that never came to a card.
count_refusals() {
  local number ctl=()
  for ((number = 1; number <= cards; number++)); do
    ctl+=("$work/card-$number.ctl")
  done
  "$python" "$piv_card" tally --typed "$SIGNET_CARD_TYPED_WRONG" "${ctl[@]}" ||
    { say "what was typed wrong is not what the cards have refused"; return 71; }
}

if [ "${1:-}" = --try-mount ]; then
  try_mount "$2"
  exit
fi
if [ "${1:-}" != --in-namespaces ]; then
  parse_options "$@"
  find_stack
  enter_namespaces "$@"
fi
shift
parse_options "$@"
find_stack
services=()
make_private_run
hide_usb_drivers
ip link set lo up
write_reader_conf
write_opensc_conf
trap stop_services EXIT
start_cards
export SIGNET_READER_DRIVER=$driver SIGNET_PIN_PAD=$work/pin-pad # for the driver with keys
start pcscd pcscd --foreground --config "$work/reader.conf.d"
export SIGNET_CARD_MODULE=$module OPENSC_CONF=$work/opensc.conf SIGNET_CARD_TYPED_WRONG=$work/typed-wrong
wait_for_cards
status=0
run_command || status=$?
if ! count_refusals && [ $status -eq 0 ]; then status=71; fi
exit $status
