#!/usr/bin/env bash
# Keys for development, made on first use and never under version control: a box with this image takes updates from
# whoever has this folder. Real ones: docs/guide/image.md.
set -euo pipefail
folder=$1
[ ! -e "$folder/sign.key" ] || exit 0
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"
# RSA: two signatures of the same are the same.
openssl req -x509 -newkey rsa:3072 -nodes -days 7300 -subj "/O=Holdfast/CN=Development updates CA" \
	-keyout ca.key -out keyring.pem 2> /dev/null
openssl req -newkey rsa:3072 -nodes -subj "/O=Holdfast/CN=Development updates" -keyout sign.key -out sign.csr 2> /dev/null
openssl x509 -req -in sign.csr -CA keyring.pem -CAkey ca.key -CAcreateserial -days 3650 -out sign.pem \
	-extfile <(printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n') 2> /dev/null
rm sign.csr
chmod 600 ca.key sign.key
echo "image: made development keys in $folder; updates signed by them are for boxes on a desk"
