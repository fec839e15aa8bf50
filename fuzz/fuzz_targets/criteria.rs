#![no_main]

#[path = "../../guests/loan-review/criteria/tests/it/hostile.rs"]
mod hostile;

libfuzzer_sys::fuzz_target!(|input: &[u8]| hostile::run(input));
