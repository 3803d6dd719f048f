#!/usr/bin/env bash
# Starts all processes of a cluster on this machine, each once, and waits until they are ready; builds the program first,
# with the cluster engine, unless PROGRAM names one.
#
#   scripts/start_all.sh                 with the settings that CONFIG names, else config/config.yaml
#   scripts/start_all.sh --components    also the five components, and settings for them in .services/config.yaml
set -u
. "$(dirname "$0")/services.sh"

secret() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

# Settings for the components of this machine. Their ports and passwords stay, and so do the secrets.
write_settings() {
    local mysql redis name
    mkdir -p "$kept" && chmod 700 "$kept"
    eval "$("$root/scripts/components" env)" || return 1
    umask 077
    for name in secret access_secret cluster_secret; do
        [ -s "$kept/$name" ] || secret >"$kept/$name" || return 1
    done
    # user:password@host:port
    mysql=${OPENIM_TEST_MYSQL#mysql://} redis=${OPENIM_TEST_REDIS#redis://}
    cat >"$kept/config.yaml.new" <<YAML && mv "$kept/config.yaml.new" "$kept/config.yaml"
# Written by scripts/start_all.sh --components: the components of this machine, for trying things out.
engine: cluster
secret: $(cat "$kept/secret")
tokenpolicy:
  accessSecret: $(cat "$kept/access_secret")
cluster:
  secret: $(cat "$kept/cluster_secret")
etcd:
  etcdAddr: ["${OPENIM_TEST_ETCD#http://}"]
mysql:
  dbAddress: ["${mysql#*@}"]
  dbUserName: "$(cut -d: -f1 <<<"${mysql%@*}")"
  dbPassword: "$(cut -d: -f2 <<<"${mysql%@*}")"
mongo:
  dbAddress: ["$(sed 's,mongodb://,,; s,/.*,,' <<<"$OPENIM_TEST_MONGODB")"]
redis:
  dbAddress: ["${redis#*@}"]
  dbPassWord: "$(cut -d: -f2 <<<"${redis%@*}")"
kafka:
  replicas: 1
  ws2mschat: {addr: ["$OPENIM_TEST_KAFKA"]}
  ms2pschat: {addr: ["$OPENIM_TEST_KAFKA"]}
YAML
}

case ${1:-} in
    '') ;;
    --components)
        "$root/scripts/components" up || exit 1
        write_settings || fail "cannot write $kept/config.yaml"
        config=${CONFIG:-$kept/config.yaml}
        # What tests are told is nothing to a server.
        for name in kafka mongodb mysql redis etcd; do unset "OPENIM_TEST_${name^^}"; done
        ;;
    *) fail "unknown argument $1; --components is known" ;;
esac

[ -n "${PROGRAM:-}" ] || "$root/scripts/build_all_service.sh" || exit 1
for role in transfer gateway api; do start "$role" || exit 1; done
"$root/scripts/push_start.sh"
if [ "$config" = "$kept/config.yaml" ]; then
    say "chat, in two terminals:" \
        "cargo run --release -p openim-loadtest -- say --data-dir .services --me alice --to bob"
    say "and the same with --me bob --to alice"
fi
