#!/usr/bin/env bash
# Builds the program with the cluster engine; it is all services in one.
set -eu
cd "$(dirname "$0")/.."
exec cargo build --release --locked --features cluster --bin openim
