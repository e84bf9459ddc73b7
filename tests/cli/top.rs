//! `flowtap top` where there is nothing to draw on.

use crate::run::flowtap;

#[test]
fn without_a_terminal_another_subcommand_is_named() {
    let said = flowtap(["top"]).with(2);
    assert!(said.stderr.contains("use flowtap status"), "{}", said.stderr);
}
