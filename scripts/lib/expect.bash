# How tests in shell say what they look for; sourced, never run.
# shellcheck shell=bash

answer=$(mktemp)
readonly answer

# expect TEXT COMMAND...: the command succeeds; what it said is shown if not, and that is the end.
expect() {
    local text=$1
    shift
    if ! "$@" >"$answer" 2>&1; then
        cat "$answer"
        echo "NOT SO: $text ($*)"
        exit 1
    fi
    echo "$text"
}

# until_so TEXT COMMAND...: within a minute: nobody may have a processor for it.
until_so() {
    local text=$1 try
    shift
    for ((try = 0; try < 300; try++)); do
        ! "$@" >/dev/null 2>&1 || break
        sleep 0.2
    done
    expect "$text" "$@"
}

not() { ! "$@"; }

# said PATTERN COMMAND...: the command succeeds and says this.
said() {
    local pattern=$1 text
    shift
    text=$("$@" 2>&1) || {
        echo "$text"
        return 1
    }
    echo "$text"
    grep -q -e "$pattern" <<<"$text"
}
