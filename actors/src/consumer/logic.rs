//! What a consumer's author writes: what is done with events.

use super::Flow;
use crate::protocol::{CancelReason, SubscriptionId};

/// The part of a consumer that is not the same for all.
///
/// Callbacks tell the stage what to do through [`Flow`]; it is done when the callback has returned. Messages of one's
/// own are added with `impl actix::Handler<MyMessage> for Consumer<MyLogic>` and [`Consumer::update`](super::Consumer::update).
#[expect(unused_variables, reason = "the defaults ignore what they are told, and names belong into the docs")]
pub trait ConsumerLogic: Sized + 'static {
    /// What is consumed.
    type Event: Send + 'static;

    /// Handles events, in order and never none. With automatic demand a large delivery comes in slices, and more is
    /// asked for after each.
    fn handle_events(&mut self, events: Vec<Self::Event>, from: SubscriptionId, flow: &mut Flow);

    /// Hears of a new subscription, also of one made again after its producer was lost, and chooses who asks.
    fn handle_subscribe(&mut self, id: SubscriptionId, flow: &mut Flow) -> DemandMode {
        DemandMode::Automatic
    }

    /// Hears that a subscription has ended. What follows is up to its [`CancelMode`](super::CancelMode).
    fn handle_cancel(&mut self, id: SubscriptionId, reason: &CancelReason, flow: &mut Flow) {}

    /// Runs last when the stage stops in order.
    fn terminate(&mut self, reason: &CancelReason) {}
}

/// Who asks for events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DemandMode {
    /// The stage keeps the subscription's demand within its range.
    #[default]
    Automatic,
    /// The logic, with [`Flow::ask`]; deliveries come unsplit.
    Manual,
}
