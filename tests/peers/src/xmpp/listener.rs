//! Starts a double: every connection gets a session of its own.
//!
//! The command line and tests call [`serve`]; the [`Handle`] is how they reach the double afterwards.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::double::listener::{self, Listening, Place, Secured, ServeError};
use crate::tls::Clients;
use crate::xmpp::connection;
use crate::xmpp::hub::{Hub, Line};
use crate::xmpp::knobs::Knobs;
use crate::xmpp::login::Account;
use crate::xmpp::session::{Session, Setup};

/// What a double is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens.
    pub place: Place,
    /// The accepted account.
    pub account: Account,
    /// Seed of everything random.
    pub seed: u64,
    /// The behaviour.
    pub knobs: Knobs,
}

/// A running double.
pub type Handle = listener::Handle<Hub>;

/// Starts a double on the current runtime.
///
/// # Errors
/// [`ServeError`] when an address cannot be bound or there is no certificate.
pub async fn serve(config: Config) -> Result<Handle, ServeError> {
    let listening = Listening::open(&config.place, &[], Clients::Anonymous).await?;
    let hub = Arc::new(Hub::new(config.knobs));
    let (account, seed) = (config.account, config.seed);
    Ok(listening.serve(hub, move |hub, secured| welcome(hub, secured, account.clone(), seed)))
}

async fn welcome(hub: Arc<Hub>, secured: Option<(Secured, TcpStream)>, account: Account, seed: u64) {
    // A second handle would keep the socket open behind its end.
    let Some(stream) = secured.map(|(stream, _)| stream) else {
        hub.books.ledger.lock().handshakes_failed += 1;
        return;
    };
    let mut line = hub.open();
    let session = session(&line, &hub, account, seed);
    connection::run(stream, session, &mut line).await;
    hub.close(line.connection);
}

fn session(line: &Line, hub: &Hub, account: Account, seed: u64) -> Session {
    let epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let setup = Setup {
        connection: line.connection,
        account,
        books: Arc::clone(&hub.books),
        knobs: line.knobs.borrow().clone(),
        seed: seed.wrapping_add(line.connection),
        refusal: line.surplus.then_some("resource-constraint"),
        epoch_millis: epoch.as_millis(),
    };
    Session::new(setup, Instant::now().into_std())
}
