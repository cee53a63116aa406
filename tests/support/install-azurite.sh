#!/bin/sh
# install-azurite.sh FOLDER
#
# Installs Microsoft's Azurite, Azure Blob Storage for tests, from npm; once.
set -eu
folder=$1 version=3.35.0
main=$folder/node_modules/azurite/dist/src/blob/main.js
if [ -e "$main" ] && [ "$(cat "$folder/stamp" 2>/dev/null)" = "$version" ]; then
    exit 0
fi
command -v npm >/dev/null 2>&1 || {
    echo "MISSING: npm, which installs Azurite for the tests of azure://" >&2
    exit 0
}
echo "Installing Azurite"
rm -rf "$folder"
mkdir -p "$folder"
npm install --prefix "$folder" --silent --no-fund --no-audit --ignore-scripts "azurite@$version" || {
    echo "MISSING: Azurite, which npm cannot install; the tests of azure:// need it" >&2
    exit 0
}
echo "$version" >"$folder/stamp"
