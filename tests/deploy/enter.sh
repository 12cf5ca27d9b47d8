#!/bin/sh
# enter.sh ROOT LOG CONFIG PROGRAM ARGUMENTS…: becomes PROGRAM in the image's files at ROOT, as a container would run it: as the image's
# user, with nothing to write to but LOG, and with CONFIG as its configuration. In a mount namespace of its own: `unshare -m` before it.
set -eu
root=$1 log=$2 config=$3
shift 3
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t tmpfs -o size=1m,mode=755 config "$root/etc/forebay"
cp "$config" "$root/etc/forebay/forebay.toml"
chmod 644 "$root/etc/forebay/forebay.toml"
mount --bind "$log" "$root/var/lib/forebay"
mount -t proc proc "$root/proc"
# What a container runtime brings.
printf '127.0.0.1 localhost\n' > "$root/etc/hosts"
mount -o remount,bind,ro "$root"
exec chroot --userspec=65532:65532 "$root" "$@"
