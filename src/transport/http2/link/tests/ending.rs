//! Sessions that our own side ends: by a good-bye, for want of a credential, or because of what the provider answered.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_session_that_is_to_end_opens_no_more_streams_and_hears_the_last_answer() {
    let mut both = Both::allowing(3).await;
    both.send(1..4);
    both.settle().await;
    assert_eq!(both.asked.len(), 3);
    *both.protocol.ending.borrow_mut() = Some("the key was revoked".into());
    both.answer(0, 200);
    both.settle().await;
    assert!(
        both.told.contains(&SessionEvent::Draining { reason: "the key was revoked".into() }),
        "{:?}",
        both.told
    );
    both.send(4..6);
    both.settle().await;
    assert_eq!(both.verdicts(), [delivered(1), (4, Verdict::NOT_SENT), (5, Verdict::NOT_SENT)]);
    assert_eq!(both.asked.len(), 3);
    both.answer(1, 200);
    both.answer(2, 200);
    both.settle().await;
    assert!(matches!(both.told.last(), Some(SessionEvent::Closed { .. })), "{:?}", both.told);
    assert_eq!(both.verdicts(), [delivered(2), delivered(3)]);
}

#[tokio::test(start_paused = true)]
async fn a_good_bye_closes_in_order_and_is_expected() {
    let mut both = Both::allowing(5).await;
    both.told.clear();
    both.send(0..1);
    both.settle().await;
    both.outbox.finish();
    both.settle().await;
    both.answer(0, 200);
    both.settle().await;
    let closed = both.told.last().cloned();
    assert!(matches!(closed, Some(SessionEvent::Closed { expected: true, .. })), "{closed:?}");
    assert_eq!(both.verdicts(), [delivered(0)]);
    assert_eq!(both.events.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn without_a_credential_nothing_is_sent_and_the_session_ends() {
    let mut both = Both::allowing(5).await;
    both.told.clear();
    both.protocol.has_no_credential.set(true);
    both.send(0..3);
    both.settle().await;
    assert_eq!(both.asked.len(), 0);
    let closed = both.told.last().cloned();
    assert!(matches!(closed, Some(SessionEvent::Closed { .. })), "{closed:?}");
    assert_eq!(both.verdicts().len(), 3);
}
