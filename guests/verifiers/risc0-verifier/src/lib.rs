//! The verifier `risc0` as a module: RISC Zero receipts. `loom_risc0_verify::activity` does all the
//! work and documents policy and arguments; the form around it is the kit's.

use loom_guest::Error;
use loom_risc0_verify::activity::verdict;
use serde_json::value::RawValue;
use verifier_kit::Input;

loom_guest::activity!(verify);

fn verify(input: Input) -> Result<Box<RawValue>, Error> {
    verifier_kit::verify(input, verdict)
}
