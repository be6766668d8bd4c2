//! What goes wrong at the provider's end while pushes flow: connections end, drain, stall or lie, and no push is lost or miscounted.

mod answers;
mod connections;
mod logins;
mod panics;
mod shutdown;
mod storm;
pub mod trial;
