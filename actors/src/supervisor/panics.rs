//! Keeps the message of the last panic of each thread, because a destructor that runs during a panic cannot ask for it.

use std::{cell::RefCell, panic, sync::Once};

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

static INSTALL: Once = Once::new();

/// Puts a panic hook in front of the one that is installed, once per process.
///
/// A program that replaces the hook afterwards loses the messages, not the exits.
pub(crate) fn install_hook() {
    INSTALL.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let payload = info.payload();
            let message = (payload.downcast_ref::<&str>().copied())
                .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("no message");
            let text = match info.location() {
                Some(place) => format!("{message} at {place}"),
                None => message.to_owned(),
            };
            // The thread may be past the end of its local storage; then the message is lost.
            let _ = LAST.try_with(|last| *last.borrow_mut() = text);
            previous(info);
        }));
    });
}

/// The message of the panic that is unwinding this thread.
pub(crate) fn last_message() -> String {
    let last = LAST.try_with(|last| last.borrow().clone()).unwrap_or_default();
    if last.is_empty() { "no message was kept".to_owned() } else { last }
}
