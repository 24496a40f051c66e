#!/usr/bin/env bash
# edge.yaml: imports the certificates that panos.xml and panos.set name.
#
# Each goes up with its chain and its private key in one request (category=keypair); keys stay in memory.
# The names end in the leaf's digest: a renewed certificate gets a new name, and the old one stays until you delete it.
set -euo pipefail

certificates=(
  # shop.example.com, from Example Public CA R11, SHA-256 7469b790bae097144a2612dd3ba9608d4bdfc94489686aa4c31461dda61abb9e
  # the policy names its key certs/shop-fullchain.key
  edge_shop_7469b790
  # *.apps.example.com, from Example Public CA R11, SHA-256 d54573637166ae48b3e8abc04ae6570e2c4a3f3d337c1ff87929806b9379a4b8
  # the policy names its key certs/apps-fullchain.key
  edge_apps_d5457363
)
template=''

usage() {
  cat <<'END'
Usage: import-certificates.sh [--dry-run] [--key NAME=FILE ...]

Without --key, the private key of a certificate is certs/NAME.key beside this script, or $PANOS_KEY_DIR/NAME.key.

Environment:
  PANOS_HOST            name or address of the firewall or Panorama, with :PORT if it is not 443
  PANOS_API_KEY         API key
  PANOS_KEY_PASSPHRASE  passphrase, where the private keys are encrypted
  PANOS_KEY_DIR         folder of the private keys
  CURL_CA_BUNDLE        CA of the management interface's own certificate, where the system does not know it

Certificates:
END
  printf '  %s\n' "${certificates[@]}"
}

fail() {
  printf 'import-certificates.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
dry_run=no
given=()
while (($#)); do
  case $1 in
    --dry-run) dry_run=yes ;;
    --key)
      [[ ${2-} == *?=?* ]] || fail '--key needs NAME=FILE' 2
      given+=("$2")
      shift
      ;;
    -h | --help)
      usage
      exit
      ;;
    *)
      usage >&2
      exit 2
      ;;
  esac
  shift
done

key_file() {
  local pair
  for pair in ${given[@]+"${given[@]}"}; do
    if [[ ${pair%%=*} == "$1" ]]; then
      printf '%s' "${pair#*=}"
      return
    fi
  done
  printf '%s/%s.key' "${PANOS_KEY_DIR:-$here/certs}" "$1"
}

for pair in ${given[@]+"${given[@]}"}; do
  [[ " ${certificates[*]} " == *" ${pair%%=*} "* ]] || fail "--key: there is no certificate ${pair%%=*} here" 2
done

missing=0
for name in "${certificates[@]}"; do
  key=$(key_file "$name")
  if [[ ! -r $key ]]; then
    printf 'import-certificates.sh: no private key for %s: %s cannot be read; give --key %s=FILE\n' \
      "$name" "$key" "$name" >&2
    missing=1
  elif [[ $dry_run == yes ]]; then
    printf 'would import %s from %s and %s%s\n' "$name" "$here/certs/$name.pem" "$key" "${template:+ into $template}"
  fi
done
((missing == 0)) || fail 'nothing was imported'
[[ $dry_run == no ]] || exit 0

: "${PANOS_HOST:?is not set: the firewall or Panorama}"
: "${PANOS_API_KEY:?is not set}"

field() {
  local value=$2
  value=${value//\\/\\\\}
  printf 'form-string = "%s=%s"\n' "$1" "${value//\"/\\\"}"
}

# Read by curl from a pipe: neither the API key nor the passphrase is among its arguments.
request() {
  printf 'url = "https://%s/api/"\n' "$PANOS_HOST"
  field key "$PANOS_API_KEY"
  field type import
  field category keypair
  field format pem
  field certificate-name "$1"
  # A passphrase must be there even for a key in clear.
  field passphrase "${PANOS_KEY_PASSPHRASE:-unused}"
  [[ -z $template ]] || field target-tpl "$template"
  printf 'form = "file=@-;filename=keypair.pem"\n'
}

for name in "${certificates[@]}"; do
  answer=$(cat -- "$here/certs/$name.pem" "$(key_file "$name")" |
    curl --silent --show-error --proto '=https' --max-time 60 --config <(request "$name")) ||
    fail "$name was not imported"
  [[ $answer =~ status=[\"\']success[\"\'] ]] || fail "$name was not imported: $answer"
  printf 'imported %s\n' "$name"
done
