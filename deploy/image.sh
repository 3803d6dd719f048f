#!/bin/sh
# Puts together what is in the container image: the program without debug information, what it loads, a
# busybox for the health check, the user 10001 and an empty /data that is theirs.
#
#   deploy/image.sh PROGRAM FOLDER
#
# Run by deploy/Dockerfile, and by scripts/check_deploy, which then starts the program in FOLDER. BUSYBOX names another
# one than /bin/busybox; it has to be static.
set -eu
program=$1
folder=$2

install -d -m 0755 "$folder/bin" "$folder/etc"
install -d -m 1777 "$folder/tmp"
strip -o "$folder/bin/openim" "$program"
chmod 0755 "$folder/bin/openim"
install -m 0755 "${BUSYBOX:-/bin/busybox}" "$folder/bin/busybox"

# Lines of ldd: `name => /path (address)`, and the loader as `/path (address)`.
ldd "$program" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) .*/\1/p' | while read -r library; do
    install -D -m 0755 "$library" "$folder$library"
done

printf 'openim:x:10001:10001::/data:/bin/false\n' >"$folder/etc/passwd"
printf 'openim:x:10001:\n' >"$folder/etc/group"
# Without it names are asked of the network before /etc/hosts, which containers put their neighbours into.
printf 'hosts: files dns\n' >"$folder/etc/nsswitch.conf"
install -d -m 0700 "$folder/data"
chown 10001:10001 "$folder/data"
