//! What all doubles share: the record of what happened, quotas, and the answers that tokens choose.
//!
//! - [`books`], [`ledger`] and [`report`] say what happened;
//! - [`quota`] counts per minute, [`script`] reads what a device's token asks for.

pub mod books;
pub mod ledger;
pub mod quota;
pub mod report;
pub mod script;
