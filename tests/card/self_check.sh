#!/usr/bin/env bash
# Does the card bench behave as a PIV card does, seen through opensc-pkcs11.so? Two cards, issued by a CA of this run.
# Exit code 0 only when every statement holds; 77 when this machine cannot run the bench.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here piv_card=$here/piv_card.py
readonly pin=471108 puk=12345678
readonly event_within_s=5 # pcscd looks for cards every 0.4 s

run_bench() {
  local work status=0
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  "$here/with_card.sh" --keys 9E=p256 -- true || exit $? # a machine without the bench is told so first
  openssl req -x509 -newkey rsa:2048 -nodes -subj "/CN=Card Bench CA" -days 30 \
    -keyout "$work/ca.key" -out "$work/ca.crt" 2>/dev/null
  "$piv_card" init --dir "$work/one" --keys 9A=rsa2048,9C=p256,9D=p384,9E=p384 --name "Card Bench One" \
    --ca-key "$work/ca.key" --ca-cert "$work/ca.crt"
  "$piv_card" init --dir "$work/two" --keys 9A=rsa3072,9C=rsa2048 --name "Card Bench Two" \
    --ca-key "$work/ca.key" --ca-cert "$work/ca.crt"
  "$here/with_card.sh" --dir "$work/one" --dir "$work/two" --pin $pin -- \
    "$here/self_check.sh" --in-bench "$work" || status=$?
  refusals_are_counted || status=1
  exit $status
}

# What no test looked for fails the run: a PIN that was presented once too often, and one that was typed and never presented.
refusals_are_counted() {
  local present="pkcs11-tool --module \$SIGNET_CARD_MODULE --login --pin 999999 --list-objects --type privkey" wrong
  local type_wrong="echo pin >>\$SIGNET_CARD_TYPED_WRONG"
  for wrong in "$present; true" "$type_wrong" "$type_wrong; $present; $present; true" "echo nonsense >>\$SIGNET_CARD_TYPED_WRONG"; do
    fails_with 71 "$here/with_card.sh" --keys 9E=p256 -- bash -c "$wrong" || { echo "FAILED  not noticed: $wrong"; return 1; }
  done
  "$here/with_card.sh" --keys 9E=p256 -- bash -c "$type_wrong; $present; true" >/dev/null 2>&1 || { echo "FAILED  one typed, one refused"; return 1; }
  echo "ok      a run fails whose cards have refused more or fewer PINs than were typed wrong"
}

fails_with() {
  local status=0
  "${@:2}" >/dev/null 2>&1 || status=$?
  [ "$status" -eq "$1" ]
}

failures=0

# statement SENTENCE COMMAND…: the sentence holds when the command succeeds.
statement() {
  local sentence=$1
  shift
  if "$@" >"$work/output" 2>&1; then
    echo "ok      $sentence"
  else
    echo "FAILED  $sentence"
    sed 's/^/        /' "$work/output"
    failures=$((failures + 1))
  fi
}

card() { "$piv_card" ctl "$@"; }
card_two() { "$piv_card" ctl --ctl "$SIGNET_CARD_CTL_2" "$@"; }
token() { pkcs11-tool --module "$SIGNET_CARD_MODULE" --slot-index 0 "$@" 2>&1; }
token_two() { pkcs11-tool --module "$SIGNET_CARD_MODULE" --slot-index 1 "$@" 2>&1; }
login() { token --login --pin "$1" --list-objects --type privkey; }

# card_says NAME=VALUE…: what the emulator itself counted.
card_says() {
  local status wanted
  status=$(card status)
  for wanted in "$@"; do
    grep -qF "\"${wanted%%=*}\": ${wanted#*=}" <<<"$status" || { echo "not $wanted in $status"; return 1; }
  done
}

counted() { card status | sed -nE "s/.*\"$1\": ([0-9]+).*/\1/p"; }

answers() { # answers TEXT COMMAND…: it fails, and says so with this text
  local text=$1 output
  shift
  if output=$("$@"); then
    echo "it succeeded: $output"
    return 1
  fi
  grep -F "$text" <<<"$output" || { echo "no $text in: $output"; return 1; }
}

fails() { ! "$@"; }

# wrongly pin|puk COMMAND…: it presents one that the card has to refuse. with_card.sh counts.
wrongly() {
  echo "$1" >>"$SIGNET_CARD_TYPED_WRONG"
  "${@:2}"
}

# No pipe into grep -q: it ends at the first match, and the writer's broken pipe would count as a failure.
shows() {
  local output
  output=$("${@:2}")
  [[ $output == *"$1"* ]] || { echo "no $1 in: $output"; return 1; }
}

soon() {
  local deadline=$((SECONDS + event_within_s))
  until "$@"; do
    [ $SECONDS -lt $deadline ] || return 1
    sleep 0.05
  done
}

has_certificates() { [ "$("${@:2}" --list-objects --type cert | grep -c 'Certificate Object')" -eq "$1" ]; }

# certificate_is_from TOKEN ID FILE: what the token shows is the folder's certificate, and the CA issued it.
certificate_is_from() {
  "$1" --read-object --type cert --id "$2" --output-file "$work/read.der" &&
    openssl x509 -in "$3" -outform DER | cmp - "$work/read.der" &&
    openssl verify -CAfile "$work/ca.crt" "$3"
}

verifies() { # verifies CERTIFICATE SIGNATURE: over the document
  openssl x509 -in "$1" -pubkey -noout >"$work/public.pem"
  openssl dgst -sha256 -verify "$work/public.pem" -signature "$2" "$work/document"
}

sign_rsa() { # sign_rsa TOKEN ID CERTIFICATE: the DigestInfo is ours, as Signet does it
  rm -f "$work/signature"
  "$1" --login --pin $pin --sign --id "$2" --mechanism RSA-PKCS \
    --input-file "$work/digest-info" --output-file "$work/signature"
  verifies "$3" "$work/signature"
}

sign_ecdsa() {
  rm -f "$work/signature"
  "$1" --login --pin $pin --sign --id "$2" --mechanism ECDSA --signature-format openssl \
    --input-file "$work/digest" --output-file "$work/signature"
  verifies "$3" "$work/signature"
}

# C_SetPIN without a login is a change of the PIN, unless opensc.conf says that it is an unblocking.
set_pin_unlogged() { token --unlock-pin --puk "$1" --new-pin "$2"; }
set_pin_unlogged_unblocks() {
  { cat "$OPENSC_CONF"; echo "app opensc-pkcs11 { pkcs11 { user_pin_unblock_style = set_pin_in_unlogged_session; } }"; } \
    >"$work/unblock.conf"
  OPENSC_CONF=$work/unblock.conf set_pin_unlogged "$@"
}

unblock() { pkcs15-tool --reader 0 --unblock-pin --auth-id 01 --puk "$1" --new-pin "$2" 2>&1; }

serial_of() { "$1" --list-slots | sed -nE 's/.*serial num *: //p' | sed -n "$2p"; }
tokens_are_two() { [ "$(token --list-slots | grep -c 'token label')" -eq 2 ]; }
tokens_are_one() { [ "$(token_two --list-slots | grep -c 'token label')" -eq 1 ]; }
reader_two_is_empty_to_pcsc() { [ "$(opensc-tool --list-readers | grep -cE '^[0-9]+ +Yes ')" -eq 1 ]; }

serials_differ() { [ -n "$(serial_of token 1)" ] && [ "$(serial_of token 1)" != "$(serial_of token 2)" ]; }

takes_at_least_ms() {
  local start=${EPOCHREALTIME/./}
  "${@:2}" && [ $((${EPOCHREALTIME/./} - start)) -ge $(($1 * 1000)) ]
}

# Into the card itself, without reader and OpenSC: these add APDUs of their own between those of a test, and let
# malformed ones not pass.
on_the_card_alone() {
  { cat <<'PYTHON'; cat; } | /usr/bin/python3 -B - "$here" "$work/one"
import pathlib, random, sys
sys.path.insert(0, sys.argv[1])
import piv_card

SELECT, VERIFY = "00A4040009A0000003080000100000", "0020008008343731313038FFFF"
SIGN_WITH_9C = "0087119C267C2482008120" + "11" * 32 + "00"
GET_CERTIFICATE = "00CB3FFF055C035FC10500"
card = piv_card.PivCard(piv_card.load_folder(pathlib.Path(sys.argv[2])), "471108", "12345678")
send = lambda text: card.transmit(bytes.fromhex(text))
sw = lambda text: send(text)[-2:].hex().upper()
PYTHON
}

pin_of_9c_counts_once() {
  on_the_card_alone <<'PYTHON'
assert sw(SIGN_WITH_9C) == "6985", "not selected"
assert sw(SELECT) == "9000" and sw(SIGN_WITH_9C) == "6982", "no PIN"
assert sw(VERIFY) == "9000" and sw(SIGN_WITH_9C) == "9000" and sw(SIGN_WITH_9C) == "6982"
assert sw(VERIFY) == "9000" and sw(GET_CERTIFICATE)[:2] == "61" and sw(SIGN_WITH_9C) == "6982", "a command in between"
assert sw("00200080") == "9000" and sw(SIGN_WITH_9C) == "6982", "asking for the state is not the PIN"
PYTHON
}

# ISO 7816-4, 5.1 and 5.3
long_data_travels_in_each_way() {
  on_the_card_alone <<'PYTHON'
send(SELECT)
whole = send("00CB3FFF0000055C035FC1050000")
assert whole[-2:] == b"\x90\x00" and len(whole) > 512
parts = send(GET_CERTIFICATE)
while parts[-2] == 0x61:
    parts = parts[:-2] + send("00C00000" + parts[-1:].hex())
assert parts == whole, "GET RESPONSE"
assert sw(VERIFY) == "9000" and sw("1087119C06" + SIGN_WITH_9C[10:22]) == "9000"
assert sw("0087119C20" + SIGN_WITH_9C[22:]) == "9000", "command chaining"
assert sw("1087119C067C2482008120") == "9000" and sw("00CB3FFF055C035FC10500") == "6883", "a chain cut short"
PYTHON
}

hostile_apdus_are_answered() {
  on_the_card_alone <<'PYTHON'
choice = random.Random(1)
seeds = [bytes.fromhex(seed) for seed in (
    SELECT, VERIFY, SIGN_WITH_9C, GET_CERTIFICATE, "00CB3FFF0000055C035FC1050000", "10870707FF" + "7C" * 255,
    "002C008010" + "31" * 16, "0024008010" + "31" * 16, "00C0000000")]
for _ in range(20000):
    apdu = bytearray(choice.choice(seeds))
    for _ in range(choice.randrange(4)):
        apdu[choice.randrange(len(apdu))] = choice.randrange(256)
    send(SELECT)
    answer = card.transmit(bytes(apdu[: choice.randrange(len(apdu) + 1)]))
    assert len(answer) >= 2 and answer[-2:] != b"\x6F\x00", apdu.hex()
PYTHON
}

# SP 800-73-4 Part 2, 3.2.2 and 3.2.3
pin_and_puk_have_counters_of_their_own() {
  on_the_card_alone <<'PYTHON'
PIN, NEW, PUK, OTHER = "343731313038FFFF", "353535353535FFFF", "3132333435363738", "3837363534333231"
CHANGE_PIN, CHANGE_PUK, UNBLOCK = "0024008010", "0024008110", "002C008010"
counted = lambda: (card.pin.tries, card.puk.tries, card.counters.pin_presented, card.counters.pin_refused,
                   card.counters.puk_presented, card.counters.puk_refused)
assert sw(SELECT) == "9000"
assert sw(CHANGE_PIN + PUK + NEW) == "63C2" and counted() == (2, 3, 1, 1, 0, 0), "a PUK is not a PIN"
assert sw(CHANGE_PIN + PIN + "35353535FFFFFFFF") == "6A80" and counted() == (2, 3, 1, 1, 0, 0), "a short new PIN costs nothing"
assert sw(CHANGE_PIN + PIN + NEW) == "9000" and counted() == (3, 3, 2, 1, 0, 0)
assert sw(CHANGE_PUK + OTHER + PUK) == "63C2" and counted() == (3, 2, 2, 1, 1, 1)
assert sw(CHANGE_PUK + PUK + OTHER) == "9000" and counted() == (3, 3, 2, 1, 2, 1)
assert [sw(VERIFY) for _ in range(4)] == ["63C2", "63C1", "6983", "6983"] and counted() == (0, 3, 6, 5, 2, 1)
assert sw(CHANGE_PIN + NEW + PIN) == "6983", "a blocked PIN is not changed"
assert sw(UNBLOCK + OTHER + "35353535FFFFFFFF") == "6A80" and counted() == (0, 3, 7, 6, 2, 1), "a short new PIN costs nothing"
assert sw(UNBLOCK + OTHER + PIN) == "9000" and counted() == (3, 3, 7, 6, 3, 1)
assert sw(SIGN_WITH_9C) == "6982", "unblocking is not verifying"
assert [sw(UNBLOCK + PUK + NEW) for _ in range(4)] == ["63C2", "63C1", "6983", "6983"] and counted() == (3, 0, 7, 6, 7, 5)
assert sw(CHANGE_PUK + OTHER + PUK) == "6983", "a blocked PUK is not changed"
assert sw(VERIFY) == "9000", "the PIN is as it was"
PYTHON
}

faults_come_where_they_are_put() {
  on_the_card_alone <<'PYTHON'
class Link: pass
control = piv_card.Control(card, Link())
tell = lambda line: control.obey(line.encode())
assert sw(SELECT) == "9000"
assert tell("at 2 apdu 6F00")["faults"] == 1
assert [sw(SELECT) for _ in range(3)] == ["9000", "6F00", "9000"] and tell("status")["faults"] == 0
assert tell("at 2 presentation 6982")["ok"] and tell("at 1 signature 6A80")["faults"] == 2
assert sw(VERIFY) == "9000" and sw("00200080") == "9000", "asking for the state presents nothing"
assert sw(SIGN_WITH_9C) == "6A80" and sw(VERIFY) == "6982" and card.counters.pin_presented == 1, "not carried out"
def pulled(text):
    try:
        send(text)
    except piv_card.CardPulled:
        return True
assert tell("at 1 presentation remove")["ok"] and pulled(VERIFY) and card.counters.pin_presented == 1
assert tell("at 1 presentation lose")["ok"] and pulled(VERIFY) and card.counters.pin_presented == 2
assert sw(SELECT) == "9000" and sw(VERIFY) == "9000" and tell("at 1 signature log-out")["ok"] and sw(SIGN_WITH_9C) == "6982"
assert sw("00200080") == "63C3" and sw(VERIFY) == "9000" and sw(SIGN_WITH_9C) == "9000"
assert tell("at 9 apdu remove")["faults"] == 1 and tell("at none")["faults"] == 0
for wrong in ("at", "at 0 apdu 6F00", "at 1 dream 6F00", "at 1 apdu 6F", "at 1 apdu"):
    assert not tell(wrong)["ok"], wrong
PYTHON
}

check_certificates() {
  statement "the first card shows its four certificates" has_certificates 4 token
  statement "the second card, in the second reader, shows its two" has_certificates 2 token_two
  statement "two cards have two serial numbers" serials_differ
  statement "the certificate of 9A is the folder's, issued by the CA" certificate_is_from token 01 "$work/one/9A.crt"
  statement "the certificate of 9C is the folder's, issued by the CA" certificate_is_from token 02 "$work/one/9C.crt"
  statement "9C is for non-repudiation" shows "non-repudiation" login $pin
  statement "9C asks for the PIN at each signature" shows "always authenticate" login $pin
}

check_signatures() {
  statement "9A signs by RSA-2048" sign_rsa token 01 "$work/one/9A.crt"
  statement "9C signs by P-256 after a context login" sign_ecdsa token 02 "$work/one/9C.crt"
  statement "9A signs by RSA-3072" sign_rsa token_two 01 "$work/two/9A.crt"
  statement "9C signs by RSA-2048 after a context login" sign_rsa token_two 02 "$work/two/9C.crt"
  statement "the card counted one signature of each" card_says 'sign={"9A": 1, "9C": 1, "9D": 0, "9E": 0}'
  statement "a PIN counts for one signature of 9C, just after it" pin_of_9c_counts_once
  statement "a signature of one card is not the other's" fails verifies "$work/one/9A.crt" "$work/signature"
}

check_pin() {
  statement "a wrong PIN is CKR_PIN_INCORRECT" wrongly pin answers CKR_PIN_INCORRECT login 999999
  statement "the card took one try" card_says tries=2 verify_failed=1
  statement "a second one is CKR_PIN_INCORRECT" wrongly pin answers CKR_PIN_INCORRECT login 999999
  statement "the token says that one try is left" shows "final user PIN try" token --list-slots
  statement "looking at the token costs no try" card_says tries=1 verify_failed=2
  statement "the third one is CKR_PIN_LOCKED" wrongly pin answers CKR_PIN_LOCKED login 999999
  statement "the token says that the PIN is locked" shows "user PIN locked" token --list-slots
  statement "the right PIN is then CKR_PIN_LOCKED too" wrongly pin answers CKR_PIN_LOCKED login $pin
  statement "the card counted each refusal" card_says tries=0 verify_failed=4
  statement "a wrong PUK does not unblock" wrongly puk fails unblock 00000000 555555
  statement "it costs a try of the PUK" card_says tries=0 puk_tries=2
  statement "the PUK unblocks and sets a new PIN" unblock $puk 555555
  statement "both counters are back" card_says tries=3 puk_tries=3
  statement "the new PIN opens the card" login 555555
  statement "a PIN with letters is not a try" answers CKR_DATA_INVALID login abcdef
  statement "the card kept its tries" card_says tries=3
  statement "the PIN is changed" token --change-pin --pin 555555 --new-pin $pin
  statement "the changed PIN opens the card" login $pin
  statement "the control socket blocks the PIN" card block
  statement "a blocked PIN is CKR_PIN_LOCKED" wrongly pin answers CKR_PIN_LOCKED login $pin
  statement "the control socket sets the counters back" card reset
  statement "the card opens again" login $pin
}

check_pin_management() {
  statement "PIN and PUK have counters of their own" pin_and_puk_have_counters_of_their_own
  statement "the PIN and the PUK are the issuer's again" card pins $pin $puk
  local pins puks
  pins=$(counted pin_presented) puks=$(counted puk_presented)
  statement "a wrong old PIN is CKR_PIN_INCORRECT" wrongly pin answers CKR_PIN_INCORRECT token --change-pin --pin 999999 --new-pin 555555
  statement "it is presented once" card_says tries=2 pin_presented=$((pins + 1))
  statement "a PIN is changed" token --change-pin --pin $pin --new-pin 555555
  statement "for that it is presented at the login and at the change" card_says tries=3 pin_presented=$((pins + 3))
  statement "the old PIN is wrong now" wrongly pin answers CKR_PIN_INCORRECT login $pin
  card pins $pin $puk >"$work/output"
  statement "C_SetPIN without a login takes a PUK for a PIN" wrongly pin answers CKR_PIN_INCORRECT set_pin_unlogged $puk 555555
  statement "that costs a try of the PIN" card_says tries=2 puk_tries=3 puk_presented="$puks"
  card block >"$work/output"
  statement "with a locked PIN it is CKR_PIN_LOCKED" wrongly pin answers CKR_PIN_LOCKED set_pin_unlogged $puk 555555
  statement "an SO login is no way to unblock a PIV card" fails token --login --login-type so --so-pin $puk --init-pin --new-pin 555555
  statement "it costs no try of the PUK" card_says tries=0 puk_tries=3 puk_presented="$puks"
  statement "with user_pin_unblock_style a wrong PUK is CKR_PIN_INCORRECT" \
    wrongly puk answers CKR_PIN_INCORRECT set_pin_unlogged_unblocks 00000000 555555
  statement "it is presented once" card_says tries=0 puk_tries=2 puk_presented=$((puks + 1))
  statement "a new PIN that is too short is not presented" answers CKR_PIN_LEN_RANGE set_pin_unlogged_unblocks $puk 555
  statement "it costs nothing" card_says tries=0 puk_tries=2 puk_presented=$((puks + 1))
  statement "the PUK unblocks" set_pin_unlogged_unblocks $puk 555555
  statement "it is presented once too" card_says tries=3 puk_tries=3 puk_presented=$((puks + 2)) puk_refused="$(counted puk_refused)"
  statement "a PIN given there is taken for a PUK" wrongly puk answers CKR_PIN_INCORRECT set_pin_unlogged_unblocks 555555 $pin
  statement "that costs a try of the PUK" card_says tries=3 puk_tries=2
  card block puk >"$work/output"
  statement "a blocked PUK is CKR_PIN_LOCKED" wrongly puk answers CKR_PIN_LOCKED set_pin_unlogged_unblocks $puk $pin
  statement "the token does not say so" fails shows "SO PIN locked" token --list-slots
  card pins $pin $puk >"$work/output"
  statement "faults come where they are put" faults_come_where_they_are_put
  card at 2 presentation lose >"$work/output" # the first one is the login
  statement "a card pulled after it changed the PIN gives no answer" fails token --change-pin --pin $pin --new-pin 555555
  card insert >"$work/output"
  statement "it comes back" soon tokens_are_two
  statement "the PIN is the new one" login 555555
  card pins $pin $puk >"$work/output"
}

check_errors() {
  local asked
  asked=$(counted general_authenticate)
  card fail 6F00 1 >"$work/output"
  statement "a signature that the card refused once with 6F00 is made all the same" sign_rsa token 01 "$work/one/9A.crt"
  statement "OpenSC asked for it twice" card_says general_authenticate=$((asked + 2))
  statement "a control line that is not one is answered by an error" answers '"ok": false' card fail 6F
  card delay 300 >"$work/output"
  statement "a delay of 300 ms is felt" takes_at_least_ms 300 sign_rsa token 01 "$work/one/9A.crt"
  card delay 0 >"$work/output"
  statement "chaining, GET RESPONSE and extended length carry long data" long_data_travels_in_each_way
  statement "20000 hostile APDUs are answered by status words" hostile_apdus_are_answered
}

check_removal() {
  local serial
  serial=$(serial_of token 2)
  card_two remove >"$work/output"
  statement "a removed card is gone from PC/SC" soon reader_two_is_empty_to_pcsc
  statement "the other card is still a token" tokens_are_one
  card_two insert >"$work/output"
  statement "an inserted card is a token again" soon tokens_are_two
  statement "it has the serial number that it had" test "$(serial_of token 2)" = "$serial"
  statement "it signs" sign_rsa token_two 01 "$work/two/9A.crt"
  card_two fail-after 1 >"$work/output"
  card_two delay 200 >"$work/output"
  statement "a card pulled in the middle of a signature gives none" fails sign_rsa token_two 01 "$work/two/9A.crt"
  statement "it is gone from PC/SC" soon reader_two_is_empty_to_pcsc
  card_two insert >"$work/output"
  statement "it comes back" soon tokens_are_two
  statement "and signs" sign_rsa token_two 01 "$work/two/9A.crt"
}

[ "${1:-}" = --in-bench ] || run_bench
work=$2
echo "a document" >"$work/document"
openssl dgst -sha256 -binary "$work/document" >"$work/digest"
# DigestInfo of SHA-256 (RFC 8017, 9.2, note 1)
{ printf '\x30\x31\x30\x0D\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20'; cat "$work/digest"; } >"$work/digest-info"

check_certificates
check_signatures
check_pin
check_pin_management
check_errors
check_removal
[ "$failures" -eq 0 ] || { echo "$failures statements do not hold"; exit 1; }
echo "all statements hold"
