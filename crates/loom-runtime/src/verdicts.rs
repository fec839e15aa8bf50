//! Verdicts that this node came to already. One is a function of what its step pins, so whoever asks the same again gets
//! the same, on any shard and for any actor. Losing them costs time and nothing else.

use std::sync::Mutex;

use loom_machine::{GuestLimits, Verification};
use loom_types::{Cid, Codec};
use lru::LruCache;

use crate::Metrics;

/// Most bytes of verdicts that are kept in memory.
const VERDICTS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The node's cache of verdicts.
pub(crate) struct Verdicts {
    bytes_max: usize,
    kept: Mutex<Kept>,
    metrics: Metrics,
}

struct Kept {
    verdicts: LruCache<Cid, String>,
    bytes: usize,
}

/// Names everything that a verdict depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VerdictKey(Cid);

impl VerdictKey {
    /// The verifier's name in its deployment decides nothing. Its limits do: it may stop at them.
    pub(crate) fn of(verification: &Verification, limits: &GuestLimits) -> Self {
        let nameless = Verification { verifier: String::new(), ..verification.clone() };
        Self(Cid::of(Codec::Raw, format!("{limits:?}\n{}", nameless.to_json()).as_bytes()))
    }
}

impl Verdicts {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self::with_bytes_max(VERDICTS_BYTES_MAX, metrics)
    }

    fn with_bytes_max(bytes_max: usize, metrics: Metrics) -> Self {
        let kept = Kept { verdicts: LruCache::unbounded(), bytes: 0 };
        Self { bytes_max, kept: Mutex::new(kept), metrics }
    }

    /// The verdict, if it is in memory.
    pub(crate) fn get(&self, key: VerdictKey) -> Option<String> {
        let found = self.kept.lock().expect("nothing panics under this lock").verdicts.get(&key.0).cloned();
        if found.is_some() {
            self.metrics.verdict_cache_hits.inc();
        }
        found
    }

    pub(crate) fn keep(&self, key: VerdictKey, verdict: &str) {
        let mut kept = self.kept.lock().expect("nothing panics under this lock");
        kept.bytes += size(verdict);
        if let Some(before) = kept.verdicts.put(key.0, verdict.to_owned()) {
            kept.bytes -= size(&before);
        }
        while kept.bytes > self.bytes_max
            && let Some((_, dropped)) = kept.verdicts.pop_lru()
        {
            kept.bytes -= size(&dropped);
        }
    }
}

/// Bytes that a verdict counts for, with its name and its place in the list.
fn size(verdict: &str) -> usize {
    const OVERHEAD: usize = 256;
    OVERHEAD + verdict.len()
}

#[cfg(test)]
mod tests {
    use loom_machine::{VerifierKind, VerifierSpec};

    use super::*;

    fn verification() -> Verification {
        Verification {
            verifier: "receipts".to_owned(),
            kind: VerifierKind::Risc0,
            module: Cid::of(Codec::Raw, b"module"),
            policy: "{}".to_owned(),
            at_ms: None,
            evidence: Cid::of(Codec::Raw, b"evidence"),
            args: None,
        }
    }

    #[test]
    fn what_a_verdict_depends_on_names_it_and_nothing_else_does() {
        let limits = VerifierSpec::limits_default();
        let key = VerdictKey::of(&verification(), &limits);
        let renamed = Verification { verifier: "proofs".to_owned(), ..verification() };
        assert_eq!(VerdictKey::of(&renamed, &limits), key);
        let other = Cid::of(Codec::Raw, b"other");
        for changed in [
            Verification { module: other, ..verification() },
            Verification { evidence: other, ..verification() },
            Verification { policy: r#"{"image_ids":[]}"#.to_owned(), ..verification() },
            Verification { at_ms: Some(1), ..verification() },
            Verification { args: Some("{}".to_owned()), ..verification() },
        ] {
            assert_ne!(VerdictKey::of(&changed, &limits), key, "{changed:?}");
        }
        assert_ne!(VerdictKey::of(&verification(), &GuestLimits { fuel: 1, ..limits }), key);
    }

    #[test]
    fn the_least_used_goes_first_and_a_large_one_is_not_kept() {
        let metrics = Metrics::default();
        let verdicts = Verdicts::with_bytes_max(2 * size("verdict 1"), metrics.clone());
        let key = |n: u64| {
            let verification = Verification { at_ms: Some(n), ..verification() };
            VerdictKey::of(&verification, &VerifierSpec::limits_default())
        };
        for n in [1, 2] {
            verdicts.keep(key(n), &format!("verdict {n}"));
        }
        assert_eq!(verdicts.get(key(1)).as_deref(), Some("verdict 1"));
        verdicts.keep(key(3), "verdict 3");
        assert_eq!((verdicts.get(key(2)), verdicts.get(key(1)).is_some()), (None, true));
        assert_eq!(metrics.verdict_cache_hits.get(), 2);
        verdicts.keep(key(4), &"x".repeat(3 * size("")));
        assert!((1..=4).all(|n| verdicts.get(key(n)).is_none()), "it took everybody's place");
        assert_eq!(verdicts.kept.lock().unwrap().bytes, 0);
    }
}
