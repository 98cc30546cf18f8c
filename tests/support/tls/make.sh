#!/bin/sh
# Makes the certificates of this directory with OpenSSL 3: `sh make.sh`.
set -e
cd "$(dirname "$0")"
work=$(mktemp -d)
cat >"$work/ca.cnf" <<CNF
[ca]
default_ca = all
[all]
dir = $work
database = $work/index
serial = $work/serial
new_certs_dir = $work
default_md = sha256
policy = any
unique_subject = no
crlnumber = $work/crlnumber
[any]
commonName = supplied
organizationName = optional
CNF
: >"$work/index"
echo 1000 >"$work/serial"
echo 01 >"$work/crlnumber"

# NAME SUBJECT EXTENSIONS FROM UNTIL [ISSUER]
certificate() {
    printf '%s\n' "$3" >"$work/ext"
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null ||
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"
    openssl req -new -key "$1.key" -subj "$2" -out "$work/request"
    if [ -n "$6" ]; then
        set -- "$1" "$2" "$3" "$4" "$5" "$6" "-cert $6.pem -keyfile $6.key"
    else
        set -- "$1" "$2" "$3" "$4" "$5" "" "-selfsign -keyfile $1.key"
    fi
    # shellcheck disable=SC2086
    openssl ca -batch -notext -config "$work/ca.cnf" $7 -in "$work/request" -out "$1.pem" \
        -extfile "$work/ext" -startdate "$4" -enddate "$5" 2>/dev/null
}

ca='basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign'
server() {
    printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=%s' "$1"
}
client() {
    printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=clientAuth\n%s' "$1"
}
begin=20200101000000Z end=21260101000000Z
certificate ca "/CN=ringest test CA" "$ca" $begin $end
certificate intermediate "/CN=ringest test intermediate" "$ca" $begin $end ca
certificate server "/CN=ringest" "$(server DNS:localhost,IP:127.0.0.1,DNS:a.example.com)" $begin $end ca
certificate chain "/CN=ringest b" "$(server DNS:b.example.com,DNS:*.b.example.com)" $begin $end intermediate
cat intermediate.pem >>chain.pem
certificate expired "/CN=ringest" "$(server DNS:localhost)" $begin 20210101000000Z ca
certificate future "/CN=ringest" "$(server DNS:localhost)" 21200101000000Z $end ca
certificate device "/O=Acme/CN=device-1" "$(client subjectAltName=DNS:device-1.example.com,URI:spiffe://example.com/device-1)" $begin $end ca
certificate revoked "/CN=device-2" "$(client subjectAltName=DNS:device-2.example.com)" $begin $end ca
certificate unknown "/CN=device-3" "$(client subjectAltName=DNS:device-3.example.com)" $begin $end ca
certificate other-ca "/CN=another CA" "$ca" $begin $end
certificate foreign "/CN=device-1" "$(client subjectAltName=DNS:device-1.example.com)" $begin $end other-ca
openssl ca -config "$work/ca.cnf" -cert ca.pem -keyfile ca.key -revoke revoked.pem 2>/dev/null
openssl ca -config "$work/ca.cnf" -cert ca.pem -keyfile ca.key -gencrl -crldays 36000 -out revoked.crl.pem 2>/dev/null
rm intermediate.key intermediate.pem ca.key other-ca.key other-ca.pem expired.key future.key
rm -r "$work"
