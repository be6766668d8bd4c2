//! A push for the unit tests of the stages.

use bytes::Bytes;

use super::{Lane, Push, PushKey, RouteId, SenderId};
use crate::units::Moment;

/// A small push with this number as its key.
pub fn push(number: u128, lane: Lane) -> Push {
    Push {
        key: PushKey::from_u128(number),
        name: None,
        payload: Bytes::from_static(b"\"to\":\"t\""),
        accepted_at: Moment::default(),
        deadline: Moment::NEVER,
        route: RouteId(0),
        sender: SenderId::default(),
        lane,
        collapse: None,
        trace: None,
        attempts: 0,
        maybe_delivered: false,
    }
}
