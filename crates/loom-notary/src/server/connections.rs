//! Connections: in the clear or over TLS, as many as there is room for, and none that waits for ever.

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::limits::{CONNECTIONS_MAX, HEADER_BYTES_MAX, HEADER_TIMEOUT, HEADERS_MAX, SHUTDOWN_GRACE, WRITE_TIMEOUT};

/// Pause after a connection could not be accepted: most likely the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until told to stop, then finishes requests under way.
pub async fn serve(listener: TcpListener, routes: Router, tls: Option<TlsAcceptor>, stop: CancellationToken) {
    let (connections, drop_all) = (TaskTracker::new(), CancellationToken::new());
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let service = TowerToHyperService::new(routes);
    loop {
        let (stream, permit) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let (service, tls, stop, drop_all) = (service.clone(), tls.clone(), stop.clone(), drop_all.clone());
        connections.spawn(async move {
            let _permit = permit;
            tokio::select! {
                () = connection(stream, tls, service, stop) => {}
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

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    service: TowerToHyperService<Router>,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    // Without this, clients that never read an answer would keep their connections for ever.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let stream = Box::pin(stream);
    match tls {
        None => requests(stream, service, stop).await,
        Some(tls) => match tokio::time::timeout(HEADER_TIMEOUT, tls.accept(stream)).await {
            Ok(Ok(stream)) => requests(stream, service, stop).await,
            Ok(Err(error)) => tracing::debug!(%error, "a connection without TLS"),
            Err(_) => tracing::debug!("a connection was too slow for TLS"),
        },
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    service: TowerToHyperService<Router>,
    stop: CancellationToken,
) {
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEADER_BYTES_MAX);
    let connection = protocol.serve_connection(TokioIo::new(stream), service);
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
