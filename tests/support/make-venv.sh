#!/bin/sh
# make-venv.sh FOLDER PYTHON REQUIREMENTS... [-- PIP ARGUMENTS...]
#
# Makes a virtual environment, or keeps the one that is there when it was made by this script from
# the same Python and the same text of all the files named. An environment without our stamp is
# somebody else's: it is used as it is and never changed.
set -eu
folder=$1 python=$2
shift 2
files=
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    files="$files $1"
    shift
done
[ $# -eq 0 ] || shift

if [ -e "$folder/pyvenv.cfg" ] && [ ! -e "$folder/stamp" ] && [ ! -e "$folder/unfinished" ]; then
    exit 0
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or newer is needed; '$python' is $("$python" --version). Name one: make PYTHON=..." >&2
    exit 1
}
wanted=$({
    "$python" -c 'import sys; print(sys.version)'
    pwd
    # shellcheck disable=SC2086
    cat $files
} | sha256sum)
if [ "$(cat "$folder/stamp" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi
echo "Making $folder"
rm -rf "$folder"
"$python" -m venv "$folder" || {
    echo "cannot make a virtual environment: apt-get install python3-venv" >&2
    exit 1
}
touch "$folder/unfinished"
requirements=
for file in $files; do
    case $file in *requirements*) requirements="$requirements -r $file" ;; esac
done
# shellcheck disable=SC2086
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check $requirements "$@"
rm "$folder/unfinished"
echo "$wanted" >"$folder/stamp"
