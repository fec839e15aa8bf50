//! Making, listing and revoking tokens, and what the audit log says about it.

use loom_client::{Client, ClientError};

use crate::server::{Server, new_token};

fn code<T: std::fmt::Debug>(answered: Result<T, ClientError>) -> String {
    match answered.unwrap_err() {
        ClientError::Problem(problem) => problem.code,
        other => panic!("{other:?}"),
    }
}

/// What was done and by whom, from the audit log of the client's namespace.
async fn audited(client: &Client) -> Vec<(String, String)> {
    let entries = client.journal("loom-audit/log", 0).await.unwrap();
    let mut before = None;
    for entry in &entries {
        assert_eq!(entry.prev, before, "one chain");
        before = Some(entry.cid.clone());
    }
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    entries.iter().skip(1).map(|entry| (text(&entry.body["what"]), text(&entry.body["by"]))).collect()
}

#[tokio::test]
async fn tokens_are_made_listed_and_revoked_by_those_who_administer_what_they_reach() {
    let server = Server::start(|_| ()).await;
    let root = server.token(None, "root", "*=admin").await;
    let boss = server.token(Some(&root), "acme-boss", "acme=admin").await;
    let (root, boss) = (server.client(Some(&root), "acme"), server.client(Some(&boss), "acme"));
    assert_eq!(code(boss.create_token(&new_token("spy", "other=read")).await), "forbidden");
    assert_eq!(code(boss.create_token(&new_token("spy", "acme=read *=read")).await), "forbidden");
    assert_eq!(code(boss.create_token(&new_token("Spy", "acme=read")).await), "invalid-request");
    assert_eq!(code(boss.create_token(&new_token("spy", "acme=owner")).await), "invalid-request");
    assert_eq!(code(boss.create_token(&new_token("root", "acme=read")).await), "token-exists");
    let made = boss.create_token(&new_token("ci", "acme=deploy")).await.unwrap();
    assert!(!server.tokens_file().contains(made.token.expose()), "only its digest is kept");
    assert!(!format!("{made:?}").contains(made.token.expose()));

    let names = async |client: &Client| -> Vec<String> {
        client.tokens().await.unwrap().into_iter().map(|token| token.name).collect()
    };
    assert_eq!(names(&boss).await, ["acme-boss", "ci"]);
    assert_eq!(names(&root).await, ["acme-boss", "ci", "root"]);
    assert_eq!(code(boss.revoke_token("root").await), "unknown-token");
    assert_eq!(code(boss.revoke_token("nobody").await), "unknown-token");
    let ci = server.client(Some(&made.token), "acme");
    ci.actors(None, None).await.unwrap();
    boss.revoke_token("ci").await.unwrap();
    assert_eq!(code(ci.actors(None, None).await), "unauthenticated");

    let entry = |what: &str, by: &str| (what.to_owned(), by.to_owned());
    let in_acme = [
        entry("create token acme-boss acme=admin", "root"),
        entry("create token ci acme=deploy", "acme-boss"),
        entry("revoke token ci acme=deploy", "acme-boss"),
    ];
    assert_eq!(audited(&boss).await, in_acme);
    assert_eq!(audited(&root.within("loom")).await, [entry("create token root *=admin", "anybody")]);
    server.stop().await;
}

#[tokio::test]
async fn a_node_that_had_tokens_stays_closed_when_the_last_is_revoked() {
    let server = Server::start(|_| ()).await;
    let root = server.token(None, "root", "*=admin").await;
    let client = server.client(Some(&root), "default");
    client.revoke_token("root").await.unwrap();
    assert_eq!(code(client.tokens().await), "unauthenticated");
    assert_eq!(code(server.client(None, "default").tokens().await), "unauthenticated");
    server.stop().await;
}
