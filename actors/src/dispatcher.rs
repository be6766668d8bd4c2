//! Who gets the next events: books of demand, without actors, events or clocks.
//!
//! A dispatcher knows how many events each subscription has room for and shares out events by count; the owner of the
//! events pulls them out of its own queue. Invariant of all of them: nobody is given more than it asked for, and the
//! demand of a subscription that went away is gone with it.

pub mod demand;
pub mod partition;
