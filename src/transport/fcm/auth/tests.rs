//! The shared tokens against addresses where nobody answers.

use super::account::fixture;
use super::*;
use crate::transport::http2::Reach;

fn tokens(limit: Duration) -> Arc<Tokens> {
    let account = fixture::account("https://127.0.0.1:1/token");
    let origin = account.token_uri.clone();
    Arc::new(Tokens::new(
        account,
        Endpoint {
            origin,
            ca: None,
            identity: None,
            proxy: None,
            connect_timeout: limit,
            reach: Reach::Anywhere,
        },
    ))
}

#[tokio::test(start_paused = true)]
async fn everybody_who_waits_hears_of_one_failure() {
    let tokens = tokens(Duration::from_secs(5));
    let (one, two) = tokio::join!(Arc::clone(&tokens).get(), Arc::clone(&tokens).get());
    let error = one.unwrap_err();
    assert!(matches!(&error, GrantError::Passing(cause) if cause.contains("127.0.0.1:1")), "{error}");
    assert_eq!(two.unwrap_err(), error);
    // Asking again at once does not knock again.
    let before = Instant::now();
    assert_eq!(Arc::clone(&tokens).get().await.unwrap_err(), error);
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_is_dropped_lets_the_next_one_begin() {
    let tokens = tokens(Duration::from_secs(5));
    let (_, start) = tokens.book.lock().ask(Instant::now());
    assert!(start);
    drop(Renewal { tokens: Arc::clone(&tokens), is_over: false });
    assert!(Arc::clone(&tokens).get().await.is_err(), "somebody has tried again");
}
