//! One request on a connection of its own, such as for an access token.
//!
//! The transports' credentials use it. Its future may move between threads, unlike a session.

use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::Request;

use super::{Endpoint, Reply, dial, reply};
use crate::transport::ConnectError;

/// Sends a request and returns its answer; the connection is closed behind it.
///
/// # Errors
/// [`ConnectError`] if there is no answer within `limit`, connecting included.
pub async fn call(
    endpoint: &Endpoint,
    request: Request<()>,
    body: Bytes,
    limit: Duration,
) -> Result<Reply, ConnectError> {
    let peer = dial::peer(&endpoint.origin);
    let work = async {
        let io = dial::connect(endpoint, |_| ()).await?;
        let broken =
            |error: h2::Error| ConnectError::Protocol { peer: peer.clone(), cause: error.to_string() };
        let (requests, connection) =
            Builder::new().enable_push(false).handshake::<_, Bytes>(io).await.map_err(broken)?;
        let exchange = exchange(requests, request, body);
        tokio::pin!(connection, exchange);
        tokio::select! {
            // An answer counts even if the connection ended behind it.
            biased;
            answer = &mut exchange => answer.map_err(broken),
            ended = &mut connection => match ended {
                Err(error) => Err(broken(error)),
                Ok(()) => exchange.await.map_err(broken),
            },
        }
    };
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(ConnectError::Timeout { peer: peer.clone(), limit, stage: "waiting for an answer" })
    })
}

async fn exchange(
    requests: SendRequest<Bytes>,
    request: Request<()>,
    body: Bytes,
) -> Result<Reply, h2::Error> {
    let mut requests = requests.ready().await?;
    let (response, mut stream) = requests.send_request(request, false)?;
    stream.send_data(body, true)?;
    reply::read(response).await
}
