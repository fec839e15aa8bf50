//! Verdicts on presentations: in the sandbox the verifier says what it says natively, text for text.

use std::sync::{Arc, LazyLock};

use loom_machine::{Module, Sandbox as _, Verification, VerifierKind, VerifierSpec, compute};
use loom_types::{Cid, Codec};
use loom_wasmtime::{Settings, WasmtimeSandbox};

const MODULE: &[u8] = include_bytes!("../../../guests/prebuilt/tls-notary-verifier.wasm");

/// A node's verifier of presentations by the notary and under the authority of `loom-tlsnotary`'s vectors.
struct Deployed {
    _sandbox: WasmtimeSandbox,
    module: Arc<dyn Module>,
    policy: String,
}

static DEPLOYED: LazyLock<Deployed> = LazyLock::new(|| {
    let limits = VerifierSpec::limits_default();
    let settings = Settings { instances_max: 1, memory_bytes_max: limits.memory_bytes, ..Settings::default() };
    let sandbox = WasmtimeSandbox::new(settings).expect("an engine");
    let module = sandbox.compile(Cid::of(Codec::Raw, MODULE), MODULE).expect("a host").expect("a module");
    let root = data_encoding::BASE64.encode(crate::presentation_file::ROOT);
    let policy = serde_json::json!({
        "notary_keys": [crate::presentation_file::KEY], "roots": [root], "assume_placement": true,
        "fields": ["/account/type"],
    });
    Deployed { _sandbox: sandbox, module, policy: policy.to_string() }
});

pub(crate) fn run(input: &[u8]) {
    let deployed = &*DEPLOYED;
    let verification = Verification {
        verifier: "statements".to_owned(),
        kind: VerifierKind::Tlsnotary,
        module: Cid::of(Codec::Raw, MODULE),
        policy: deployed.policy.clone(),
        at_ms: Some(1_795_400_000_000),
        evidence: Cid::of(Codec::Raw, input),
        args: None,
    };
    let ended = compute(&*deployed.module, &VerifierSpec::limits_default(), &verification.input(input));
    let said = verification.outcome(ended.expect("running is no host fault")).expect("a verdict");
    let at_ms = verification.time_ms();
    let native = loom_tlsnotary::activity::verdict(input, &verification.policy, at_ms, verification.arguments());
    assert_eq!(said, native, "module and native verifier differ");
}
