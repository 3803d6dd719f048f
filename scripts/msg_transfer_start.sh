#!/usr/bin/env bash
# From Kafka into inboxes and the archive, and to whoever is there: the original's msg_transfer. Starts it and waits until it is ready.
set -u
. "$(dirname "$0")/services.sh"
start transfer
