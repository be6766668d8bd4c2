//! Where consumers find a producer that may be restarted behind their back.
//!
//! The producer publishes its link when it starts; consumers read it whenever they subscribe, so a restarted producer
//! is found again. One shared cell, touched per subscription and never per event.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::ProducerLink;

/// A place for the current link to one producer. Cheap to clone; all clones are the same place.
pub struct Port<E: Send + 'static> {
    current: Arc<Mutex<Option<ProducerLink<E>>>>,
}

// === impl Port ===

impl<E: Send + 'static> Port<E> {
    /// Creates a place where no producer is yet.
    pub fn new() -> Self {
        Self { current: Arc::default() }
    }

    /// Makes `link` the current one.
    pub fn publish(&self, link: ProducerLink<E>) {
        *self.current.lock() = Some(link);
    }

    /// Returns the link to the producer, or `None` if there is none or its mailbox is closed.
    pub fn current(&self) -> Option<ProducerLink<E>> {
        let mut current = self.current.lock();
        if current.as_ref().is_some_and(|link| !link.is_connected()) {
            *current = None;
        }
        current.clone()
    }
}

impl<E: Send + 'static> Default for Port<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Send + 'static> Clone for Port<E> {
    fn clone(&self) -> Self {
        Self { current: Arc::clone(&self.current) }
    }
}

impl<E: Send + 'static> From<ProducerLink<E>> for Port<E> {
    fn from(link: ProducerLink<E>) -> Self {
        let port = Self::new();
        port.publish(link);
        port
    }
}

impl<E: Send + 'static> fmt::Debug for Port<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Port").field("current", &*self.current.lock()).finish()
    }
}
