//! The operator itself is dishonest: it holds the node's key, rewrites the history, and signs a log that says so. What
//! its guests did must come out again all the same.

use loom_evidence::{Bundle, Checkpoint, Inclusion, Leaf, LogEvidence};
use loom_types::Entry;

use crate::{
    mutations::{all_changes, blocks, is_weaker, relinked, strength},
    world::{WIDE, World, verified},
};

/// Members that are the operator's word, as the formats' documents say: it can write there what it likes.
const WORDS: [&str; 5] = [
    "/at ",
    "/body/outcome/worker ",
    "/body/outcome/attempts ",
    "/body/outcome/evidence",
    "/body/turn-started/engine ",
];

#[tokio::test]
async fn what_guests_did_cannot_be_rewritten_even_with_the_key() {
    let world = World::new().await;
    world.run(WIDE).await;
    world.run(r#"{"do":[{"op":"state.get"},{"reply":{"$ref":0}}]}"#).await;
    let bundle = world.bundle(None).await;
    let original = blocks(&bundle);
    let honest = strength(&verified(&bundle, &world.auditor()));
    let mut tried = 0;
    for (place, cid) in bundle.manifest().histories[0].entries.iter().enumerate() {
        for (path, changed) in all_changes(&original[cid]) {
            let Ok(entry) = Entry::decode(&changed) else { continue };
            tried += 1;
            let (mut manifest, blocks) = relinked(&bundle, &original, place, entry);
            // A log with this one leaf, signed with the real key.
            let history = &mut manifest.histories[0];
            let last = bundle.entries()[0].last().unwrap();
            let leaf = Leaf::of(world.key.name(), &history.actor, last.seq, *history.entries.last().unwrap());
            history.inclusion = Some(Inclusion { index: 0, proof: Vec::new() });
            let checkpoint = Checkpoint { origin: world.key.name().to_owned(), size: 1, root: leaf.hash() };
            manifest.log = Some(LogEvidence { checkpoint: checkpoint.sign(&world.key).text().to_owned() });
            let Ok(forged) = Bundle::assemble(manifest, blocks) else { continue };
            let report = verified(&forged, &world.auditor());
            let is_word = WORDS.iter().any(|word| path.starts_with(word));
            assert!(
                !report.ok || is_word || is_weaker(&strength(&report), &honest),
                "entry {place} {path}: {report:#?}"
            );
        }
    }
    assert!(tried > 150, "{tried}");
    world.runtime.shutdown().await;
}
