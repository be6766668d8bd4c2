//! Priority lanes.

use serde::{Deserialize, Serialize};

/// How urgent a push is; the order is the order of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Never waits behind anything else (calls, security alerts).
    Critical,
    /// Somebody is waiting for it (direct messages).
    High,
    /// The default.
    #[default]
    Normal,
    /// Campaigns; shed first.
    Low,
}

// === impl Lane ===

impl Lane {
    /// All lanes, most urgent first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Normal, Self::Low];

    /// Returns its position in [`Lane::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Returns its name as in the JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}
