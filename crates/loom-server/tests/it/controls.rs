//! Controls and dead letters, as far as they need no guest: what is refused, and what the audit log says.

use loom_client::{ClientError, Control};

use crate::server::Server;

fn code<T: std::fmt::Debug>(answered: Result<T, ClientError>) -> String {
    match answered.unwrap_err() {
        ClientError::Problem(problem) => problem.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_and_what_was_tried_is_audited() {
    let server = Server::start(|_| ()).await;
    let root = server.token(None, "root", "*=admin").await;
    let client = server.client(Some(&root), "acme");
    for (control, expected) in [
        (Control::Pause {}, "unknown-actor"),
        (Control::Cancel { reason: "x".repeat(2000) }, "invalid-request"),
        (Control::Reset { to: 1, deployment: Some("no cid".to_owned()) }, "invalid-request"),
        (Control::Fork { to: String::new(), turn: None }, "invalid-address"),
        (Control::Fork { to: "b".to_owned(), turn: None }, "unknown-actor"),
    ] {
        assert_eq!(code(client.control("probe/a", &control).await), expected, "{control:?}");
    }
    assert_eq!(code(client.control("loom-audit/log", &Control::Pause {}).await), "forbidden");
    assert!(client.dead_letters(None, None).await.unwrap().items.is_empty());
    assert_eq!(code(client.dead_letters(Some("nothing"), None).await), "invalid-address");
    assert_eq!(code(client.redeliver(7).await), "unknown-dead-letter");
    assert_eq!(code(client.drop_dead_letter(7).await), "unknown-dead-letter");

    let log = client.journal("loom-audit/log", 0).await.unwrap();
    let tried: Vec<_> = log.iter().skip(1).map(|entry| entry.body["what"].as_str().unwrap().to_owned()).collect();
    let expected = [
        "pause probe/a",
        "fork probe/a to probe/b",
        "pause loom-audit/log",
        "retry dead letter 7",
        "drop dead letter 7",
    ];
    assert_eq!(tried, expected);
    server.stop().await;
}

/// A page in a browser can send a form to the loopback interface, but not JSON.
#[tokio::test]
async fn a_dead_letter_is_not_sent_again_by_a_form() {
    let server = Server::start(|_| ()).await;
    let url = format!("http://{}/v1/dead-letters/1", server.address);
    loom_client::use_ring();
    let answered = reqwest::Client::new().post(url).body("").send().await.unwrap();
    assert_eq!(answered.status().as_u16(), 415);
    server.stop().await;
}
