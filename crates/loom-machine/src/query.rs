//! A query: one look at an actor's committed state, outside any turn.
//!
//! Nothing a query does lasts or is journaled, so it may ask for what is a function of the state alone.

use loom_types::{ActorAddress, Cid, TurnNumber};
use serde_json::json;

use crate::{
    Failure,
    request::{self, Request},
    state::StateBuffer,
};

/// Answers a query's requests.
#[derive(Debug)]
pub struct Query {
    context: String,
    state: StateBuffer,
}

impl Query {
    /// A query of the actor `address` whose newest turn is `turn`, run by `deployment`.
    pub fn new(address: &ActorAddress, turn: TurnNumber, deployment: Cid, state: Option<String>) -> Self {
        let context = json!({
            "namespace": address.namespace(),
            "type": address.actor_type(),
            "key": address.key(),
            "message_id": "",
            "sender": null,
            "deployment": deployment.to_string(),
            "turn": turn.0,
        });
        Self { context: context.to_string(), state: StateBuffer::new(state) }
    }

    /// The answer to a request: only `context` and `state.get` have one.
    pub fn answer(&mut self, text: &str) -> String {
        let answer = request::operation(text).and_then(|op| match request::parse(&op, text)? {
            Request::Context => Ok(self.context.clone()),
            Request::StateGet { pointer } => self.state.get(&pointer),
            _ => Err(Failure::new("not-allowed", format!("a query may not use '{op}': it reads, and does nothing"))),
        });
        match answer {
            Ok(value) => format!("{{\"ok\":{value}}}"),
            Err(failure) => failure.to_answer(),
        }
    }
}

#[cfg(test)]
mod tests {
    use loom_types::Codec;

    use super::*;

    #[test]
    fn a_query_reads_and_does_nothing() {
        let address = "default/loan/17".parse().unwrap();
        let deployment = Cid::of(Codec::DagCbor, b"d");
        let mut query = Query::new(&address, TurnNumber(3), deployment, Some(r#"{"n":1}"#.into()));
        assert_eq!(query.answer(r#"{"op":"state.get"}"#), r#"{"ok":{"n":1}}"#);
        assert_eq!(query.answer(r#"{"op":"state.get","pointer":"/n"}"#), r#"{"ok":1}"#);
        let context = query.answer(r#"{"op":"context"}"#);
        assert!(context.contains(r#""key":"17""#) && context.contains(r#""turn":3"#), "{context}");
        for (request, kind) in [
            (r#"{"op":"state.set","value":2}"#, "not-allowed"),
            (r#"{"op":"now"}"#, "not-allowed"),
            (r#"{"op":"log","level":"info","message":"m"}"#, "not-allowed"),
            (r#"{"op":"activity","name":"a","input":1}"#, "not-allowed"),
            (r#"{"op":"send","to":"a/b","body":1}"#, "not-allowed"),
            (r#"{"op":"blob.put","text":"x"}"#, "not-allowed"),
            (r#"{"op":"http","method":"GET","url":"https://a.b"}"#, "not-granted"),
            (r#"{"op":"teleport"}"#, "unknown-op"),
            ("nonsense", "invalid-request"),
        ] {
            let answer = query.answer(request);
            assert!(answer.contains(&format!(r#""kind":"{kind}""#)), "{request}: {answer}");
        }
        assert_eq!(query.answer(r#"{"op":"state.get"}"#), r#"{"ok":{"n":1}}"#);
    }
}
