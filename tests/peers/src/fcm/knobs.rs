//! The behaviour of this double: what all HTTP/2 doubles have, and quotas and tokens of its own.

use std::time::Duration;

use clap::{ArgAction, Args};

use crate::double::knobs::defaults;
use crate::http2::knobs::Knobs as Common;
use crate::units;

/// Everything about the double that may change while it runs.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct Knobs {
    /// What all HTTP/2 doubles have.
    #[command(flatten)]
    pub common: Common,
    /// Refuse pushes beyond N in a minute with QUOTA_EXCEEDED (0: no limit; the real limit is 600000).
    #[arg(long, value_name = "N", default_value = "0")]
    pub quota: u32,
    /// Time that access tokens are valid.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = units::duration)]
    pub token_lifetime: Duration,
    /// Refuse every request for an access token.
    #[arg(long, value_name = "BOOL", default_value = "false", num_args = 0..=1, default_missing_value = "true",
          action = ArgAction::Set)]
    pub auth_fail: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        defaults()
    }
}

impl AsRef<Common> for Knobs {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::double::knobs::update;

    #[test]
    fn setting_one_knob_leaves_the_others() {
        let mut knobs = Knobs { quota: 7, ..Knobs::default() };
        update(&mut knobs, [("max_streams", "5"), ("nack", "0.5"), ("auth_fail", "true")].into_iter())
            .unwrap();
        assert_eq!((knobs.common.max_streams, knobs.quota, knobs.auth_fail), (5, 7, true));
        assert_eq!(knobs.common.nack.draw(0.4), Some("UNAVAILABLE"));
        assert!(update(&mut knobs, [("window", "5")].into_iter()).is_err());
    }
}
