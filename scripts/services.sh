# Starting and stopping the processes of a cluster on this machine; the scripts beside it source this.
#
# CONFIG names the settings (default: .services/config.yaml, which start_all.sh --components writes, else
# config/config.yaml), PROGRAM the program (default: target/release/openim). What is kept (pid files, logs) is in
# .services of the repository. Operator endpoints: api 10002, gateway 10003, transfer 10004 on loopback.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
kept=$root/.services
program=${PROGRAM:-${CARGO_TARGET_DIR:-$root/target}/release/openim}
config=${CONFIG:-$kept/config.yaml}
[ -n "${CONFIG:-}" ] || [ -f "$config" ] || config=$root/config/config.yaml
READY_SECONDS_MAX=60
END_SECONDS_MAX=60

say() { printf '%s\n' "$*"; }
fail() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

operator_port() {
    case $1 in
        api) echo 10002 ;;
        gateway) echo 10003 ;;
        transfer) echo 10004 ;;
    esac
}

# When a process began: another one of the same number is not ours.
began() { cut -d ' ' -f 22 "/proc/$1/stat" 2>/dev/null; }

# The pid of a role that this machine's scripts have started and that still runs; else nothing.
running() {
    local pid since
    read -r pid since 2>/dev/null <"$kept/$1.pid" || return 1
    [ -n "$since" ] && [ "$(began "$pid")" = "$since" ] || return 1
    # One that has ended and was not waited for yet is gone.
    ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null && echo "$pid"
}

# The first line of the answer of /readyz.
readiness() {
    local port=$1 line answer=
    exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
    printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3
    while IFS= read -r -t 5 line <&3; do answer+=$line$'\n'; done
    exec 3>&-
    case $answer in *" 200 "*) return 0 ;; *) return 1 ;; esac
} 2>/dev/null

start() {
    local role=$1 pid port ended
    port=$(operator_port "$role")
    if pid=$(running "$role"); then
        say "$role runs already, pid $pid"
        return 0
    fi
    [ -x "$program" ] || fail "$program is not there: scripts/build_all_service.sh builds it"
    mkdir -p "$kept" && chmod 700 "$kept"
    if readiness "$port"; then fail "somebody else answers on 127.0.0.1:$port, where $role is to"; fi
    OPENIM_ADMIN_LISTEN=127.0.0.1:$port setsid nohup env -u OPENIM_COMPONENTS_DIR \
        "$program" "$role" --config "$config" \
        >>"$kept/$role.log" 2>&1 </dev/null &
    pid=$!
    echo "$pid $(began "$pid")" >"$kept/$role.pid"
    disown "$pid"
    ended=$((SECONDS + READY_SECONDS_MAX))
    until readiness "$port"; do
        running "$role" >/dev/null || fail "$role ended: $(tail -n 1 "$kept/$role.log") ($kept/$role.log has more)"
        [ "$SECONDS" -lt "$ended" ] || fail "$role is not ready after $READY_SECONDS_MAX s; see $kept/$role.log"
        sleep 0.1
    done
    say "$role is ready, pid $pid, log $kept/$role.log"
}

stop() {
    local role=$1 pid ended
    if ! pid=$(running "$role"); then
        rm -f "$kept/$role.pid"
        return 0
    fi
    kill -TERM "$pid" 2>/dev/null
    ended=$((SECONDS + END_SECONDS_MAX))
    while running "$role" >/dev/null; do
        if [ "$SECONDS" -ge "$ended" ]; then
            say "$role, pid $pid, does not end within $END_SECONDS_MAX s: it is killed" >&2
            kill -KILL "$pid" 2>/dev/null
            break
        fi
        sleep 0.1
    done
    rm -f "$kept/$role.pid"
    say "$role has stopped"
}
