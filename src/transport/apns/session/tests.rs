//! What a request looks like, and what the session does about answers, without a connection.

use bytes::Bytes;
use futures_util::task::noop_waker;
use http::{HeaderMap, StatusCode};

use super::super::auth::key::fixture;
use super::*;
use crate::push::Lane;
use crate::transport::tls::Identity;

const HOLD: Duration = Duration::from_secs(60);

fn common(tokens: Option<Arc<Tokens>>) -> Arc<Common> {
    Arc::new(Common {
        authority: Authority::from_static("push.example:2197"),
        tokens,
        gate: Mutex::new(Gate::new(HOLD)),
        hold: HOLD,
        retry_min: Duration::from_secs(1),
    })
}

fn with_key() -> Apns {
    Apns::new(common(Some(Tokens::of(&fixture::key()))))
}

fn ready(apns: &Apns) {
    let waker = noop_waker();
    assert_eq!(apns.poll_ready(&mut Context::from_waker(&waker)), Poll::Ready(Ok(())));
}

fn answer(apns: &Apns, stamp: Stamp, status: u16, body: &str) -> Judgement {
    let status = StatusCode::from_u16(status).unwrap();
    let reply = Reply { status, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body.as_bytes()) };
    apns.judge(stamp, &reply, SystemTime::now())
}

fn reason(word: &str) -> String {
    format!("{{\"reason\":\"{word}\"}}")
}

#[test]
fn a_push_is_sent_to_this_authority_with_the_provider_token() {
    let apns = with_key();
    let Letter { mut head, .. } =
        apns.write(&crate::push::fixture::push(0x17, Lane::High), Duration::from_secs(30));
    ready(&apns);
    assert_eq!(apns.authorize(&mut head), Stamp(1));
    assert_eq!(head.uri().authority().unwrap(), "push.example:2197");
    let token = head.headers()["authorization"].to_str().unwrap();
    assert!(token.starts_with("bearer eyJ"));
}

#[test]
fn refused_credentials_end_the_session_and_shut_the_gate_without_harm_to_the_push() {
    let apns = with_key();
    assert_eq!(apns.ending(), None);
    for _ in 0..3 {
        let judgement = answer(&apns, Stamp(1), 403, &reason("InvalidProviderToken"));
        let Verdict::Limited { after, scope: Scope::Setup, .. } = judgement.verdict else {
            panic!("{judgement:?}")
        };
        assert_eq!(after, HOLD);
    }
    assert!(apns.ending().unwrap().contains("InvalidProviderToken"));
    let gate = &apns.common.gate;
    assert!(gate.lock().enter(Instant::now()).unwrap_err().contains("hint"));
    let second = Apns::new(Arc::clone(&apns.common));
    answer(&second, Stamp(1), 200, "");
    assert_eq!(gate.lock().enter(Instant::now()), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_replaced_if_it_is_old_and_blamed_on_the_clock_if_it_is_not() {
    let apns = with_key();
    ready(&apns);
    tokio::time::advance(Duration::from_secs(21 * 60)).await;
    let expired = reason("ExpiredProviderToken");
    assert_eq!(answer(&apns, Stamp(1), 403, &expired), Judgement::of(Verdict::CREDENTIALS_REPLACED));
    assert_eq!(apns.ending(), None);
    ready(&apns);
    let mut head = Request::new(());
    assert_eq!(apns.authorize(&mut head), Stamp(2));
    assert_eq!(
        answer(&apns, Stamp(1), 403, &expired),
        Judgement::of(Verdict::CREDENTIALS_REPLACED),
        "an old request"
    );
    answer(&apns, Stamp(2), 403, &expired);
    assert!(apns.ending().unwrap().contains("clock"));
}

#[tokio::test(start_paused = true)]
async fn all_sessions_of_a_key_renew_the_token_together_after_fifty_minutes() {
    let key = fixture::key();
    let (first, second) =
        (Apns::new(common(Some(Tokens::of(&key)))), Apns::new(common(Some(Tokens::of(&key)))));
    let stamp = |apns: &Apns| {
        ready(apns);
        apns.authorize(&mut Request::new(()))
    };
    assert_eq!((stamp(&first), stamp(&second)), (Stamp(1), Stamp(1)));
    tokio::time::advance(Duration::from_secs(49 * 60)).await;
    assert_eq!((stamp(&first), stamp(&second)), (Stamp(1), Stamp(1)));
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!((stamp(&first), stamp(&second)), (Stamp(2), Stamp(2)));
}

#[test]
fn answers_about_the_connection_end_it_and_cost_the_push_nothing() {
    for (status, word) in [(400, "IdleTimeout"), (403, "UnrelatedKeyIdInToken"), (503, "Shutdown")] {
        let apns = with_key();
        assert_eq!(answer(&apns, Stamp(1), status, &reason(word)), Judgement::of(Verdict::Elsewhere(word)));
        assert!(apns.ending().unwrap().contains(word));
        assert_eq!(apns.common.gate.lock().enter(Instant::now()), Ok(()));
    }
}

#[test]
fn a_few_bad_tokens_are_dead_and_a_flood_of_them_is_a_wrong_environment() {
    let apns = with_key();
    let bad = || answer(&apns, Stamp(1), 400, &reason("BadDeviceToken")).verdict;
    assert!(matches!(bad(), Verdict::Unregistered(_)));
    (0..100).for_each(|_| drop(bad()));
    let Verdict::Rejected(answer) = bad() else { panic!("believed") };
    assert!(answer.detail.contains("environment"));
}

#[test]
fn a_certificate_needs_no_token() {
    let pair = rcgen::KeyPair::generate().unwrap();
    let pem = rcgen::CertificateParams::new(vec!["a".into()]).unwrap().self_signed(&pair).unwrap().pem();
    assert!(Identity::read(format!("{pem}{}", pair.serialize_pem()).as_bytes(), "").is_ok());
    let apns = Apns::new(common(None));
    ready(&apns);
    let mut head = Request::new(());
    assert_eq!((apns.authorize(&mut head), head.headers().len()), (Stamp::default(), 0));
}
