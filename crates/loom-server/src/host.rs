//! The names a node without tokens answers to.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::{auth::Auth, problem::Problem};

const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Refuses requests that name another host, as long as nobody needs a token. Such a node listens on the loopback
/// interface, where any web page can reach it whose name was made to resolve there; what the page cannot do is call
/// itself `localhost`, nor hide from the node that it is another site. Where tokens are needed the page has none, and the
/// node may be called whatever its certificate says.
pub(crate) async fn only_for_this_machine(State(auth): State<Arc<Auth>>, request: Request, next: Next) -> Response {
    if auth.is_required() {
        return next.run(request).await;
    }
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    let name = host.rsplit_once(':').map_or(host, |(name, port)| if port.ends_with(']') { host } else { name });
    if LOCAL.contains(&name) {
        // A page of another origin can send some requests, though it cannot read what they answer.
        let is_foreign = |site: &HeaderValue| !["same-origin", "none"].iter().any(|own| site == own);
        if request.headers().get("sec-fetch-site").is_some_and(is_foreign) {
            let text = "this node has no tokens and answers to no page of another site";
            return Problem::new("misdirected-host", text).into_response();
        }
        return next.run(request).await;
    }
    let host: String = host.chars().take(80).collect();
    Problem::new("misdirected-host", format!("this node answers to localhost, not to '{host}'")).into_response()
}
