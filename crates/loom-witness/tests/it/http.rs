//! Over HTTP, on a port that the system chooses: the witness, a log's leaves, and answers that are no good.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
};
use loom_evidence::{SignedCheckpoint, SigningKey};
use loom_witness::{Answer, HttpWitness, SIZE_MEDIA_TYPE, SystemClock, Witness, WitnessError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support::{Log, Served, World};

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

async fn served(router: Router) -> String {
    let (listener, url) = listen().await;
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

/// A log's leaves, for who has the token. Bundles that became full are served full alone.
async fn bundle(State(log): State<Arc<Served>>, Path(path): Path<String>, headers: HeaderMap) -> impl IntoResponse {
    if headers.get(header::AUTHORIZATION).is_none_or(|value| value != "Bearer tok") {
        return (StatusCode::UNAUTHORIZED, Vec::new());
    }
    let (index, width) =
        path.split_once(".p/").map_or((path.as_str(), 256), |(it, width)| (it, width.parse().unwrap()));
    let index = index.trim_start_matches('0').parse().unwrap_or(0);
    let is_gone = width < 256 && log.bytes(index, 256).is_some();
    match log.bytes(index, width).filter(|_| !is_gone) {
        Some(bytes) => (StatusCode::OK, bytes),
        None => (StatusCode::NOT_FOUND, Vec::new()),
    }
}

#[tokio::test]
async fn a_log_asks_a_witness_that_reads_it() {
    let (world, log) = (World::new(), Log::of(700));
    world.served.serve(&log);
    let tiles = Router::new().route("/log/tile/entries/{*path}", get(bundle)).with_state(world.served.clone());
    let log_url = served(tiles).await;

    let mut settings = world.settings(true);
    settings.logs[0].url = Some(format!("{log_url}/log"));
    settings.monitor = true;
    // Without the token the leaves cannot be read.
    let refused = Witness::open(&settings, Arc::new(SystemClock)).unwrap();
    let answer = refused.add_checkpoint(log.request(0, 5).as_bytes()).await.unwrap_err();
    assert_eq!((answer.status(), answer.to_string().contains("status 401")), (502, true), "{answer}");
    drop(refused);

    settings.logs[0].token = Some("tok".to_owned().into());
    assert!(!format!("{settings:?}").contains("tok\""), "tokens are not shown");
    let witness = Witness::open(&settings, Arc::new(SystemClock)).unwrap();
    let (listener, url) = listen().await;
    let stop = CancellationToken::new();
    let serving = tokio::spawn(loom_witness::serve(listener, witness.clone(), stop.clone()));

    let client = HttpWitness::new(witness.public_key(), &format!("{url}/")).unwrap();
    let mut old = 0;
    for size in [5, 300, 700] {
        let checkpoint = log.checkpoint(size);
        let answer = client.add_checkpoint(old, &log.proof(old, size), &checkpoint).await.unwrap();
        let Answer::Cosigned(line) = answer else { panic!("{answer:?}") };
        let keys = [log.key.public(), witness.public_key()];
        let both = checkpoint.with_signatures(&[&line]).unwrap();
        assert_eq!(both.signed_by(&keys).unwrap().len(), 2);
        // One that carries the cosignature already may be cosigned again.
        let again = client.add_checkpoint(size, &[], &both).await.unwrap();
        assert!(matches!(again, Answer::Cosigned(_)), "{again:?}");
        old = size;
    }
    let conflict = client.add_checkpoint(5, &log.proof(5, 700), &log.checkpoint(700)).await.unwrap();
    assert_eq!(conflict, Answer::Conflict { size: 700 });
    let mut other = log.back_to(600);
    other.grow(100, "other");
    let forked = client.add_checkpoint(700, &[], &other.checkpoint(700)).await.unwrap();
    assert!(matches!(&forked, Answer::Refused { status: 409, reason } if reason.ends_with("has forked")), "{forked:?}");

    let text = |path: &'static str| {
        let url = format!("{url}{path}");
        async move { reqwest::get(url).await.unwrap().text().await.unwrap() }
    };
    assert_eq!(text("/healthz").await, "ok\n");
    assert_eq!(text("/").await, format!("{}\n\nlog.example/loans (leaves are read)\n", witness.public_key()));
    let long = reqwest::Client::new().post(format!("{url}/add-checkpoint")).body("x".repeat(1024 * 1024)).send().await;
    // The connection may be closed before all of it is written.
    assert!(long.is_err() || long.is_ok_and(|long| long.status() == 400));

    stop.cancel();
    serving.await.unwrap();
    let gone = client.add_checkpoint(700, &[], &log.checkpoint(700)).await;
    assert!(matches!(gone, Err(WitnessError::Unreachable { .. })), "{gone:?}");
}

/// Asks somebody who answers everything with these.
async fn answered(status: u16, media: &'static str, body: impl Into<String>) -> Result<Answer, String> {
    let body = body.into();
    let answer = async move || (StatusCode::from_u16(status).unwrap(), [(header::CONTENT_TYPE, media)], body.clone());
    let url = served(Router::new().route("/w/add-checkpoint", post(answer))).await;
    let client = HttpWitness::new(key().public(), &format!("{url}/w")).unwrap();
    client.add_checkpoint(0, &[], &checkpoint()).await.map_err(|error| error.to_string())
}

fn key() -> SigningKey {
    SigningKey::witness_from_secret("witness.example/w1", &[3; 32]).unwrap()
}

fn checkpoint() -> SignedCheckpoint {
    Log::of(3).checkpoint(3)
}

#[tokio::test]
async fn only_a_cosignature_that_verifies_is_one() {
    let line = checkpoint().cosign(&key(), 5);
    let of_other = checkpoint().cosign(&SigningKey::witness_from_secret("witness.example/w1", &[4; 32]).unwrap(), 5);
    let of_another_tree = Log::of(2).checkpoint(2).cosign(&key(), 5);
    let timeless = checkpoint().cosign(&key(), 0);
    assert_eq!(answered(200, "text/plain", line.clone()).await, Ok(Answer::Cosigned(line.clone())));
    let among_others = format!("{of_other}{line}");
    assert_eq!(answered(200, "text/plain", among_others).await, Ok(Answer::Cosigned(line.clone())));
    for body in [String::new(), of_other, of_another_tree, timeless, line.replace("— ", "- "), "x".repeat(65 * 1024)]
    {
        let answer = answered(200, "text/plain", body.clone()).await.unwrap_err();
        assert!(answer.starts_with("the answer of the witness 'witness.example/w1' is not understood"), "{answer}");
    }
}

#[tokio::test]
async fn other_answers_are_told_apart() {
    assert_eq!(answered(409, SIZE_MEDIA_TYPE, "17\n").await, Ok(Answer::Conflict { size: 17 }));
    for body in ["", "17", "017\n", "-1\n", "17\n\n"] {
        assert!(answered(409, SIZE_MEDIA_TYPE, body).await.is_err(), "{body:?}");
    }
    let refused = |status, reason: &str| Ok(Answer::Refused { status, reason: reason.to_owned() });
    assert_eq!(answered(409, "text/plain", "forked\n").await, refused(409, "forked"));
    assert_eq!(answered(422, "text/plain", "a\u{1b}[31m\nb").await, refused(422, "a [31m b"));
    assert_eq!(answered(307, "text/plain", "").await, refused(307, ""));
    assert_eq!(answered(503, "text/plain", "z".repeat(5000)).await, refused(503, &"z".repeat(1024)));
}

#[test]
fn a_log_s_key_is_no_witness() {
    let key = Log::new().key.public();
    assert!(matches!(HttpWitness::new(key, "http://127.0.0.1:1"), Err(WitnessError::NotAWitness { .. })));
    assert!(matches!(HttpWitness::new(self::key().public(), "witness.example"), Err(WitnessError::Url { .. })));
}
