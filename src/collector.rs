//! To be written.

/// What goes when the buffer is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// The oldest push of the lowest lane goes (GenStage's `:last`).
    #[default]
    Newest,
    /// The arriving push is refused (GenStage's `:first`).
    Oldest,
}

/// `[collector]`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Pushes the buffer holds.
    pub buffer: u64,
    /// Bytes the buffer holds, overhead included.
    pub buffer_bytes: u64,
    /// What goes when it is full.
    pub keep: Keep,
    /// Batches that may wait between the HTTP threads and the collector.
    pub intake: usize,
}
