//! One GET over a connection of its own.

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

use crate::load::response;

const PATIENCE: Duration = Duration::from_secs(5);

/// Returns the JSON at `http://ADDRESS/PATH`.
///
/// # Errors
/// Nobody listens, no answer within five seconds, or no JSON.
pub async fn json(address: &str, path: &str) -> anyhow::Result<Value> {
    timeout(PATIENCE, get(address, path))
        .await
        .with_context(|| format!("get http://{address}{path}: no answer in {PATIENCE:?}"))?
        .with_context(|| format!("get http://{address}{path} (hint: is it running there?)"))
}

async fn get(address: &str, path: &str) -> anyhow::Result<Value> {
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes())
        .await?;
    let mut received = Vec::new();
    loop {
        let count = stream.read_buf(&mut received).await?;
        if let Some(response) = response::take(&mut received)? {
            if response.status != 200 {
                bail!("status {}", response.status);
            }
            return Ok(serde_json::from_slice(&response.body)?);
        }
        if count == 0 {
            bail!("the answer broke off");
        }
    }
}
