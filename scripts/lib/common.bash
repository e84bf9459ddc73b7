# Shared by the scripts beside this folder; sourced, never run.
# shellcheck shell=bash

# Says what happens next, in one line.
say() { printf '\n==> %s\n' "$*"; }

# Ends the script with a reason.
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Prints what stands at the head of the script, which is its help.
help_from_head() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "scripts/${0##*/}"; }

is_root() { [ "$(id -u)" -eq 0 ]; }

# Runs a command as root: directly, or by sudo.
as_root() {
    if is_root; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "this needs root: $* (run the script as root, or install sudo)"
    fi
}

# Whether a Debian package is installed and configured.
is_installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Installs those of the named Debian packages that are missing, without a question asked, and
# without a service of theirs started now or at the next boot.
install_missing() {
    local package missing=()
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        echo "installed already: $*"
        return
    fi
    command -v apt-get >/dev/null ||
        fail "not a Debian system; please install what stands for: ${missing[*]}"
    echo "installing: ${missing[*]}"
    # Answers for the one package that asks: captures are for root, not for a group.
    if printf '%s\n' "${missing[@]}" | grep -qx tshark; then
        echo 'wireshark-common wireshark-common/install-setuid boolean false' |
            as_root debconf-set-selections
    fi
    (
        # However this ends, services may start again afterwards.
        trap release_services EXIT
        hold_services &&
            as_root apt-get -q -o DPkg::Lock::Timeout=300 update &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
                install --no-install-recommends "${missing[@]}"
    ) || fail "apt-get could not install: ${missing[*]}"
    disable_services "${missing[@]}"
}

# Debian starts a service when its package is installed, unless this file says no (invoke-rc.d(8)).
readonly SERVICE_POLICY=/usr/sbin/policy-rc.d
service_policy_is_ours=no

hold_services() {
    if [ ! -e "$SERVICE_POLICY" ]; then
        service_policy_is_ours=yes
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$SERVICE_POLICY" >/dev/null &&
            as_root chmod 755 "$SERVICE_POLICY"
    fi
}

release_services() {
    if [ "$service_policy_is_ours" = yes ]; then
        as_root rm -f "$SERVICE_POLICY"
        service_policy_is_ours=no
    fi
}

# Keeps the services of packages that were not there before from starting at the next boot.
disable_services() {
    command -v systemctl >/dev/null || return 0
    local package unit
    for package in "$@"; do
        while read -r unit; do
            as_root systemctl --quiet disable "${unit##*/}" 2>/dev/null || true
        done < <(dpkg-query --listfiles "$package" |
            grep -E '/systemd/system/[^/@]+\.(service|socket|timer)$')
    done
}

# Where control groups (version 2) can be made; fails where that is nowhere.
control_groups() {
    local place
    place=$(findmnt --noheadings --types cgroup2 --output TARGET | head -n 1)
    [ -w "$place" ] && echo "$place"
}

# Puts a Rust toolchain on PATH that is new enough for this package.
require_rust() {
    local wanted home
    if ! command -v cargo >/dev/null; then
        # Under sudo the toolchain is that of the user who called it.
        for home in "$HOME" "$(getent passwd "${SUDO_USER:-root}" | cut -d: -f6)"; do
            if [ -x "$home/.cargo/bin/cargo" ]; then
                export PATH="$home/.cargo/bin:$PATH" RUSTUP_HOME="${RUSTUP_HOME:-$home/.rustup}"
                break
            fi
        done
    fi
    command -v cargo >/dev/null || fail "no Rust toolchain: install one from https://rustup.rs"
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    local found
    found=$(rustc --version | cut -d' ' -f2)
    [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n1)" = "$wanted" ] ||
        fail "Rust $wanted or newer is needed, found $found (rustup update)"
}

# Under sudo, gives what was built back to the user who called it.
return_target() {
    if is_root && [ -n "${SUDO_UID:-}" ] && [ -d target ]; then
        chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" target
    fi
}
