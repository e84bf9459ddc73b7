//! flowtap: parse → config → run → exit code.

fn main() {}
