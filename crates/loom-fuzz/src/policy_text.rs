//! An auditor's policies: refused, or judged as a slower reading of the rule about `*` says.

use loom_verify::{Claim, Class, Code, Policy, Report, Turns};
use serde_json::{Value, json};

/// Characters of patterns that are compared with the slower reading.
const PATTERN_MAX: usize = 200;

/// Takes a policy.
pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let report = report();
    let Ok(policy) = Policy::read(text) else { return };
    let judgement = policy.judge(&report);
    assert_eq!(judgement.met, judgement.unmet.is_empty());
    assert_eq!(policy.judge(&report), judgement);
    let read: Value = serde_json::from_str(text).expect("a policy is JSON");
    for requirement in read["require"].as_array().into_iter().flatten() {
        if let Some(pattern) = requirement["subject"].as_str().filter(|pattern| pattern.len() <= PATTERN_MAX) {
            compare(&report, pattern);
        }
    }
}

/// Whether some claim is about this, by the policy and by the slower reading.
fn compare(report: &Report, pattern: &str) {
    let classes = ["proved", "re-executed", "attested", "claimed", "redacted"];
    let asks = json!({"v": 1, "require": [{"subject": pattern, "class": classes}]});
    let met = Policy::read(&asks.to_string()).expect("in its form").judge(report).met;
    let is_like = |claim: &Claim| is_like(claim.subject.as_bytes(), pattern.as_bytes());
    assert_eq!(met, report.claims.iter().any(is_like), "{pattern:?}");
}

/// `*` stands for any bytes but spaces. Every way to read it is tried.
fn is_like(subject: &[u8], pattern: &[u8]) -> bool {
    // By how much of the subject is left: whether that is like the rest of the pattern.
    let mut fits: Vec<bool> = (0..=subject.len()).map(|at| at == subject.len()).collect();
    for sign in pattern.iter().rev() {
        let mut before = vec![false; subject.len() + 1];
        for at in (0..=subject.len()).rev() {
            let next = subject.get(at);
            before[at] = match sign {
                b'*' => fits[at] || (next.is_some_and(|byte| *byte != b' ') && before[at + 1]),
                sign => next == Some(sign) && fits[at + 1],
            };
        }
        fits = before;
    }
    fits[0]
}

fn report() -> Report {
    let claim = |subject: &str, class| Claim {
        subject: subject.to_owned(),
        class,
        detail: "a detail".to_owned(),
        by: if class == Class::Attested { vec!["log.example+1a2b3c4d+AQ==".to_owned()] } else { Vec::new() },
        code: subject.ends_with("turn 1").then(|| Code {
            actor_type: "loan".to_owned(),
            module: "bafkreiedib7x3r3nc73a2pybpp77hmjcqfiqaptd7ok4yqcyysof5tnifu".to_owned(),
            deployment: "bafyreifqxdrcej4ny47pxpcfyxkdt7nb2dj7wqasg7h5foflmgdnnvspyu".to_owned(),
        }),
    };
    let claims = vec![
        claim("log log.example", Class::Attested),
        claim("log log.example fork", Class::Claimed),
        claim("default/loan/aab", Class::Attested),
        claim("default/loan/aab turn 1", Class::ReExecuted),
        claim("default/loan/aab turn 1 step 0 activity", Class::ReExecuted),
        claim("default/loan/aab#1 message", Class::Redacted),
        claim("", Class::Claimed),
    ];
    let turns = Turns { all: 1, re_executed: 1 };
    Report { ok: true, subject: None, bundle: None, turns, claims, failures: Vec::new(), policy: None }
}
