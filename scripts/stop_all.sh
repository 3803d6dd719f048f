#!/usr/bin/env bash
# Stops what these scripts have started on this machine, and nothing else: who lets people in first, and the transfer when
# it has stored what they sent.
#
#   scripts/stop_all.sh                 the processes of openim
#   scripts/stop_all.sh --components    also the components that start_all.sh --components has started
set -u
. "$(dirname "$0")/services.sh"
case ${1:-} in
    '' | --components) ;;
    *) fail "unknown argument $1; --components is known" ;;
esac
for role in gateway api transfer; do stop "$role"; done
[ -z "${1:-}" ] || "$root/scripts/components" down
