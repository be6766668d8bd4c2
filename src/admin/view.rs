//! A snapshot with what the page needs besides: words, and the end of what is remembered. Pure.

use serde::Serialize;

use super::actions::Backend;
use super::record::Recent;
use super::state::Snapshot;
use super::words;

/// What `/admin/api/state` and the stream serve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct View {
    /// The service at one instant.
    #[serde(flatten)]
    pub(super) snapshot: Snapshot,
    /// Why it is in its state.
    pub(super) why: String,
    /// What the operator can do about it.
    pub(super) advice: String,
    /// What happened before.
    pub(super) recent: Recent,
}

// === impl View ===

impl View {
    /// Returns the service as it is now.
    pub(super) fn of(backend: &dyn Backend) -> Self {
        Self::new(backend.snapshot(), backend.record().recent())
    }

    pub(super) fn new(snapshot: Snapshot, recent: Recent) -> Self {
        let why = words::why(&snapshot, &recent);
        Self { why, advice: words::advice(&snapshot), snapshot, recent }
    }
}
