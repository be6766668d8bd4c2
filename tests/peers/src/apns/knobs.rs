//! The behaviour of this double: what all HTTP/2 doubles have, and the rules for provider tokens.

use std::time::Duration;

use clap::{ArgAction, Args};

use crate::double::knobs::defaults;
use crate::http2::knobs::Knobs as Common;
use crate::units;

/// Everything about the double that may change while it runs.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(mut_arg("max_streams", |arg| arg.default_value("1000")))]
#[command(mut_arg("first_streams", |arg| arg.default_value("1")))]
pub struct Knobs {
    /// What all HTTP/2 doubles have.
    #[command(flatten)]
    pub common: Common,
    /// Age at which provider tokens expire.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = units::duration)]
    pub token_max_age: Duration,
    /// Least time between two provider tokens on a connection.
    #[arg(long, value_name = "TIME", default_value = "20m", value_parser = units::duration)]
    pub token_min_age: Duration,
    /// What 410 says that the device is unregistered since, in milliseconds since 1970.
    #[arg(long, value_name = "MILLIS", default_value = "1700000000000")]
    pub unregistered_at: u64,
    /// Refuse every push with InvalidProviderToken.
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
    fn streams_begin_as_apple_s_and_setting_one_knob_leaves_the_others() {
        let mut knobs = Knobs::default();
        assert_eq!((knobs.common.first_streams, knobs.common.max_streams), (1, 1000));
        update(&mut knobs, [("latency", "5ms"), ("auth_fail", "true")].into_iter()).unwrap();
        assert_eq!((knobs.common.first_streams, knobs.common.max_streams, knobs.auth_fail), (1, 1000, true));
    }
}
