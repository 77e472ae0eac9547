#!/usr/bin/env bash
# A PKI of three levels, made with openssl, for checking the judges themselves.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: pki.sh DIR        make the PKI in DIR (which must be empty or absent)
       pki.sh DIR crls   publish every list of nothing revoked anew, dated now
       pki.sh DIR revoke CRL NAME...  revoke these signers now, in a new list CRL; the others stay as they are

root.pem                   trust anchor, P-256
issuing.pem                issues the signers, P-256
stamping.pem               issues the TSA, P-256: one can be told apart from the other when a list is missing
rsa2048 rsa3072 p256 p384 p521 (.pem .key)  signers
tsa.pem tsa.key tsa.cnf    time stamps: openssl ts -reply -config DIR/tsa.cnf -section tsa
chain.pem                  issuing.pem and root.pem
root.crl.pem               by root: nothing revoked
issuing.crl.pem            by issuing: nothing revoked
stamping.crl.pem           by stamping: nothing revoked
issuing-revoked.crl.pem    by issuing: every signer revoked
TEXT
}

cas=(root issuing stamping)
signers=(rsa2048 rsa3072 p256 p384 p521)

quietly() { # COMMAND...
  "$@" 2>ca/log || { cat ca/log >&2; return 1; }
}

make_key() { # NAME KIND
  case $2 in
    rsa*) openssl genpkey -quiet -algorithm RSA -pkeyopt "rsa_keygen_bits:${2#rsa}" -out "$1.key" ;;
    p*) openssl genpkey -quiet -algorithm EC -pkeyopt "ec_paramgen_curve:P-${2#p}" -out "$1.key" ;;
  esac
}

write_ca_config() { # CA
  mkdir -p "ca/$1"
  : >"ca/$1/index"
  # Without this two test certificates of one subject could not exist.
  echo "unique_subject = no" >"ca/$1/index.attr"
  echo 01 >"ca/$1/crlnumber"
  cat >"ca/$1/ca.cnf" <<TEXT
[ca]
default_ca = this
[this]
database = ca/$1/index
crlnumber = ca/$1/crlnumber
new_certs_dir = ca/$1
certificate = $1.pem
private_key = $1.key
default_md = sha256
rand_serial = yes
default_crl_days = 30
policy = any
crl_extensions = crl
[any]
countryName = optional
organizationName = optional
surname = optional
givenName = optional
serialNumber = optional
commonName = supplied
[crl]
authorityKeyIdentifier = keyid:always
[root]
subjectKeyIdentifier = hash
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[issuing]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
crlDistributionPoints = URI:http://127.0.0.1:9/root.crl
[signer]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, nonRepudiation
crlDistributionPoints = URI:http://127.0.0.1:9/issuing.crl
[tsa]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, nonRepudiation
extendedKeyUsage = critical, timeStamping
crlDistributionPoints = URI:http://127.0.0.1:9/stamping.crl
TEXT
}

write_tsa_config() {
  echo 01 >tsa.serial
  # Absolute: a time stamp is asked for from whatever folder a test runs in.
  cat >tsa.cnf <<TEXT
[tsa]
serial = $PWD/tsa.serial
signer_cert = $PWD/tsa.pem
signer_key = $PWD/tsa.key
certs = $PWD/stamping.pem
signer_digest = sha256
default_policy = 1.3.6.1.4.1.99999.1
digests = sha256, sha384, sha512
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
TEXT
}

certify() { # CA SECTION NAME YEARS SUBJECT
  local self=()
  [ "$1" != "$3" ] || self=(-selfsign -keyfile "$3.key")
  openssl req -new -utf8 -key "$3.key" -subj "$5" -config /dev/null -out "$3.csr"
  # Valid since yesterday: a judge whose clock or time zone differs a little must not say "not yet".
  quietly openssl ca -batch -notext -utf8 -config "ca/$1/ca.cnf" -extensions "$2" -preserveDN "${self[@]}" \
    -startdate "$(date -u -d '1 day ago' +%Y%m%d%H%M%SZ)" -enddate "$(date -u -d "$4 years" +%Y%m%d%H%M%SZ)" \
    -in "$3.csr" -out "$3.pem"
  rm "$3.csr"
}

publish() { # CA OUT
  quietly openssl ca -config "ca/$1/ca.cnf" -gencrl -out "$2"
}

publish_all() {
  local ca
  for ca in "${cas[@]}"; do
    publish "$ca" "$ca.crl.pem"
  done
}

revoke() { # CRL NAME...
  local out=$1 name
  shift
  cp ca/issuing/index ca/issuing/index.kept
  for name in "$@"; do
    quietly openssl ca -config ca/issuing/ca.cnf -revoke "$name.pem" -crl_reason keyCompromise
  done
  publish issuing "$out"
  mv ca/issuing/index.kept ca/issuing/index
}

make_all() {
  local name number=0 person="SN=Munteanu/GN=Ștefan/CN=Ștefan Munteanu"
  for name in "${cas[@]}"; do
    write_ca_config "$name"
    make_key "$name" p256
  done
  write_tsa_config
  make_key tsa rsa3072
  certify root root root 20 "/C=MD/O=Signet tests/CN=Signet test root"
  certify root issuing issuing 10 "/C=MD/O=Signet tests/CN=Signet test issuing CA"
  certify root issuing stamping 10 "/C=MD/O=Signet tests/CN=Signet test stamping CA"
  certify stamping tsa tsa 5 "/C=MD/O=Signet tests/CN=Signet test TSA"
  for name in "${signers[@]}"; do
    number=$((number + 1))
    make_key "$name" "$name"
    certify issuing signer "$name" 2 "/C=MD/O=Signet tests/serialNumber=200000000000$number/$person ($name)"
  done
  cat issuing.pem root.pem >chain.pem
  publish_all
  revoke issuing-revoked.crl.pem "${signers[@]}"
}

case ${1:-} in
  -h|--help) usage; exit 0 ;;
  ''|-*) usage >&2; exit 2 ;;
esac
mkdir -p "$1"
cd "$1"
shift
umask 077
case ${1:-make} in
  make)
    [ -z "$(ls -A)" ] || { echo "pki.sh: the folder is not empty" >&2; exit 2; }
    make_all ;;
  crls) publish_all ;;
  revoke) shift; [ $# -ge 2 ] || { usage >&2; exit 2; }; revoke "$@" ;;
  *) usage >&2; exit 2 ;;
esac
