//! Who is traced, what it costs those who are not, and that the queue stays within its bound.

use super::*;
use crate::push::PushKey;
use crate::push::trace::Ending;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
const SPAN: u64 = 0x00f0_67aa_0ba9_02b7;

/// A request's head with these headers.
#[derive(Default)]
struct FakeHead {
    parent: Option<String>,
    state: Option<String>,
}

// === impl FakeHead ===

impl FakeHead {
    fn with(parent: &str) -> Self {
        Self { parent: Some(parent.to_owned()), state: Some("a=1".to_owned()) }
    }
}

impl Head for FakeHead {
    fn parent(&self) -> Option<&[u8]> {
        self.parent.as_deref().map(str::as_bytes)
    }

    fn state(&self) -> Option<String> {
        self.state.clone()
    }
}

fn settings(sample: f64) -> Settings {
    Settings {
        endpoint: Some("http://127.0.0.1:1/".to_owned()),
        sample,
        pushes_per_request: 10.0,
        callers: 50,
        queue: 64,
        service_name: "test".to_owned(),
    }
}

fn tracer(sample: f64) -> Arc<Tracer> {
    Arc::new(Tracer::new(settings(sample)))
}

fn second(number: u64) -> Moment {
    Moment::from_micros(number * 1_000_000)
}

#[test]
fn a_sender_that_records_is_followed_and_its_state_passed_on() {
    let call = tracer(0.0).begin(&FakeHead::with(PARENT), second(1)).expect("it is traced");
    assert_eq!((call.name.trace, call.parent, call.link), (TRACE, Some(SPAN), None));
    assert_eq!(call.state.as_deref(), Some("a=1"));
    assert_eq!(w3c::parse(call.response().as_bytes()).map(|parent| parent.name), Some(call.name));
}

#[test]
fn a_sender_that_does_not_record_is_not_overruled_by_chance() {
    let unsampled = PARENT.replace("-01", "-00");
    assert!(tracer(1.0).begin(&FakeHead::with(&unsampled), second(1)).is_none());
    assert!(
        tracer(1.0).begin(&FakeHead::with("00-bad-01"), second(1)).is_some(),
        "what is no header is absent"
    );
}

#[test]
fn senders_above_the_limit_are_traced_by_chance_with_a_link() {
    let (never, always) = (tracer(0.0), tracer(1.0));
    let follow = |tracer: &Arc<Tracer>| tracer.begin(&FakeHead::with(PARENT), second(1));
    for tracer in [&never, &always] {
        let followed = (0..50).filter_map(|_| follow(tracer)).filter(|call| call.name.trace == TRACE).count();
        assert_eq!(followed, 50);
    }
    assert!(follow(&never).is_none());
    let own = follow(&always).expect("it is drawn");
    assert_ne!(own.name.trace, TRACE);
    assert_eq!((own.parent, own.link), (None, Some(SpanName { trace: TRACE, span: SPAN })));
    assert_eq!(own.state, None);
    assert!(never.begin(&FakeHead::with(PARENT), second(3)).is_some(), "a second later there is room");
}

#[test]
fn tr_4_requests_are_drawn_at_their_share_within_binomial_bounds() {
    fastrand::seed(11);
    let tracer = tracer(0.01);
    let drawn = (0..200_000).filter(|_| tracer.begin(&FakeHead::default(), second(1)).is_some()).count();
    let spread = 3.3 * (200_000.0_f64 * 0.01 * 0.99).sqrt();
    assert!((drawn as f64 - 2_000.0).abs() <= spread, "{drawn}");
    for (fanout, expected) in [(1_usize, 1.0), (10, 10.0), (100, 10.0), (10_000, 10.0)] {
        let call = tracer.begin(&FakeHead::with(PARENT), second(2)).expect("it is followed");
        let requests = 40;
        let kept: usize = (0..requests)
            .map(|_| {
                let roots = call.roots(fanout, 0);
                (0..fanout).filter(|_| roots.draw("android", second(2)).is_some()).count()
            })
            .sum();
        let (all, wanted) = ((requests * fanout) as f64, expected * f64::from(requests as u32));
        let spread = 3.3 * (wanted * (1.0 - wanted / all)).sqrt();
        assert!((kept as f64 - wanted).abs() <= spread, "{kept} of {all}, {wanted} wanted");
    }
}

#[test]
fn tr_5_with_a_share_of_nothing_and_no_headers_nothing_is_begun() {
    let tracer = tracer(0.0);
    assert!((0..100_000).all(|_| tracer.begin(&FakeHead::default(), second(1)).is_none()));
    assert_eq!(tracer.counts(), Counts::default());
}

#[test]
fn tr_3_a_request_that_is_not_traced_allocates_nothing() {
    assert_eq!(size_of::<Option<Box<Trace>>>(), size_of::<usize>());
    let tracer = tracer(0.0);
    let heads = [FakeHead::default(), FakeHead::with(&PARENT.replace("-01", "-00"))];
    let allocated = allocation_counter::measure(|| {
        for _ in 0..500_000 {
            assert!(heads.iter().all(|head| tracer.begin(head, second(1)).is_none()));
        }
    });
    assert_eq!(allocated.count_total, 0);
}

#[test]
fn tr_9_shares_and_switch_change_at_run_time() {
    let tracer = tracer(0.0);
    let begins = || tracer.begin(&FakeHead::default(), second(1)).is_some();
    assert!(!begins());
    tracer.follow(settings(1.0));
    assert!(begins());
    tracer.follow(Settings { endpoint: None, ..settings(1.0) });
    assert!(!begins() && !tracer.want(3), "without a receiver there is nobody to trace for");
    tracer.follow(settings(0.0));
    assert!(tracer.want(3) && begins());
}

#[test]
fn tr_9_the_operators_pushes_are_traced_one_by_one() {
    let tracer = tracer(0.0);
    assert!(tracer.want(3));
    let call = tracer.begin(&FakeHead::default(), second(1)).expect("pushes are wanted");
    let roots = call.roots(100, 7);
    assert_eq!((0..100).filter(|_| roots.draw("android", second(1)).is_some()).count(), 3);
    assert!(tracer.begin(&FakeHead::default(), second(1)).is_none());
    assert_eq!(tracer.counts().wanted, 0);
}

#[test]
fn tr_7_the_queue_keeps_its_bound_and_counts_what_it_has_no_room_for() {
    let tracer = tracer(1.0);
    for _ in 0..100 {
        let call = tracer.begin(&FakeHead::default(), second(1)).expect("all are traced");
        call.end(second(2), 202, (1, 1));
    }
    assert_eq!(tracer.counts(), Counts { exported: 0, dropped: 36, queued: 64, wanted: 0 });
    assert_eq!(tracer.take_all().len(), 64);
    tracer.count(60, 4);
    assert_eq!(tracer.counts(), Counts { exported: 60, dropped: 40, queued: 0, wanted: 0 });
}

#[test]
fn a_piece_becomes_as_many_spans_as_it_says() {
    let tracer = tracer(1.0);
    let call = tracer.begin(&FakeHead::default(), second(1)).expect("all are traced");
    let mut trace = call.roots(1, 0).draw("android", second(1)).expect("one of one is kept");
    let (key, ending) =
        (PushKey::from_u128(1), Ending { at: second(4), word: "retry", code: None, is_good: false });
    trace.dispatched(second(2));
    let carrier = trace::Carrier { peer: "p:1".into(), transport: "xmpp", pusher: 0, in_flight: 1 };
    trace.begun(second(3), carrier);
    trace.attempt_ended(key, ending.clone(), true);
    trace.ended(key, second(1), Ending { at: second(9), word: "expired", ..ending }, second(9));
    call.end(second(2), 202, (1, 1));
    let pieces = tracer.take_all();
    let mut writer = spans::Writer::new(spans::Anchor::now(crate::units::Clock::start()));
    writer.add_all(&pieces);
    let spans = writer.finish();
    assert_eq!(spans.len(), pieces.iter().map(Piece::spans).sum::<usize>());
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_ref()).collect();
    let waited = ["queue wait", "settle push", "push android", "POST /v1/pushes"];
    assert_eq!(names[..4], ["queue wait", "window wait", "send p:1", "await ack"]);
    assert_eq!(names[4..], waited, "the wait for the attempt that never came is there too");
}
