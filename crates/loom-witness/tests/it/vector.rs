//! The vector of the format document, made there by another program.

use loom_evidence::{PublicKey, SigningKey};

use crate::support::{World, ask};

const DOCUMENT: &str = include_str!("../../../../docs/formats/witness.md");

#[tokio::test]
async fn the_document_s_vector_is_what_a_witness_answers() {
    let vector = DOCUMENT.split_once("## Vector").unwrap().1;
    let blocks: Vec<&str> = vector.split("```\n").skip(1).step_by(2).collect();
    let [keys, first, second, signed, answer] = blocks[..] else { panic!("{blocks:?}") };
    let (public, secret) = keys.trim_end().split_once('\n').unwrap();
    let key = SigningKey::witness_from_secret("witness.example/w1", &[8; 32]).unwrap();
    assert_eq!((public, secret), (key.public().to_string().as_str(), key.to_secret_text().as_str()));
    assert_eq!(public.parse::<PublicKey>().unwrap(), key.public());
    assert!(signed.starts_with("cosignature/v1\ntime 1700000000\nlog.example/loans\n3\n"));

    // A witness that is given this key.
    let world = World::new();
    drop(world.witness());
    std::fs::write(world.folder.path().join("witness.key"), secret).unwrap();
    let witness = world.witness();
    assert_eq!(ask(&witness, first).await, "cosigned at 1700000000");
    assert_eq!(witness.add_checkpoint(second.as_bytes()).await.unwrap(), answer);
}
