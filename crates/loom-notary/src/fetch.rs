//! One request and its response, over a connection of their own: to an address that was checked, within time and size.

use std::{io, net::SocketAddr, sync::Arc};

use loom_http::{AddressesError, checked_addresses};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Host;

use crate::{
    FetchError, Outside, Settings,
    limits::{ADDRESSES_MAX, CONNECT_TIMEOUT, FETCH_TIMEOUT, RESPONSE_BYTES_MAX},
    request::Target,
    response::{Progress, Response},
    tls::{Handshake, Recorder, Tls},
};

/// What a server said, and how it showed that it was the server.
pub(crate) struct Fetched {
    /// When the connection began, in seconds since the Unix epoch.
    pub(crate) time: u64,
    pub(crate) handshake: Handshake,
    /// All that was received.
    pub(crate) received: Vec<u8>,
    pub(crate) response: Response,
}

/// Sends the request and reads the response.
pub(crate) async fn fetch(
    tls: &Tls,
    settings: &Settings,
    outside: &Outside,
    target: &Target,
    request: &[u8],
) -> Result<Fetched, FetchError> {
    let addresses = addresses(settings, outside, target).await?;
    let (time, recorder, stream) = connect(tls, outside, target, &addresses).await?;
    let exchange = exchange(stream, request);
    let (received, response) =
        tokio::time::timeout(FETCH_TIMEOUT, exchange).await.map_err(|_| FetchError::Timeout)??;
    if (300..400).contains(&response.status) {
        return Err(FetchError::Redirect { status: response.status });
    }
    let handshake = recorder.handshake().ok_or(FetchError::Unsigned)?;
    Ok(Fetched { time, handshake, received, response })
}

/// The addresses that may be connected to.
async fn addresses(settings: &Settings, outside: &Outside, target: &Target) -> Result<Vec<SocketAddr>, FetchError> {
    let host = Host::Domain(target.host.clone());
    let is_private_host = settings.is_private_host(&target.host, target.port);
    let found = checked_addresses(&*outside.resolver, &host, target.port, is_private_host).await;
    let mut addresses = found.map_err(|error| match error {
        AddressesError::Unresolved(source) => FetchError::Unresolved(source),
        AddressesError::NotPublic => FetchError::NotPublic { host: target.host.clone() },
    })?;
    addresses.truncate(ADDRESSES_MAX);
    Ok(addresses)
}

/// A connection to the first address that takes one. Who is there but cannot be trusted is not tried elsewhere.
async fn connect(
    tls: &Tls,
    outside: &Outside,
    target: &Target,
    addresses: &[SocketAddr],
) -> Result<(u64, Arc<Recorder>, TlsStream<TcpStream>), FetchError> {
    let mut last = FetchError::NoAddress;
    for address in addresses {
        let time = outside.clock.now_seconds();
        let (config, recorder) = tls.connection(time).map_err(FetchError::Tls)?;
        let connecting = async {
            let stream = TcpStream::connect(address).await.map_err(FetchError::Unreachable)?;
            stream.set_nodelay(true).map_err(FetchError::Unreachable)?;
            let name = ServerName::try_from(target.host.clone()).map_err(|_| FetchError::NoName)?;
            TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(handshake_failure)
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(stream)) => return Ok((time, recorder, stream)),
            Ok(Err(error @ FetchError::Unreachable(_))) => last = error,
            Ok(Err(error)) => return Err(error),
            Err(_) => last = FetchError::Timeout,
        }
    }
    Err(last)
}

/// Why there is no TLS session: another version, a certificate, or the network.
fn handshake_failure(error: io::Error) -> FetchError {
    use rustls::{AlertDescription::*, Error};
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match tls {
        Some(Error::InvalidCertificate(_)) => FetchError::Untrusted(error),
        Some(Error::AlertReceived(ProtocolVersion | HandshakeFailure | InsufficientSecurity)) => {
            FetchError::NoTls12(error)
        }
        Some(Error::PeerIncompatible(_)) => FetchError::NoTls12(error),
        Some(other) => FetchError::Tls(other.clone()),
        None => FetchError::Unreachable(error),
    }
}

async fn exchange(mut stream: TlsStream<TcpStream>, request: &[u8]) -> Result<(Vec<u8>, Response), FetchError> {
    stream.write_all(request).await.map_err(FetchError::Unreachable)?;
    stream.flush().await.map_err(FetchError::Unreachable)?;
    let mut received = Vec::new();
    let mut progress = Progress::default();
    loop {
        // A connection that is cut without TLS' own goodbye is an error here, so no end is taken for the end.
        let count = stream.read_buf(&mut received).await.map_err(FetchError::Cut)?;
        if received.len() > RESPONSE_BYTES_MAX {
            return Err(FetchError::TooLarge);
        }
        match progress.advance(&received, count == 0) {
            Err(problem) => return Err(FetchError::Response { problem }),
            Ok(Some(response)) => {
                // What the server thinks of the goodbye changes nothing any more.
                let _ = stream.shutdown().await;
                return Ok((received, response));
            }
            Ok(None) if count == 0 => return Err(FetchError::Response { problem: "it ends early" }),
            Ok(None) => {}
        }
    }
}
