//! What operators ask for: controls, dead letters, schedules, the log.

use reqwest::Method;

use super::{Client, ClientError};
use crate::{Accepted, Control, Controlled, DeadLetter, Log, Page, Redelivery, Schedule};

impl Client {
    /// Does something to an actor. Returns when that is durable.
    pub async fn control(&self, actor: &str, control: &Control) -> Result<Controlled, ClientError> {
        self.json(self.request(Method::POST, &format!("/v1/actors/{actor}/control")).json(control)).await
    }

    /// How the node's log stands.
    pub async fn log(&self) -> Result<Log, ClientError> {
        self.json(self.request(Method::GET, "/v1/log")).await
    }

    /// The newest checkpoint of the node's log: a signed note.
    pub async fn log_checkpoint(&self) -> Result<String, ClientError> {
        self.text(self.request(Method::GET, "/v1/log/checkpoint")).await
    }

    /// What active deployments send at certain times.
    pub async fn schedules(&self) -> Result<Vec<Schedule>, ClientError> {
        self.json(self.request(Method::GET, "/v1/schedules")).await
    }

    /// A page of messages that could not be handled, of one actor or of all.
    pub async fn dead_letters(
        &self,
        actor: Option<&str>,
        after: Option<&str>,
    ) -> Result<Page<DeadLetter>, ClientError> {
        let query: Vec<_> = [("actor", actor), ("after", after)]
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| (name, value)))
            .collect();
        self.json(self.request(Method::GET, "/v1/dead-letters").query(&query)).await
    }

    /// Sends a dead letter to its actor again and takes it off the list.
    pub async fn redeliver(&self, id: u64) -> Result<Accepted, ClientError> {
        self.json(self.request(Method::POST, &format!("/v1/dead-letters/{id}")).json(&Redelivery {})).await
    }

    /// Takes a dead letter off the list.
    pub async fn drop_dead_letter(&self, id: u64) -> Result<(), ClientError> {
        self.text(self.request(Method::DELETE, &format!("/v1/dead-letters/{id}"))).await.map(drop)
    }
}
