//! The messages of its peers, counted off a producer's mailbox before they are handled like any other.
//!
//! One implementation per message: a generic one would send the compiler round in circles at every `send` of a user.

use actix::{Context, Handler};

use super::{Producer, ProducerLogic};
use crate::protocol::{Ask, Cancel, Counted, Subscribe};

impl<L: ProducerLogic> Handler<Counted<Subscribe<L::Event>>> for Producer<L> {
    type Result = ();

    fn handle(&mut self, Counted(message): Counted<Subscribe<L::Event>>, ctx: &mut Context<Self>) {
        self.mailbox.took();
        Handler::handle(self, message, ctx);
    }
}

impl<L: ProducerLogic> Handler<Counted<Ask>> for Producer<L> {
    type Result = ();

    fn handle(&mut self, Counted(message): Counted<Ask>, ctx: &mut Context<Self>) {
        self.mailbox.took();
        Handler::handle(self, message, ctx);
    }
}

impl<L: ProducerLogic> Handler<Counted<Cancel>> for Producer<L> {
    type Result = ();

    fn handle(&mut self, Counted(message): Counted<Cancel>, ctx: &mut Context<Self>) {
        self.mailbox.took();
        Handler::handle(self, message, ctx);
    }
}
