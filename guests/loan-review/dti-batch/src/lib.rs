//! The actor `dti-batch`: the debt-to-income ratios of a run of reviews under one proof.
//!
//! `{"type": "collect"}` begins a turn that takes in the cases which `loan-review` actors send it,
//! until `{"type": "prove"}` comes. Then the program `batch` is proved over all of them, and both
//! messages are answered with [`Reply`], which is also the actor's state; with `null` if no case
//! came. `cases` has the applications in the order in which the proof has them.
//!
//! Each case gets a salt of its own: whoever is shown one learns nothing of the others. The figures
//! are in the messages of this actor's journal and in the proof's private input; in no reply, no
//! state and no error.

use dti_case::{BLOCK_BYTES, Figures, SALT_BYTES};
use loom_guest::{Error, host};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who may send cases.
const REPORTER: &str = "loan-review/";
/// Cases of one proof. The host takes 2 MiB of private input, which is a few thousand more.
const CASES_MAX: usize = 40_000;
/// The media type of the set.
const MEDIA_TYPE: &str = "loom/dti-set";

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Message {
    Collect {},
    Case {
        application_id: String,
        figures: Figures,
    },
    Prove {},
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Reply {
    /// CID of the receipt.
    receipt: String,
    /// The program that it is of.
    image_id: String,
    /// The root of the tree over the cases.
    root: String,
    /// The applications, in the order of the tree's leaves.
    cases: Vec<String>,
    /// How many of them are within their limits.
    within_limit: u32,
}

loom_guest::actor!(handle);

fn handle(message: Message) -> Result<Option<Reply>, Error> {
    match message {
        Message::Collect {} => {}
        Message::Case { .. } | Message::Prove {} => {
            let text = "nothing is being collected; send {\"type\":\"collect\"} first";
            return Err(Error::new("not-collecting", text));
        }
    }
    let (applications, figures) = collect()?;
    if figures.is_empty() {
        return Ok(None);
    }
    let reply = prove(applications, &figures)?;
    host::state::set(&reply)?;
    Ok(Some(reply))
}

/// Takes in cases until somebody asks for the proof. Whatever else comes is answered as the turn is.
fn collect() -> Result<(Vec<String>, Vec<Figures>), Error> {
    let (mut applications, mut all) = (Vec::new(), Vec::new());
    loop {
        let received = host::receive::<Value>(None, None)?;
        let is_reporter = received
            .sender
            .is_some_and(|sender| sender.starts_with(REPORTER));
        match serde_json::from_value(received.body) {
            Ok(Message::Prove {}) => return Ok((applications, all)),
            Ok(Message::Case {
                application_id,
                figures,
            }) if is_reporter && figures.are_taken() => {
                if all.len() == CASES_MAX {
                    let text = format!("more than {CASES_MAX} cases (CASES_MAX)");
                    return Err(Error::new("too-many-cases", text));
                }
                applications.push(application_id);
                all.push(figures);
            }
            _ => {}
        }
    }
}

fn prove(cases: Vec<String>, figures: &[Figures]) -> Result<Reply, Error> {
    let salts = host::random_bytes(figures.len() * SALT_BYTES);
    let proof = host::start_proof("batch", MEDIA_TYPE, &value(figures, &salts), &[])?.wait()?;
    let (root, count, within_limit) = read(&proof.public_output)
        .ok_or_else(|| Error::new("proof-misread", "the proof's output is none of batch"))?;
    let is_within = |figures: &&Figures| figures.ratio_bps() <= figures.limit_bps();
    let expected = (figures.len(), figures.iter().filter(is_within).count());
    if (count as usize, within_limit as usize) != expected {
        let text = format!("{within_limit} of {count} are within their limits, not {expected:?}");
        return Err(Error::new("proof-disagrees", text));
    }
    Ok(Reply {
        receipt: proof.receipt,
        image_id: proof.image_id,
        root: hex(root),
        cases,
        within_limit,
    })
}

/// The value of the private payload: the cases' blocks, each under its salt, behind as many zeros as
/// bring the first to its place.
fn value(figures: &[Figures], salts: &[u8]) -> Vec<u8> {
    let fill = match figures.len() {
        ..=5 => 3,
        6..=1365 => 2,
        _ => 0,
    };
    let mut value = Vec::with_capacity(fill + figures.len() * BLOCK_BYTES);
    value.resize(fill, 0);
    for (figures, salt) in figures.iter().zip(salts.as_chunks().0) {
        value.extend_from_slice(&figures.block(salt));
    }
    value
}

/// Root, cases and cases within their limits, behind the digest of the private block.
fn read(output: &[u8]) -> Option<(&[u8], u32, u32)> {
    let (root, counts) = output.get(32..)?.split_at_checked(32)?;
    let (count, within_limit) = counts.split_first_chunk()?;
    let within_limit = within_limit.try_into().ok()?;
    Some((
        root,
        u32::from_le_bytes(*count),
        u32::from_le_bytes(within_limit),
    ))
}

fn hex(bytes: &[u8]) -> String {
    let digit = |digit: u8| char::from_digit(digit.into(), 16).unwrap_or_default();
    let digits = |byte: &u8| [digit(byte >> 4), digit(byte & 15)];
    bytes.iter().flat_map(digits).collect()
}

#[cfg(test)]
mod tests;
