//! What readers do not get to see: the tokens of promises. Whoever has one may settle the promise, which is more than
//! looking. They are left out of an actor's view and of the journal, whose chain does not need values to be checked.
//!
//! A guest that puts a token into its state or a reply shows it to whoever may read that.

use loom_client as wire;

use crate::{access::Role, auth::Caller};

/// Whether somebody may use what they see.
fn may_settle(caller: &Caller) -> bool {
    caller.grants.role_in(&caller.namespace) >= Some(Role::Invoke)
}

/// An actor as the caller may see it.
pub(crate) fn from_actor(caller: &Caller, actor: wire::Actor) -> wire::Actor {
    if may_settle(caller) {
        return actor;
    }
    let mut actor = actor;
    actor.promises.iter_mut().for_each(|promise| promise.token.clear());
    let promised = actor.waiting_on.iter_mut().filter(|step| step.kind == "promise");
    promised.for_each(|step| step.detail.clear());
    actor
}

/// An entry as the caller may see it: the outcome of `promise.create` keeps its CID and loses its value.
pub(crate) fn from_entry(caller: &Caller, entry: wire::Entry) -> wire::Entry {
    let mut entry = entry;
    let creates_promise = entry.body.get("op").is_some_and(|op| op == "promise.create");
    if creates_promise && !may_settle(caller) {
        for payload in entry.payloads.values_mut() {
            *payload = wire::Payload {
                cid: payload.cid.clone(),
                media_type: None,
                json: None,
                base64: None,
                erased: payload.erased,
            };
        }
    }
    entry
}
