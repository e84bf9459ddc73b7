# What is installed, by a package or by hand; sourced, never run, after common.bash.
# shellcheck shell=bash

# FLOWTAP_PROFILE=test: the program that the tests are built with, and no release.
readonly PROFILE=${FLOWTAP_PROFILE:-release}
if [ "$PROFILE" = release ]; then
    readonly PROGRAM=target/release/flowtap
else
    readonly PROGRAM=target/debug/flowtap
fi
readonly DOCUMENTS=target/documents

# Builds the program; on other systems than Debian the compiler and the headers of libpcap have to be there.
build_program() {
    if command -v apt-get >/dev/null; then
        install_missing gcc libc6-dev pkg-config libpcap-dev
    fi
    say "Building flowtap"
    cargo build --profile "$PROFILE" --locked --target-dir target
}

# The Debian package that was built last.
built_package() {
    local package
    package=$(find target/debian -name 'flowtap_*.deb' -printf '%T@ %p\n' 2>/dev/null | sort -n | tail -n 1)
    [ -n "$package" ] || fail "there is no package: scripts/package"
    echo "${package#* }"
}

# Writes manual pages and completions, with the date of the source at their feet.
build_documents() {
    say "Writing manual pages and completions"
    rm -rf "$DOCUMENTS"
    # In the profile of the tests: after these nothing is left to be built.
    cargo run --quiet --locked --target-dir target --profile test --example documents -- \
        "$DOCUMENTS" "$(date --utc --date="@$(source_date)" +%Y-%m-%d)"
}

# When the source was last changed, in seconds: packages of the same source are the same.
source_date() {
    if [ -n "${SOURCE_DATE_EPOCH:-}" ]; then
        echo "$SOURCE_DATE_EPOCH"
    elif ! git log -1 --format=%ct 2>/dev/null; then
        stat --format=%Y CHANGELOG.md
    fi
}

# The tools that make packages, in the versions that are known to.
readonly CARGO_DEB=3.8.0 CARGO_GENERATE_RPM=0.21.1

# has_cargo_tool NAME VERSION: in PATH, or below target.
has_cargo_tool() {
    [[ :$PATH: == *":$PWD/target/tools/bin:"* ]] || PATH=$PWD/target/tools/bin:$PATH
    [ "$("$1" --version 2>/dev/null | grep -o '[0-9.]*$')" = "$2" ]
}

# cargo_tool NAME VERSION: installs it below target if it is nowhere.
cargo_tool() {
    if ! has_cargo_tool "$1" "$2"; then
        say "Installing $1 $2 (a minute or two, once)"
        # It packs a few files: to be built quickly is worth more than to be quick.
        cargo install --debug --config profile.dev.debug=false --locked --root target/tools \
            --version "=$2" "$1"
    fi
}
