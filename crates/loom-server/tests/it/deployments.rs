//! Deployments that are not there, and questions about none. What a check finds is tested where guests run.

use loom_client::{CheckRequest, ClientError, Former, Manifest, Rollback};

use crate::server::Server;

fn code<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> String {
    match answer {
        Err(ClientError::Problem(problem)) => problem.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_never_deployed_cannot_be_gone_back_to_or_checked() {
    let server = Server::start(|_| ()).await;
    let client = server.client(None, "default");
    assert!(client.deployment_history(5).await.unwrap().is_empty());
    assert_eq!(code(client.rollback("nobody", &Rollback::default()).await), "unknown-deployment");
    let former = Some(Former { name: "nobody".into(), to: None });
    let unknown = CheckRequest { former: former.clone(), ..CheckRequest::default() };
    assert_eq!(code(client.check(&unknown).await), "unknown-deployment");
    let bad_id = Rollback { to: Some("nothing".into()) };
    assert_eq!(code(client.rollback("nobody", &bad_id).await), "invalid-request");
    let empty = Manifest {
        name: "empty".into(),
        actors: Default::default(),
        activities: Default::default(),
        schedules: Default::default(),
        programs: Default::default(),
        verifiers: Default::default(),
    };
    let both = CheckRequest { manifest: Some(empty.clone()), former, ..CheckRequest::default() };
    for neither_or_both in [CheckRequest::default(), both] {
        assert_eq!(code(client.check(&neither_or_both).await), "invalid-request");
    }
    server.stop().await;
}
