//! What untrusted bytes may reach, as plain functions that panic when a promise is broken.
//!
//! Each function is one fuzzer's body (`fuzz/fuzz_targets`), and the test of this crate calls the same function with
//! every file of that fuzzer's corpus. A finding is a file added to the corpus; nothing else has to be written.
//! (The criteria program is a guest's; its body and replay are in `guests/loan-review/criteria/tests/it`.)
//!
//! Start at [`TARGETS`].

mod bundle_file;
mod checkpoint_text;
mod guest_module;
mod guest_strings;
mod http_request;
mod policy_text;
mod presentation_file;
mod response_text;
mod stored;
mod turn_requests;
mod verdict_text;
mod witness_request;

/// A fuzzer: its name, which is also its corpus's folder, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every fuzzer.
pub const TARGETS: &[Target] = &[
    ("bundle", bundle_file::run),
    ("checkpoint", checkpoint_text::run),
    ("http", http_request::run),
    ("module", guest_module::run),
    ("policy", policy_text::run),
    ("presentation", presentation_file::run),
    ("requests", turn_requests::run),
    ("response", response_text::run),
    ("stored", stored::run),
    ("strings", guest_strings::run),
    ("verdict", verdict_text::run),
    ("witness", witness_request::run),
];

/// Runs one target's body by its name, as `fuzz/fuzz_targets` does.
pub fn run(name: &str, input: &[u8]) {
    let (_, body) = TARGETS.iter().find(|(target, _)| *target == name).expect("every fuzzer names a target");
    body(input);
}
