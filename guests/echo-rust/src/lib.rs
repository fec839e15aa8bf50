//! An activity that returns its input unchanged, byte for byte: the cheapest possible Rust guest,
//! and the one that shows the string hand-over loses nothing.

loom_guest::export!(echo);

fn echo(input: String) -> String {
    input
}
