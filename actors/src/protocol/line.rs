//! One kind of message to one stage, counted on its way if the stage made the line itself.
//!
//! An actix mailbox does not tell its length, so the sender counts what it puts in and the stage what it takes out: one
//! relaxed addition each per message, whatever the number of events in it. Invariant: a line counts all of its messages
//! or none, so the difference is the number of counted messages that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::{Message, Recipient};

/// How many messages one life of a stage was sent by its peers, and how many of them it handled.
#[derive(Debug, Default)]
pub(crate) struct MailboxGauge {
    sent: AtomicU64,
    handled: AtomicU64,
}

/// A message that its sender counted; the stage counts it off and handles what is in it.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Counted<M>(pub(crate) M);

/// The way of one kind of message to a stage.
pub(super) enum Line<M>
where
    M: Message<Result = ()> + Send + 'static,
{
    /// To whoever listens.
    Plain(Recipient<M>),
    /// To a stage that counts.
    Counted(Recipient<Counted<M>>, Arc<MailboxGauge>),
}

// === impl MailboxGauge ===

impl MailboxGauge {
    /// Returns how many counted messages wait.
    pub(crate) fn len(&self) -> u64 {
        // What was handled was sent before, so this order never shows less than nothing by more than a race.
        let handled = self.handled.load(Ordering::Relaxed);
        self.sent.load(Ordering::Relaxed).saturating_sub(handled)
    }

    /// Notes that the stage took a message; only its own thread does.
    pub(crate) fn took(&self) {
        self.handled.store(self.handled.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

// === impl Line ===

impl<M> Line<M>
where
    M: Message<Result = ()> + Send + 'static,
{
    pub(super) fn connected(&self) -> bool {
        match self {
            Self::Plain(recipient) => recipient.connected(),
            Self::Counted(recipient, _) => recipient.connected(),
        }
    }

    /// Sends `message` if the mailbox is open. A mailbox that closes between the look and the send drops the message;
    /// `Events` survive that by themselves, and for the others the death of the receiver is the news that follows.
    #[expect(
        clippy::disallowed_methods,
        reason = "demand bounds what is sent, and a stage must not block its peer"
    )]
    pub(super) fn send(&self, message: M) -> Result<(), M> {
        if !self.connected() {
            return Err(message);
        }
        match self {
            Self::Plain(recipient) => recipient.do_send(message),
            Self::Counted(recipient, gauge) => {
                gauge.sent.fetch_add(1, Ordering::Relaxed);
                recipient.do_send(Counted(message));
            }
        }
        Ok(())
    }
}

impl<M> Clone for Line<M>
where
    M: Message<Result = ()> + Send + 'static,
{
    fn clone(&self) -> Self {
        match self {
            Self::Plain(recipient) => Self::Plain(recipient.clone()),
            Self::Counted(recipient, gauge) => Self::Counted(recipient.clone(), Arc::clone(gauge)),
        }
    }
}

impl<M> From<Recipient<M>> for Line<M>
where
    M: Message<Result = ()> + Send + 'static,
{
    fn from(recipient: Recipient<M>) -> Self {
        Self::Plain(recipient)
    }
}
