#!/usr/bin/env bash
# The websocket: the original's msg_gateway. Starts it and waits until it is ready.
set -u
. "$(dirname "$0")/services.sh"
start gateway
