//! Damage to the files: whatever byte is hit, what is read is what was written, or an error says what is damaged.

use std::collections::BTreeMap;

use loom_storage::{CommitError, Storage, StoreError};
use loom_store_sqlite::{OpenError, Settings, open};
use loom_types::SequenceNumber;

use crate::support::{ACTORS, Image, actor, fast_folder, fill, image_of, open_image, payload, read_all, write};

/// Distance between the bytes that are hit, one at a time. Odd, so that every part of a page gets its turn.
const STRIDE: usize = 397;

type Everything = BTreeMap<String, Result<String, StoreError>>;

/// A filled store: its files as they are on the disk after a clean end, or in the middle of work.
async fn filled(clean: bool) -> (Image, Everything) {
    let folder = fast_folder();
    let storage = open(&Settings::new(folder.path())).unwrap();
    fill(&storage).await;
    let everything = read_all(&storage).await;
    assert!(everything.values().all(Result::is_ok), "{everything:?}");
    if clean {
        drop(storage);
        return (image_of(folder.path()), everything);
    }
    (image_of(folder.path()), everything)
}

/// What is read of a damaged store is right or an error. Says whether anything was noticed.
async fn nothing_is_silently_different(what: &str, image: &Image, expected: &Everything) -> Option<OpenError> {
    let (_folder, opened) = open_image(image);
    let storage = match opened {
        Ok(storage) => storage,
        Err(error) => return Some(error),
    };
    for (name, found) in read_all(&storage).await {
        match found {
            Ok(found) => assert_eq!(Some(&found), expected[&name].as_ref().ok(), "{what}: {name}"),
            Err(StoreError::Corrupt { what: named }) => {
                let actor = name.split_once(" of ").map_or("", |(_, actor)| actor);
                assert!(named.contains(actor), "{what}: {name}: the error does not name the actor: {named}");
            }
            Err(error) => panic!("{what}: {name}: {error:?}"),
        }
    }
    None
}

fn flipped(image: &Image, file: &str, at: usize) -> Image {
    let mut image = image.clone();
    image.get_mut(file).unwrap()[at] ^= 1 << (at % 8);
    image
}

fn cut(image: &Image, file: &str, bytes: usize) -> Image {
    let mut image = image.clone();
    image.get_mut(file).unwrap().truncate(bytes);
    image
}

#[tokio::test]
async fn a_flipped_bit_in_the_database_is_noticed() {
    let (image, expected) = filled(true).await;
    let bytes = image["loom.db"].len();
    assert!(bytes > 20 * 4096 && image.get("loom.db-wal").is_none_or(Vec::is_empty), "{bytes}");
    for at in (0..bytes).step_by(STRIDE) {
        nothing_is_silently_different(&format!("byte {at}"), &flipped(&image, "loom.db", at), &expected).await;
    }
    assert!(nothing_is_silently_different("nothing", &image, &expected).await.is_none());
}

#[tokio::test]
async fn a_database_cut_short_is_noticed() {
    let (image, expected) = filled(true).await;
    let bytes = image["loom.db"].len();
    for at in (0..bytes).step_by(4 * STRIDE) {
        nothing_is_silently_different(&format!("cut to {at}"), &cut(&image, "loom.db", at), &expected).await;
    }
}

/// Nothing was copied into the database yet: every byte of the log counts, and none may be lost silently.
#[tokio::test]
async fn a_damaged_log_is_not_opened() {
    let (image, expected) = filled(false).await;
    let bytes = image["loom.db-wal"].len();
    assert!(bytes > 20 * 4096, "{bytes}");
    assert!(nothing_is_silently_different("nothing", &image, &expected).await.is_none());
    for at in (0..bytes).step_by(7 * STRIDE) {
        let images = [("flipped", flipped(&image, "loom.db-wal", at)), ("cut", cut(&image, "loom.db-wal", at))];
        for (how, image) in images {
            let what = format!("log {how} at {at}");
            let refused = nothing_is_silently_different(&what, &image, &expected).await;
            let told = matches!(refused, Some(OpenError::Lost { found, counted, .. }) if found < counted);
            assert!(told, "{what}: acknowledged commits are missing, and nobody says so: {refused:?}");
        }
    }
}

/// A refusal leaves the files as they are, so that what is left can be mended or taken over.
#[tokio::test]
async fn a_refused_folder_is_not_touched() {
    let (image, _) = filled(false).await;
    let image = flipped(&image, "loom.db-wal", 5000);
    let (folder, refused) = open_image(&image);
    let Err(refused) = refused else { panic!("it opened") };
    assert!(refused.to_string().contains("has lost its end"), "{refused}");
    assert!(image_of(folder.path()) == image, "the files changed");
    // What the error's page tells to do to go on with what is left.
    std::fs::remove_file(folder.path().join("tally")).unwrap();
    open(&Settings::new(folder.path())).unwrap();
}

#[tokio::test]
async fn another_database_in_the_folder_is_noticed() {
    let (mut image, _) = filled(true).await;
    let (other, _) = filled(true).await;
    image.insert("loom.db".into(), other["loom.db"].clone());
    let (_folder, refused) = open_image(&image);
    assert!(matches!(refused, Err(OpenError::Replaced { .. })));
    image.remove("loom.db");
    let (_folder, refused) = open_image(&image);
    assert!(matches!(refused, Err(OpenError::Lost { found: 0, .. })));
}

/// The tally guards; that it is damaged itself harms nobody.
#[tokio::test]
async fn a_damaged_tally_stops_nobody() {
    let (image, expected) = filled(true).await;
    for at in 0..image["tally"].len() {
        assert!(nothing_is_silently_different("tally", &flipped(&image, "tally", at), &expected).await.is_none());
    }
    assert!(nothing_is_silently_different("tally", &cut(&image, "tally", 9), &expected).await.is_none());
}

/// Pages that are whole, but of another time: the actor's row from before its newest commits, or after them.
#[tokio::test]
async fn an_older_page_is_noticed() {
    let folder = fast_folder();
    let storage = open(&Settings::new(folder.path())).unwrap();
    fill(&storage).await;
    drop(storage);
    let older = image_of(folder.path())["loom.db"].clone();
    let storage = open(&Settings::new(folder.path())).unwrap();
    for n in 0..3 {
        write(&storage, &actor(n), |_| ()).await.unwrap();
    }
    let expected = read_all(&storage).await;
    drop(storage);
    let newer = image_of(folder.path());
    let mut noticed = 0;
    for page in (0..older.len()).step_by(4096) {
        let mut image = newer.clone();
        let (old, new) = (&older[page..page + 4096], &mut image.get_mut("loom.db").unwrap()[page..page + 4096]);
        if old == new {
            continue;
        }
        new.copy_from_slice(old);
        let (_folder, opened) = open_image(&image);
        let Ok(storage) = opened else {
            noticed += 1;
            continue;
        };
        for n in 0..3 {
            let name = format!("record of {}", actor(n));
            match storage.journal.load(&actor(n)).await {
                Ok(record) => assert_eq!(format!("{record:?}"), *expected[&name].as_ref().unwrap(), "page {page}"),
                Err(error) => {
                    assert!(error.to_string().contains(actor(n).as_str()), "{error}");
                    noticed += 1;
                }
            }
        }
    }
    assert!(noticed >= 3, "the pages of heads, segments and states: {noticed}");
}

/// The page of the database on which the leaves of everybody's first entries stand.
fn page_of_leaves(database: &[u8], heads: &[[u8; 32]]) -> usize {
    let has_all = |page: &[u8]| heads.iter().all(|head| page.windows(head.len()).any(|window| window == head));
    database.chunks(4096).position(has_all).expect("a page of leaves") * 4096
}

/// A filled folder's image, the first leaves' digests, and how many leaves there are.
async fn with_leaves() -> (Image, Vec<[u8; 32]>, u64) {
    let folder = fast_folder();
    let storage = open(&Settings::new(folder.path())).unwrap();
    fill(&storage).await;
    let leaves = storage.log.leaves(0, 99).await.unwrap();
    let heads = leaves[..ACTORS].iter().map(|record| *record.leaf.head.digest()).collect();
    drop(storage);
    (image_of(folder.path()), heads, leaves.len() as u64)
}

#[tokio::test]
async fn a_flipped_bit_in_a_leaf_is_noticed() {
    let (image, heads, size) = with_leaves().await;
    let page = page_of_leaves(&image["loom.db"], &heads);
    let row = image["loom.db"][page..page + 4096].windows(32).position(|window| window == heads[3]).unwrap();
    // The digest, and before it actor and sequence number.
    for at in [row, row + 31, row - 1, row - 2] {
        let (_folder, storage) = open_image(&flipped(&image, "loom.db", page + at));
        let storage = storage.unwrap();
        let error = storage.log.leaves(3, 1).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Corrupt { what } if what.starts_with("leaves of the log from 3")),
            "{error}"
        );
        let error = storage.log.leaf_of(&actor(3), SequenceNumber(0)).await.unwrap_err();
        let named = "the log's leaf of default/tester/a3 at entry 0";
        assert!(matches!(&error, StoreError::Corrupt { what } if what.starts_with(named)), "{error}");
        assert_eq!(storage.log.size().await.unwrap(), size);
    }
}

/// With the newest leaves gone as if they had never been, none of their places is given again.
#[tokio::test]
async fn a_log_that_lost_its_end_does_not_go_on() {
    let (older, heads, size) = with_leaves().await;
    let (folder, storage) = open_image(&older);
    let storage = storage.unwrap();
    for n in 0..3 {
        write(&storage, &actor(n), |_| ()).await.unwrap();
    }
    drop(storage);
    let mut image = image_of(folder.path());
    let page = page_of_leaves(&older["loom.db"], &heads);
    let lost = &mut image.get_mut("loom.db").unwrap()[page..page + 4096];
    assert!(lost != &older["loom.db"][page..page + 4096]);
    lost.copy_from_slice(&older["loom.db"][page..page + 4096]);
    let (_folder, storage) = open_image(&image);
    let storage = storage.unwrap();
    assert_eq!(storage.log.leaves(0, size as usize).await.unwrap().len() as u64, size);
    let error = storage.log.leaves(0, 99).await.unwrap_err();
    let named = format!("leaf {size} of the log's {} is missing", size + 3);
    assert!(matches!(&error, StoreError::Corrupt { what } if *what == named), "{error}");
    let error = storage.log.leaf_of(&actor(0), SequenceNumber(4)).await.unwrap_err();
    let named = format!("leaf {size} of the log, which is of default/tester/a0: it is missing");
    assert!(matches!(&error, StoreError::Corrupt { what } if *what == named), "{error}");
    let refused = write(&storage, &actor(4), |_| ()).await.unwrap_err();
    let CommitError::Unavailable(source) = &refused else { panic!("{refused:?}") };
    assert!(source.to_string().contains("newest leaf"), "{source}");
    write(&storage, &actor(4), |commit| commit.leaf = None).await.unwrap();
    assert_eq!(storage.log.size().await.unwrap(), size + 3);
}

/// What does not concern an actor does not stop it: with one page gone, others are read and go on.
#[tokio::test]
async fn others_go_on_beside_damage() {
    let folder = fast_folder();
    let storage = open(&Settings::new(folder.path())).unwrap();
    // Each journal has pages of its own.
    for (n, letter) in ["a", "b", "c"].into_iter().enumerate() {
        let large = payload(&letter.repeat(30_000));
        write(&storage, &actor(n), |commit| commit.segment.payloads.push(large)).await.unwrap();
    }
    drop(storage);
    let mut image = image_of(folder.path());
    let database = image.get_mut("loom.db").unwrap();
    let at = database.windows(4000).position(|window| window.iter().all(|byte| *byte == b'b'));
    database[at.expect("a page full of it") + 2000] ^= 1;
    let (_folder, storage) = open_image(&image);
    let storage: Storage = storage.unwrap();
    let error = storage.journal.load(&actor(1)).await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { what } if what.contains("default/tester/a1")), "{error}");
    for n in [0, 2] {
        write(&storage, &actor(n), |_| ()).await.unwrap();
        assert_eq!(storage.journal.read(&actor(n), SequenceNumber(0)).await.unwrap().len(), 2);
    }
}
