//! The least that could do the same: a bounded tokio channel per consumer, whose room is the window.
//!
//! No demand, no buffer, nothing shed, nobody watched, no events come back. What stages cost beside it is their price.

use actix::{Arbiter, System};
use tokio::sync::mpsc::{self, Receiver, Sender, error::TrySendError};

use crate::Sample;
use crate::discord::{Place, WINDOW};
use crate::rate::{Run, Watch};

/// Sends events round robin and waits until all are taken.
pub fn run<E: Sample>(consumers: usize, place: Place, events: u64) -> Run {
    System::new().block_on(async {
        let (finished, mut all_finished) = mpsc::channel::<u64>(consumers);
        let (senders, receivers): (Vec<Sender<E>>, Vec<Receiver<E>>) =
            (0..consumers).map(|_| mpsc::channel(WINDOW as usize)).unzip();
        let arbiter = (place == Place::TwoArbiters).then(Arbiter::new);
        for receiver in receivers {
            let consume = consume(receiver, finished.clone());
            match &arbiter {
                Some(arbiter) => assert!(arbiter.spawn(consume), "the arbiter lives"),
                None => drop(actix::spawn(consume)),
            }
        }
        let watch = Watch::start();
        for number in 0..events {
            let sender = &senders[(number % consumers as u64) as usize];
            let mut event = E::make(number);
            while let Err(TrySendError::Full(refused)) = sender.try_send(event) {
                event = refused;
                tokio::task::yield_now().await;
            }
        }
        drop(senders);
        for _ in 0..consumers {
            all_finished.recv().await.expect("every consumer finishes");
        }
        watch.stop(events)
    })
}

async fn consume<E: Sample>(mut events: Receiver<E>, finished: Sender<u64>) {
    let (mut sum, mut batch) = (0_u64, Vec::new());
    while events.recv_many(&mut batch, WINDOW as usize).await > 0 {
        sum += batch.drain(..).map(|event| event.number()).sum::<u64>();
    }
    // The measurement may be over for another reason.
    let _ = finished.send(sum).await;
}
