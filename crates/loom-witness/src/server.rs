//! The witness over HTTP. Strangers come here: every size, number and wait is bounded.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Refusal, Witness,
    limits::{
        BODY_TIMEOUT, CONNECTIONS_MAX, HEADER_BYTES_MAX, HEADER_TIMEOUT, HEADERS_MAX, REQUEST_BYTES_MAX,
        SHUTDOWN_GRACE, WRITE_TIMEOUT,
    },
};

/// Pause after a connection could not be accepted: most likely the process has no file descriptors left.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// The routes without a listener. The bounds of connections are those of [`serve`] alone.
pub fn router(witness: Witness) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/healthz", get(async || "ok\n"))
        .route("/", get(about))
        .with_state(witness)
}

/// Serves until told to stop, then finishes requests under way.
pub async fn serve(listener: TcpListener, witness: Witness, stop: CancellationToken) {
    let (connections, drop_all) = (TaskTracker::new(), CancellationToken::new());
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let service = TowerToHyperService::new(router(witness));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let (stream, permit) = accepted;
        let (service, stop, drop_all) = (service.clone(), stop.clone(), drop_all.clone());
        connections.spawn(async move {
            let _permit = permit;
            tokio::select! {
                () = requests(stream, service, stop) => {}
                () = drop_all.cancelled() => {}
            }
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(SHUTDOWN_GRACE, connections.wait()).await.is_err() {
        drop_all.cancel();
        connections.wait().await;
    }
}

/// The next connection, once there is room for one.
async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> (TcpStream, tokio::sync::OwnedSemaphorePermit) {
    let permit = permits.clone().acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn requests(stream: TcpStream, service: TowerToHyperService<Router>, stop: CancellationToken) {
    let _ = stream.set_nodelay(true);
    // Without this, clients that never read an answer would keep their connections for ever.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEADER_BYTES_MAX);
    let connection = protocol.serve_connection(TokioIo::new(Box::pin(stream)), service);
    tokio::pin!(connection);
    let served = tokio::select! {
        served = &mut connection => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended badly");
    }
}

async fn add_checkpoint(State(witness): State<Witness>, body: Body) -> Response {
    let body = match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, REQUEST_BYTES_MAX)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return refused(&Refusal::Malformed("the request is too long or ended early")),
        Err(_) => return (StatusCode::REQUEST_TIMEOUT, "the body took too long\n").into_response(),
    };
    match witness.add_checkpoint(&body).await {
        Ok(line) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], line).into_response(),
        Err(refusal) => {
            if let Refusal::Failed(error) = &refusal {
                tracing::error!(?error, "the witness failed");
            }
            refused(&refusal)
        }
    }
}

fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status()).expect("a status of three digits");
    (status, [(header::CONTENT_TYPE, refusal.media_type())], refusal.body()).into_response()
}

async fn about(State(witness): State<Witness>) -> String {
    let mut text = format!("{}\n\n", witness.public_key());
    for (origin, is_monitored) in witness.logs() {
        let read = if is_monitored { "leaves are read" } else { "leaves are not read" };
        text.push_str(&format!("{origin} ({read})\n"));
    }
    text
}
