//! Counts of what stands beside the pushes' way: results, the webhook, reloads, log and traces. Pure data.

use serde::Serialize;

/// Results for senders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ResultCounts {
    /// Results ever recorded.
    pub recorded: u64,
    /// Results that are held.
    pub held: u64,
    /// Results that were overwritten before anybody had them.
    pub dropped: u64,
    /// Pushes that requests wait for.
    pub awaited: u64,
    /// Readers that wait for the next result.
    pub readers: u64,
}

/// Reloads by SIGHUP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ReloadCounts {
    /// Those that took effect.
    pub done: u64,
    /// Those that changed nothing, since the configuration was bad.
    pub refused: u64,
}

/// The webhook.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct WebhookState {
    /// The receiver; none if there is no webhook.
    pub peer: Option<String>,
    /// Results that it took.
    pub sent: u64,
    /// Posts that failed.
    pub failures: u64,
    /// Results that were overwritten or given up before it took them.
    pub lost: u64,
    /// Results that wait for it.
    pub pending: u64,
    /// What went wrong last; none after a success.
    pub last_error: Option<String>,
}

/// The log and the traces.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct TelemetryState {
    /// The log's filter.
    pub log: String,
    /// Log lines that were left out because their like had been written often enough.
    pub log_lines_suppressed: u64,
    /// Traces.
    pub traces: TraceState,
}

/// Traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct TraceState {
    /// Whether there is a receiver.
    pub is_on: bool,
    /// Pushes that an operator wants to have traced still.
    pub wanted: u32,
    /// Spans that the receiver took.
    pub exported: u64,
    /// Spans that were dropped.
    pub dropped: u64,
    /// Spans that wait.
    pub queued: u64,
}
