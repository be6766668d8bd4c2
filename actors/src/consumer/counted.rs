//! The messages of its peers, counted off a consumer's mailbox before they are handled like any other.
//!
//! One implementation per message: a generic one would send the compiler round in circles at every `send` of a user.

use actix::{Context, Handler};

use super::{Consumer, ConsumerLogic};
use crate::protocol::{Cancelled, Counted, Events};

impl<L: ConsumerLogic> Handler<Counted<Events<L::Event>>> for Consumer<L> {
    type Result = ();

    fn handle(&mut self, Counted(message): Counted<Events<L::Event>>, ctx: &mut Context<Self>) {
        self.mailbox.took();
        Handler::handle(self, message, ctx);
    }
}

impl<L: ConsumerLogic> Handler<Counted<Cancelled>> for Consumer<L> {
    type Result = ();

    fn handle(&mut self, Counted(message): Counted<Cancelled>, ctx: &mut Context<Self>) {
        self.mailbox.took();
        Handler::handle(self, message, ctx);
    }
}
