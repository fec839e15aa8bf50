//! The verifier `tlsnotary` as a module: TLSNotary presentations. `loom_tlsnotary::activity` does
//! all the work and documents policy and arguments; the form around it is the kit's.

use loom_guest::Error;
use loom_tlsnotary::activity::verdict;
use serde_json::value::RawValue;
use verifier_kit::Input;

loom_guest::activity!(verify);

fn verify(input: Input) -> Result<Box<RawValue>, Error> {
    verifier_kit::verify(input, verdict)
}
