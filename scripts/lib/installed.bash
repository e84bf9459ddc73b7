# Where scripts/install puts files, and the list of them; sourced, never run, after common.bash.
# shellcheck shell=bash

# The directories of units and of settings that systemd looks into belong to these two prefixes alone; for any
# other they are below /etc.
readonly ELSEWHERE=(/etc/systemd/system/flowtap.service '/etc/systemd/system/flowtap-interface@.service'
    /etc/sysctl.d/90-flowtap.conf)

# check_prefix PREFIX: it goes into units and into the list, where every character is taken as it is.
check_prefix() {
    case $1 in
    *..* | *[!A-Za-z0-9/._+-]*)
        fail "--prefix $1: may have letters, digits and /._+-, and no .."
        ;;
    /*[!/]*) ;;
    *) fail "--prefix $1: not an absolute path below /" ;;
    esac
}

# without_slash PREFIX: without those at its end.
without_slash() {
    local path=$1
    while [ "$path" != "${path%/}" ]; do path=${path%/}; done
    echo "$path"
}

# check_list LIST PREFIX: what is listed there is removed by root, so it names nothing but what scripts/install
# puts somewhere.
check_list() {
    local file
    while read -r file; do
        case $file in
        *..*) fail "$1 is not of scripts/install: $file" ;;
        "$2"/*) ;;
        *)
            [[ " ${ELSEWHERE[*]} " == *" $file "* ]] || fail "$1 is not of scripts/install: $file"
            ;;
        esac
    done <"$1"
}
