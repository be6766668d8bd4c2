//! What all connections of a double share: the ledger, the upstream pool and the memory of the scripts.
//!
//! Sessions lock each part for a moment per read, never two at once.

use std::collections::HashSet;

use parking_lot::Mutex;

use crate::double::ledger::{ConnectionRecord, KeyHasher, Ledger, MessageKey};
use crate::double::quota::Quota;
use crate::xmpp::upstream::Pool;

/// The shared records.
#[derive(Debug, Default)]
pub struct Books {
    /// Counters and fates.
    pub ledger: Mutex<Ledger>,
    /// Upstream messages.
    pub pool: Mutex<Pool>,
    /// Message ids that met a script for the first time only.
    pub once: Mutex<HashSet<MessageKey, KeyHasher>>,
    /// Pushes per device and minute.
    pub devices: Mutex<Quota>,
}

impl Books {
    /// Forgets everything but which connections are open and which upstream messages exist.
    pub fn reset(&self) {
        let mut ledger = self.ledger.lock();
        let mut fresh = Ledger::default();
        fresh.connections = std::mem::take(&mut ledger.connections);
        fresh.connections.retain(|_, record| record.open);
        for record in fresh.connections.values_mut() {
            *record = ConnectionRecord { open: true, ..Default::default() };
        }
        *ledger = fresh;
        drop(ledger);
        self.once.lock().clear();
        *self.devices.lock() = Quota::default();
        self.pool.lock().reset_counters();
    }
}
