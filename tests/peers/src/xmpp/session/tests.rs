//! A whole session without a socket: pushes in, answers out, violations noticed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::double::report::Report;
use crate::xmpp::knobs::Order;

mod benchmark;
mod upstream;

const HEADER: &str = "<stream:stream to='gcm.googleapis.com' version='1.0' xmlns='jabber:client' \
                      xmlns:stream='http://etherx.jabber.org/streams'>";

/// A session after login, and a clock.
struct Rig {
    session: Session,
    books: Arc<Books>,
    now: Instant,
}

impl Rig {
    fn new(knobs: &[(&str, &str)]) -> Self {
        Self::on(&Arc::default(), 1, knobs)
    }

    fn on(books: &Arc<Books>, connection: u64, knobs: &[(&str, &str)]) -> Self {
        let mut rig = Self::before_login(books, connection, knobs);
        let login = STANDARD.encode("\x007@gcm.googleapis.com\0key");
        rig.send(&format!(
            "{HEADER}<auth mechanism='PLAIN' xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{login}</auth>{HEADER}\
             <iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
        ));
        assert!(rig.session.core.is_bound());
        rig
    }

    fn before_login(books: &Arc<Books>, connection: u64, pairs: &[(&str, &str)]) -> Self {
        let mut knobs = Knobs::default();
        knobs.set([("whitespace", "0")].into_iter()).unwrap();
        knobs.set(pairs.iter().copied()).unwrap();
        let setup = Setup {
            connection,
            account: Account { sender_id: "7".to_owned(), server_key: "key".to_owned() },
            books: Arc::clone(books),
            knobs: Arc::new(knobs),
            seed: 1,
            refusal: None,
            epoch_millis: 1_700_000_000_000,
        };
        let now = Instant::now();
        Self { session: Session::new(setup, now), books: Arc::clone(books), now }
    }

    /// Sends text and returns what comes back at once.
    fn send(&mut self, text: &str) -> String {
        self.session.input().extend_from_slice(text.as_bytes());
        self.session.received(self.now);
        self.output()
    }

    fn push(&mut self, id: &str, token: &str) -> String {
        self.send(&push(id, token, ""))
    }

    /// Lets time pass and returns what comes.
    fn after(&mut self, millis: u64) -> String {
        self.now += Duration::from_millis(millis);
        self.session.tick(self.now);
        self.output()
    }

    fn output(&mut self) -> String {
        let mut text = Vec::new();
        while !self.session.output().is_empty() {
            let chunk = self.session.output().chunk().to_vec();
            self.session.output().advance(chunk.len());
            text.extend_from_slice(&chunk);
        }
        String::from_utf8(text).unwrap()
    }

    fn report(&mut self) -> Report {
        self.session.report();
        Report::of(&self.books)
    }

    /// Returns the violations as `kind=count` words.
    fn violations(&mut self) -> Vec<String> {
        self.report().violations.by_kind.iter().map(|(kind, count)| format!("{kind}={count}")).collect()
    }
}

fn push(id: &str, token: &str, extra: &str) -> String {
    format!(
        "<message id=\"{id}\"><gcm xmlns=\"google:mobile:data\">{{\"to\":\"{token}\",\"message_id\":\"{id}\"{extra}}}\
         </gcm></message>"
    )
}

/// Returns the ids of the acks in `text`, in order.
fn acks(text: &str) -> Vec<&str> {
    let ends = text.split("\"message_id\":\"").skip(1);
    ends.filter_map(|rest| rest.split_once("\",\"message_type\":\"ack\"").map(|(id, _)| id)).collect()
}

#[test]
fn acks_come_after_the_latency_and_in_order() {
    let mut rig = Rig::new(&[("latency", "20ms"), ("jitter", "15ms")]);
    for n in 0..50 {
        assert_eq!(rig.push(&format!("m{n}"), "d"), "");
    }
    assert_eq!(rig.after(19), "");
    let text = rig.after(1) + &rig.after(16);
    let expected: Vec<String> = (0..50).map(|n| format!("m{n}")).collect();
    assert_eq!(acks(&text), expected);
    assert_eq!(rig.session.next_deadline(), None);
}

#[test]
fn shuffled_acks_all_come_but_not_in_order() {
    let mut rig = Rig::new(&[("order", "shuffled")]);
    assert_eq!(rig.session.core.knobs.order, Order::Shuffled);
    let batch: String = (10..60).map(|n| push(&n.to_string(), "d", "")).collect();
    let text = rig.send(&batch);
    let mut ids = acks(&text);
    assert!(!ids.is_sorted());
    ids.sort_unstable();
    assert_eq!(ids, (10..60).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn the_push_beyond_the_window_is_a_violation_and_the_one_at_its_edge_is_not() {
    let mut rig = Rig::new(&[("latency", "1s")]);
    for n in 0..100 {
        rig.push(&format!("m{n}"), "d");
    }
    assert_eq!((rig.report().highest_unacked, rig.violations()), (100, vec![]));
    rig.push("one more", "d");
    assert_eq!((rig.report().highest_unacked, rig.violations()), (101, vec!["over_window=1".to_owned()]));
    assert_eq!(acks(&rig.after(1000)).len(), 101);
}

#[test]
fn the_window_s_policy_is_followed() {
    let over = |policy| {
        let mut rig = Rig::new(&[("latency", "1s"), ("window", "1"), ("over_window", policy)]);
        rig.push("a", "d");
        let now = rig.push("b", "d");
        let later = rig.after(1000);
        (rig, now + &later)
    };
    assert!(over("nack").1.contains("\"error\":\"SERVICE_UNAVAILABLE\""));
    let (rig, text) = over("close");
    assert!(text.contains("policy-violation"));
    assert_eq!(rig.session.ending(), Some(CloseStyle::StreamError));
    let (mut rig, text) = over("stall");
    assert_eq!((text.as_str(), rig.session.wants_input()), ("", false));
    rig.session.command(Command::Unstall, rig.now);
    assert_eq!(acks(&rig.output()), ["a"]);
}

#[test]
fn a_message_id_in_flight_must_not_come_again_but_may_afterwards() {
    let mut rig = Rig::new(&[("latency", "10ms")]);
    rig.push("a", "d");
    rig.push("a", "d");
    assert!(rig.after(10).contains("Duplicate message_id"));
    rig.push("a", "d");
    assert_eq!(acks(&rig.after(10)), ["a"]);
    let report = rig.report();
    assert_eq!(
        (report.messages, report.duplicates, report.unique, report.delivered_duplicates),
        (3, 2, 1, 1)
    );
    assert_eq!(rig.violations(), ["reused_in_flight=1"]);
}

#[test]
fn a_bad_payload_is_nacked_as_invalid_json() {
    let mut rig = Rig::new(&[]);
    let text = rig.send(&push("a", "d", ",\"time_to_live\":\"5\""));
    assert!(text.contains("\"error\":\"INVALID_JSON\"") && text.contains("time_to_live"));
    let text = rig.send("<message id='s1'><gcm xmlns='google:mobile:data'>{\"to\":\"d\"}</gcm></message>");
    assert!(text.contains("id=\"s1\" type=\"error\"") && text.contains("Missing Required Field: message_id"));
    assert_eq!(rig.violations(), ["bad_payload=2"]);
    assert_eq!((rig.report().nacks.total, rig.report().stanza_errors, rig.report().unique), (1, 1, 0));
}

#[test]
fn markup_that_is_not_escaped_ends_the_stream() {
    for extra in [",\"data\":{\"k\":\"a & b\"}", ",\"data\":{\"k\":\"a<b\"}", ",\"data\":{\"k\":\"\u{1}\"}"] {
        let mut rig = Rig::new(&[]);
        let text = rig.send(&push("a", "d", extra));
        assert!(text.contains("<invalid-xml") && text.ends_with("</stream:stream>"), "{extra}: {text}");
        assert_eq!((rig.violations(), rig.report().messages), (vec!["bad_xml=1".to_owned()], 0));
    }
}

#[test]
fn tokens_choose_their_answers() {
    let mut rig = Rig::new(&[]);
    assert!(rig.push("1", "unregistered-1").contains("DEVICE_UNREGISTERED"));
    assert!(rig.push("2", "canonical-x").contains("\"registration_id\":\"current-x\""));
    assert!(rig.push("3", "nack-once-INTERNAL_SERVER_ERROR-1").contains("INTERNAL_SERVER_ERROR"));
    assert_eq!(acks(&rig.push("3", "nack-once-INTERNAL_SERVER_ERROR-1")), ["3"]);
    assert!(!rig.push("4", "bare-BAD_REGISTRATION-1").contains("error_description"));
    assert_eq!(acks(&rig.push("5", "twice-1")), ["5", "5"]);
    assert_eq!(rig.push("6", "slow-50-1"), "");
    assert_eq!(acks(&rig.after(50)), ["6"]);
    assert_eq!(rig.push("7", "lost-1"), "");
    let report = rig.report();
    assert_eq!((report.acks, report.acks_lost, report.acks_duplicated), (4, 1, 1));
    assert_eq!((report.unique, report.delivered_unique, report.nacks.total), (4, 5, 3));
    assert_eq!(rig.violations(), Vec::<String>::new());
}

#[test]
fn a_device_gets_no_more_than_its_rate() {
    let mut rig = Rig::new(&[("device_rate", "2")]);
    let text: String = ["a", "b", "c"].map(|id| rig.push(id, "d")).concat();
    assert_eq!(acks(&text), ["a", "b"]);
    assert!(text.contains("DEVICE_MESSAGE_RATE_EXCEEDED"));
    assert_eq!(acks(&rig.push("e", "other")), ["e"]);
    rig.after(60_000);
    assert_eq!(acks(&rig.push("f", "d")), ["f"]);
}

#[test]
fn a_lost_ack_frees_its_place_in_the_window() {
    let mut rig = Rig::new(&[("lose_acks", "1"), ("window", "1")]);
    assert_eq!(rig.push("a", "d") + &rig.push("b", "d"), "");
    let report = rig.report();
    assert_eq!(
        (report.highest_unacked, report.acks_lost, report.acks, report.violations.total),
        (1, 2, 0, 0)
    );
}

#[test]
fn duplicated_and_unknown_acks_are_sent_and_counted() {
    let mut rig = Rig::new(&[("duplicate_acks", "1"), ("ack_unknown", "1")]);
    let text = rig.push("a", "d");
    assert_eq!(acks(&text).len(), 3);
    assert_eq!(acks(&text)[..2], ["a", "a"]);
    assert!(acks(&text)[2].starts_with("unknown-"));
    assert_eq!((rig.report().acks, rig.report().acks_duplicated, rig.report().acks_unknown), (1, 1, 1));
}

#[test]
fn answers_that_are_flushed_each_go_out_in_a_write_each() {
    for (knob, expected) in [("false", 1), ("true", 3)] {
        let mut rig = Rig::new(&[("flush-each", knob)]);
        let pushes: String = (0..3).map(|n| push(&n.to_string(), "t", "")).collect();
        rig.session.input().extend_from_slice(pushes.as_bytes());
        rig.session.received(rig.now);
        let mut writes = 0;
        while !rig.session.output().is_empty() {
            let count = rig.session.output().chunk().len();
            rig.session.output().advance(count);
            writes += 1;
        }
        assert_eq!(writes, expected);
    }
}

#[test]
fn draining_announces_answers_everything_and_closes() {
    let mut rig = Rig::new(&[("latency", "5s"), ("drain_after", "2")]);
    rig.push("a", "d");
    let text = rig.push("b", "d");
    assert!(text.contains("\"control_type\":\"CONNECTION_DRAINING\"") && !text.contains("message_id"));
    rig.now += Duration::from_millis(900);
    rig.push("on the wire", "d");
    let text = rig.after(1100);
    assert_eq!(acks(&text), ["a", "b", "on the wire"]);
    assert!(text.ends_with("</stream:stream>"));
    assert_eq!(rig.session.ending(), Some(CloseStyle::Graceful));
    assert_eq!(rig.violations(), Vec::<String>::new());
}

#[test]
fn a_push_well_after_the_announcement_is_a_violation() {
    let mut rig = Rig::new(&[("drain_close", "10s")]);
    rig.session.command(Command::Drain, rig.now);
    rig.after(1001);
    assert_eq!(acks(&rig.push("late", "d")), ["late"]);
    assert_eq!(rig.violations(), ["push_while_draining=1"]);
}

#[test]
fn draining_by_nack_gives_later_pushes_back() {
    let mut rig = Rig::new(&[("drain_mode", "nack")]);
    rig.session.command(Command::Drain, rig.now);
    assert_eq!(rig.output(), "");
    assert!(rig.push("a", "d").contains("\"error\":\"CONNECTION_DRAINING\""));
    rig.now += Duration::from_millis(1500);
    rig.push("b", "d");
    assert_eq!(rig.violations(), ["push_while_draining=1"]);
    assert_eq!((rig.report().unique, rig.report().nacks.by_code["CONNECTION_DRAINING"]), (0, 2));
}

#[test]
fn an_abandoned_drain_leaves_pushes_unanswered() {
    let mut rig = Rig::new(&[("latency", "5s"), ("drain_after", "1"), ("drain_abandon", "true")]);
    rig.push("a", "d");
    assert_eq!(rig.after(2000), "</stream:stream>");
    assert_eq!((rig.report().acks, rig.report().delivered_unique), (0, 0));
}

#[test]
fn a_connection_closes_after_its_number_of_pushes_in_every_style() {
    for (style, last) in [
        ("fin", ""),
        ("rst", ""),
        ("half-stanza", "\"from\":\"dev"),
        ("garbage", "]]>"),
        ("stream-error", "</stream:stream>"),
        ("graceful", "</stream:stream>"),
    ] {
        let mut rig = Rig::new(&[("latency", "1s"), ("close_after", "2"), ("close_style", style)]);
        rig.push("a", "d");
        assert_eq!(rig.session.ending(), None);
        let text = rig.push("b", "d");
        assert!(
            rig.session.ending().is_some() && text.ends_with(last) && acks(&text).is_empty(),
            "{style}: {text}"
        );
    }
}

#[test]
fn a_stalled_connection_says_nothing_until_it_goes_on() {
    let mut rig = Rig::new(&[("stall_after", "1"), ("ping", "1s")]);
    assert_eq!(rig.push("a", "d"), "");
    assert_eq!(rig.after(60_000), "");
    assert_eq!(rig.session.next_deadline(), None);
    rig.session.command(Command::Unstall, rig.now);
    assert_eq!(acks(&rig.output()), ["a"]);
}

#[test]
fn keepalives_and_pings_come_in_time() {
    let mut rig = Rig::new(&[("whitespace", "10s"), ("ping", "30s")]);
    assert_eq!(rig.after(9_999), "");
    assert_eq!(rig.after(1), " ");
    rig.after(10_000);
    assert!(rig.after(10_000).contains("urn:xmpp:ping"));
}

#[test]
fn iqs_are_answered_and_chatter_is_noticed() {
    let mut rig = Rig::new(&[]);
    let text = rig.send("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
    assert_eq!(text, "<iq from=\"gcm.googleapis.com\" id=\"p\" type=\"result\"/>");
    let text = rig.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq><presence/>");
    assert!(text.contains("id=\"r\" type=\"error\"") && text.contains("service-unavailable"));
    assert_eq!(rig.send("<iq type='result' id='ping-1'/>"), "");
    assert_eq!(rig.violations(), ["presence_or_roster=2"]);
}

#[test]
fn a_push_before_login_ends_the_stream() {
    let mut rig = Rig::before_login(&Arc::default(), 1, &[]);
    let text = rig.send(&format!("{HEADER}{}", push("a", "d", "")));
    assert!(text.contains("<not-authorized"));
    assert_eq!((rig.violations(), rig.report().messages), (vec!["before_login=1".to_owned()], 0));
}

#[test]
fn login_fails_while_the_knob_says_so() {
    let mut rig = Rig::before_login(&Arc::default(), 1, &[("auth_fail", "true")]);
    let login = STANDARD.encode("\x007\0key");
    let text = rig.send(&format!(
        "{HEADER}<auth mechanism='PLAIN' xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{login}</auth>"
    ));
    assert!(text.contains("<failure") && rig.session.ending().is_some());
    assert_eq!((rig.report().logins_refused, rig.violations()), (1, vec![]));
}

#[test]
fn nothing_received_depends_on_how_it_was_split() {
    let text: String = (0..20).map(|n| push(&format!("m{n}"), "d&amp;é", "")).collect();
    let mut whole = Rig::new(&[]);
    let expected = whole.send(&text);
    let mut pieces = Rig::new(&[]);
    let mut got = String::new();
    for byte in text.as_bytes() {
        pieces.session.input().push(*byte);
        pieces.session.received(pieces.now);
        got.push_str(&pieces.output());
    }
    assert_eq!(got, expected);
}
