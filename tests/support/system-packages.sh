#!/bin/sh
# Installs the system's packages that the tests need and that are missing, when it may (root, apt);
# otherwise names them and goes on: the tests that need them then say so and fail.
set -eu
missing=
need() { # a program, its package
    PATH="$PATH:/sbin:/usr/sbin" command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need git git
need strace strace
need mkfs.ext4 e2fsprogs
need mkfs.xfs xfsprogs
need mkfs.exfat exfatprogs
need mount.exfat-fuse exfat-fuse
need zsh zsh
need fish fish
need sshd openssh-server
need tcsh tcsh
need faketime faketime
need apache2 apache2-bin
need nginx nginx
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
need node nodejs
need npm npm
need java default-jre-headless
need krb5kdc krb5-kdc
need kadmin.local krb5-admin-server
need kinit krb5-user
[ -e /usr/share/java/jersey1-servlet.jar ] || missing="$missing libjersey1-servlet-java libjersey1-server-java"
for extra in "$@"; do # program=package
    need "${extra%%=*}" "${extra#*=}"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing$missing"
    log=$(mktemp)
    # shellcheck disable=SC2086
    # Another apt at work, as a fresh machine's own, is waited for; one that is just updating the
    # lists does it for us too.
    if { apt-get update -qq || true; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        -o DPkg::Lock::Timeout=300 --no-install-recommends $missing; } >"$log" 2>&1; then
        rm "$log"
        exit 0
    fi
    tail -n 5 "$log" >&2
fi
echo "MISSING: these packages, which some tests need:$missing" >&2
echo "         sudo apt-get install$missing" >&2
