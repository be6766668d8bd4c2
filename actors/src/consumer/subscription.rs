//! What a consumer wants from a producer, and what it does when it loses it.

use crate::backoff::Backoff;
use crate::demand::DemandRange;
use crate::protocol::{CancelReason, Port};

/// What the end of a subscription means for its consumer (`reference/genstage.md` 1.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CancelMode {
    /// The consumer stops, whatever the reason.
    #[default]
    Permanent,
    /// The consumer stops unless the end was orderly.
    Transient,
    /// The consumer stays, and subscribes again with back-off unless the end was wanted. In GenStage it stays as well,
    /// but for ever without events.
    Temporary,
}

/// What follows the end of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consequence {
    Stop,
    Stay,
    SubscribeAgain,
}

/// A subscription to be made.
#[derive(Clone, Debug)]
pub struct Subscription<E: Send + 'static> {
    pub(super) port: Port<E>,
    pub(super) partition: u32,
    pub(super) range: DemandRange,
    pub(super) mode: CancelMode,
    pub(super) backoff: Backoff,
}

// === impl CancelMode ===

impl CancelMode {
    /// Decides what follows an end for `reason`, which the consumer itself may have asked for.
    pub(super) fn after(self, reason: &CancelReason, wanted: bool) -> Consequence {
        match self {
            Self::Permanent => Consequence::Stop,
            Self::Transient if reason.is_orderly() => Consequence::Stay,
            Self::Transient => Consequence::Stop,
            Self::Temporary if wanted => Consequence::Stay,
            Self::Temporary => match reason {
                // The producer has no more to give, or would refuse the same again.
                CancelReason::Normal
                | CancelReason::DuplicatedSubscription
                | CancelReason::UnknownPartition(_) => Consequence::Stay,
                CancelReason::Shutdown
                | CancelReason::UnknownSubscription
                | CancelReason::NoProducer
                | CancelReason::ProducerDown
                | CancelReason::ConsumerDown
                | CancelReason::Failed(_) => Consequence::SubscribeAgain,
            },
        }
    }
}

// === impl Subscription ===

impl<E: Send + 'static> Subscription<E> {
    /// Describes a permanent subscription to partition 0 with GenStage's demand.
    pub fn to(port: impl Into<Port<E>>) -> Self {
        Self {
            port: port.into(),
            partition: 0,
            range: DemandRange::default(),
            mode: CancelMode::default(),
            backoff: Backoff::default(),
        }
    }

    /// Wants the events of one partition.
    pub fn partition(self, partition: u32) -> Self {
        Self { partition, ..self }
    }

    /// Keeps automatic demand within `range`.
    pub fn demand(self, range: DemandRange) -> Self {
        Self { range, ..self }
    }

    /// Sets what the end of the subscription means.
    pub fn mode(self, mode: CancelMode) -> Self {
        Self { mode, ..self }
    }

    /// Sets how long a temporary subscription waits before it is made again.
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permanent_consumers_stop_and_transient_ones_only_after_failures() {
        let failed = CancelReason::Failed("oops".to_owned());
        assert_eq!(CancelMode::Permanent.after(&CancelReason::Normal, true), Consequence::Stop);
        assert_eq!(CancelMode::Transient.after(&CancelReason::Shutdown, false), Consequence::Stay);
        assert_eq!(CancelMode::Transient.after(&failed, true), Consequence::Stop);
    }

    #[test]
    fn temporary_consumers_stay_and_subscribe_again_unless_the_end_was_wanted() {
        let after = |reason, wanted| CancelMode::Temporary.after(&reason, wanted);
        assert_eq!(after(CancelReason::ProducerDown, false), Consequence::SubscribeAgain);
        assert_eq!(after(CancelReason::Shutdown, false), Consequence::SubscribeAgain);
        assert_eq!(after(CancelReason::ProducerDown, true), Consequence::Stay);
        assert_eq!(after(CancelReason::Normal, false), Consequence::Stay);
        assert_eq!(after(CancelReason::UnknownPartition(3), false), Consequence::Stay);
    }
}
