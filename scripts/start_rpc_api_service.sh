#!/usr/bin/env bash
# REST: the original's api and all its rpc services. Starts it and waits until it is ready.
set -u
. "$(dirname "$0")/services.sh"
start api
