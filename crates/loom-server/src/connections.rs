//! Connections: how many there may be, how long a client may take, and how they end.
//!
//! What is refused here is refused before there is a request, so without a problem's body: 431 for a header that is
//! too large, and a closed connection for a client that takes too long to send one.

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
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{settings::Settings, tls::Tls};

/// Pause after a connection could not be accepted: most likely the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until told to stop; then finishes requests under way, for as long as the settings allow.
pub(crate) async fn run(
    router: Router,
    settings: &Settings,
    tls: Option<Tls>,
    listener: TcpListener,
    stop: CancellationToken,
) {
    let drop_all = CancellationToken::new();
    let connections = TaskTracker::new();
    let permits = Arc::new(Semaphore::new(settings.connections_max));
    let connector = Connector {
        protocol: protocol(settings),
        service: TowerToHyperService::new(router),
        header_timeout: settings.header_timeout,
        write_timeout: settings.write_timeout,
        tls,
        stop: stop.clone(),
    };
    while let Some((stream, permit)) = next(&listener, &permits, &stop).await {
        let (connector, drop_all) = (connector.clone(), drop_all.clone());
        connections.spawn(async move {
            tokio::select! {
                () = connector.serve(stream, permit) => {}
                () = drop_all.cancelled() => {}
            }
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(settings.shutdown_grace, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "closing connections that are still busy");
        drop_all.cancel();
        connections.wait().await;
    }
}

fn protocol(settings: &Settings) -> http1::Builder {
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout)
        .max_headers(settings.headers_max)
        .max_header_size(settings.header_bytes_max);
    protocol
}

/// The next connection, once there is room for one. None when it is time to stop.
async fn next(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let accept = async {
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
    };
    tokio::select! {
        () = stop.cancelled() => None,
        accepted = accept => Some(accepted),
    }
}

/// Turns a stream into requests.
#[derive(Clone)]
struct Connector {
    protocol: http1::Builder,
    service: TowerToHyperService<Router>,
    header_timeout: Duration,
    write_timeout: Duration,
    tls: Option<Tls>,
    stop: CancellationToken,
}

impl Connector {
    async fn serve(self, stream: TcpStream, _permit: OwnedSemaphorePermit) {
        // Answers are written whole; waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        // Without this, clients that never read an answer would keep their connections for ever.
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.write_timeout));
        let stream = Box::pin(stream);
        match self.tls.clone() {
            None => self.requests(stream).await,
            Some(tls) => match tokio::time::timeout(self.header_timeout, tls.0.accept(stream)).await {
                Ok(Ok(stream)) => self.requests(stream).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            },
        }
    }

    async fn requests(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let connection = self.protocol.serve_connection(TokioIo::new(stream), self.service);
        tokio::pin!(connection);
        let served = tokio::select! {
            served = &mut connection => served,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "a connection ended badly");
        }
    }
}
