//! The bare channel: one thread makes pushes' worth of bytes and hands them over in batches, another drops them and reports back.
//!
//! As many are under way as all windows together allow; both directions are bounded channels of crossbeam, which the gateway's intake uses.

use std::thread;
use std::time::Instant;

use crossbeam_channel::bounded;

use super::{ChannelArgs, Outcome};

/// Hands over until the time is over and everything was reported back.
#[must_use]
pub fn run(args: &ChannelArgs) -> Outcome {
    let flow = args.flow;
    let batch = flow.batch.min(flow.window);
    let most = (flow.window * flow.connections / batch).max(1);
    let (pushes, taken) = bounded::<Vec<Box<[u8]>>>(most);
    let (answers, answered) = bounded::<Vec<Box<[u8]>>>(most);
    let reply = args.sizes.reply;
    let receiver = thread::spawn(move || {
        for pushes in taken {
            let replies = pushes.iter().map(|_| vec![b'a'; reply].into_boxed_slice()).collect();
            if answers.send(replies).is_err() {
                return;
            }
        }
    });
    let start = Instant::now();
    let (mut under_way, mut count) = (0, 0);
    while start.elapsed() < flow.length || under_way > 0 {
        while under_way < most && start.elapsed() < flow.length {
            let made = (0..batch).map(|_| vec![b'a'; args.sizes.request].into_boxed_slice()).collect();
            pushes.send(made).expect("the receiver takes until the sender is gone");
            under_way += 1;
        }
        let replies = answered.recv().expect("the receiver answers until the sender is gone");
        under_way -= 1;
        count += replies.len() as u64;
    }
    let elapsed = start.elapsed();
    drop(pushes);
    receiver.join().expect("the receiver does not panic");
    Outcome::of(count, elapsed)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limit::{Flow, Sizes};

    #[test]
    fn everything_that_was_handed_over_is_reported_back() {
        let sizes = Sizes { request: 425, reply: 286 };
        for (window, batch, connections) in [(100, 100, 8), (10, 100, 1), (7, 3, 1)] {
            let flow = Flow { window, batch, connections, length: Duration::from_millis(5) };
            let outcome = run(&ChannelArgs { sizes, flow });
            assert!(outcome.answered > 0);
            assert_eq!(outcome.answered % batch.min(window) as u64, 0, "{outcome:?}");
        }
    }
}
