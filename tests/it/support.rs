//! What the end-to-end tests stand on: the programs as processes, an HTTP client, waiting, and the balance of the books.

pub mod agreement;
pub mod config;
pub mod gateway;
pub mod http;
pub mod load;
pub mod peer;
pub mod process;
pub mod proxy;
pub mod sampler;
pub mod server;
pub mod sink;
pub mod snapshot;
pub mod wait;

pub use config::Config;
pub use load::{Load, batch, push};
pub use peer::Peer;
pub use snapshot::Snapshot;
pub use wait::eventually;
