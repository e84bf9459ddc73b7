# What is installed, by a package or by hand; sourced, never run, after common.bash.
# shellcheck shell=bash

readonly PROGRAM=target/release/flowtap
readonly DOCUMENTS=target/documents

# Builds the program.
build_program() {
    say "Building flowtap"
    cargo build --release --locked --target-dir target
}

# Writes manual pages and completions, with the date of the source at their feet.
build_documents() {
    say "Writing manual pages and completions"
    rm -rf "$DOCUMENTS"
    cargo run --quiet --locked --target-dir target --example documents -- \
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

# cargo_tool NAME VERSION: has a subcommand of cargo in this version, below target if nowhere else.
cargo_tool() {
    local name=$1 version=$2
    export PATH="$PWD/target/tools/bin:$PATH"
    if [ "$("$name" --version 2>/dev/null | grep -o '[0-9.]*$')" != "$version" ]; then
        say "Installing $name $version (some minutes, once)"
        cargo install --locked --root target/tools --version "=$version" "$name"
    fi
}
