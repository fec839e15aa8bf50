//! Steps that ask for a proof: a program of the deployment, run over an input that is private.

use std::sync::Arc;

use loom_types::{Cid, Payload};
use serde::{Deserialize, Serialize};

use super::{
    Ambient, Effect, Turn, Work,
    live::{Step, failed},
};
use crate::{
    Failure, ImageId,
    request::{PrivateInput, ProveRequest, base64},
};

/// A request as its entry has it: without the private input, and with the program's name in full.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Journaled<'a> {
    op: &'a str,
    program: String,
    image_id: ImageId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public: Option<String>,
}

/// What a step of the journal has been given in private.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// Nothing: most steps.
    None,
    /// This.
    Known(Payload),
    /// It was left out of what is replayed. What the guest hands over cannot be compared with it.
    LeftOut,
}

impl Input {
    /// Whether the guest hands over the same. What was left out is taken for the same.
    pub(super) fn is(&self, given: Option<&PrivateInput>) -> bool {
        match (self, given) {
            (Input::None, None) | (Input::LeftOut, Some(_)) => true,
            (Input::Known(payload), Some(given)) => {
                payload.media_type() == given.media_type && *payload.value() == given.value
            }
            _ => false,
        }
    }

    pub(super) fn payload(&self) -> Option<&Payload> {
        match self {
            Input::Known(payload) => Some(payload),
            Input::None | Input::LeftOut => None,
        }
    }

    /// What may be said of it where people look.
    pub(super) fn describe(&self) -> String {
        match self {
            Input::None => String::new(),
            Input::Known(payload) => described(payload.media_type(), payload.value()),
            Input::LeftOut => " with an input that was left out".to_owned(),
        }
    }
}

impl From<Option<Payload>> for Input {
    fn from(payload: Option<Payload>) -> Self {
        payload.map_or(Input::None, Input::Known)
    }
}

/// What may be said of what the guest hands over: nothing of the value itself, for divergences reach logs.
pub(super) fn describe(given: Option<&PrivateInput>) -> String {
    given.map_or_else(String::new, |given| described(&given.media_type, &given.value))
}

fn described(media_type: &str, value: &[u8]) -> String {
    format!(" with an input of {} bytes as {media_type}", value.len())
}

impl Turn {
    /// The journaled form of a request, or why there is none.
    pub(super) fn journaled_prove(&self, prove: &ProveRequest) -> Result<String, Failure> {
        let deployment = &self.opening.deployment;
        let Some(spec) = deployment.programs.get(&prove.program) else {
            let name: String = prove.program.chars().take(64).collect();
            let known: Vec<_> = deployment.programs.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let text = format!("deployment '{}' has no program '{name}'; it has: {known}", deployment.name);
            return Err(Failure::new("unknown-program", text));
        };
        let journaled = Journaled {
            op: "prove.start",
            program: prove.program.clone(),
            image_id: spec.image_id,
            public: (!prove.public.is_empty()).then(|| data_encoding::BASE64.encode(&prove.public)),
        };
        Ok(serde_json::to_string(&journaled).expect("strings serialise"))
    }

    /// Seals the input. On a node that cannot prove, its salt is like any other.
    pub(super) fn seal_input(&self, prove: &ProveRequest, ambient: &mut Ambient<'_>) -> Payload {
        let PrivateInput { media_type, value } = &prove.input;
        let spec = &self.opening.deployment.programs[&prove.program];
        match ambient.inputs {
            Some(salts) => Payload::salted(media_type, value, salts.salt(spec.image_id, media_type, value)),
            None => Payload::seal(media_type, value, ambient.salts),
        }
    }

    pub(super) fn prove_step(&mut self, n: u32, prove: ProveRequest, input: Cid, ambient: &mut Ambient<'_>) -> Step {
        if ambient.inputs.is_none() {
            let text = "this node cannot prove: it was built or started without a prover";
            return failed("no-prover", text.to_owned(), ambient.salts);
        }
        let ProveRequest { program, public, .. } = prove;
        let image_id = self.opening.deployment.programs[&program].image_id;
        let work = Work::Proof { program, image_id, public: public.into(), input };
        self.outstanding_step(work, vec![Effect::StartProof { n }], ambient)
    }

    /// The private input of step `n`, if it has one and it is there.
    pub fn private_input(&self, n: u32) -> Option<&Payload> {
        self.records.get(n as usize)?.input.payload()
    }
}

/// What a journaled request for a proof waits for.
pub(super) fn work(request: &Payload, input: Option<Cid>) -> Result<Work, String> {
    let journaled: Journaled<'_> = serde_json::from_slice(request.value()).map_err(|error| error.to_string())?;
    let Journaled { op: "prove.start", program, image_id, public } = journaled else {
        return Err(format!("a request for a proof says '{}'", journaled.op));
    };
    let public = base64("prove.start", "public", &public.unwrap_or_default()).map_err(|failure| failure.to_string())?;
    let input = input.ok_or("a proof over no input")?;
    Ok(Work::Proof { program, image_id, public: Arc::from(public), input })
}
