//! Messages of devices and receipts, and their acks.

use super::*;

#[test]
fn receipts_follow_their_ack_and_want_one_of_their_own() {
    let mut rig = Rig::new(&[]);
    let text = rig.send(&push("a", "d", ",\"delivery_receipt_requested\":true"));
    assert!(
        text.contains("\"message_id\":\"dr2:a\"")
            && text.contains("\"message_sent_timestamp\":\"1700000000000\"")
    );
    rig.send(&upstream_ack("gcm.googleapis.com", "dr2:a"));
    assert_eq!((rig.report().upstream.receipts, rig.report().upstream.acked), (1, 1));
    assert!(rig.send(&upstream_ack("gcm.googleapis.com", "a")).contains("BAD_ACK"));
    assert_eq!(rig.violations(), ["bad_ack=1"]);
}

fn upstream_ack(to: &str, id: &str) -> String {
    format!(
        "<message><gcm xmlns='google:mobile:data'>{{\"to\":\"{to}\",\"message_id\":\"{id}\",\"message_type\":\"ack\"}}\
         </gcm></message>"
    )
}

#[test]
fn an_upstream_message_is_sent_again_until_its_own_connection_acks_it() {
    let books = Arc::<Books>::default();
    let mut first = Rig::on(&books, 1, &[]);
    books.pool.lock().create(1);
    first.session.command(Command::Upstream(10), first.now);
    assert!(first.output().contains("up-1"));
    assert!(first.after(5_000).contains("up-1"));
    let mut second = Rig::on(&books, 2, &[]);
    second.send(&upstream_ack("device-1", "up-1"));
    assert_eq!(second.violations(), ["ack_on_wrong_connection=1"]);
    first.session.close();
    second.session.command(Command::Upstream(10), second.now);
    assert!(second.output().contains("up-1"));
    second.send(&upstream_ack("device-1", "up-1"));
    let upstream = second.report().upstream;
    assert_eq!((upstream.sent, upstream.acked, upstream.resent, upstream.waiting), (3, 1, 2, 0));
}

#[test]
fn upstream_stops_at_its_window_and_goes_on_with_the_acks() {
    let mut rig = Rig::new(&[]);
    rig.books.pool.lock().create(101);
    rig.session.command(Command::Upstream(1000), rig.now);
    assert_eq!(rig.output().matches("type=\"normal\"").count(), 100);
    assert_eq!(rig.send(&upstream_ack("device-7", "up-7")).matches("type=\"normal\"").count(), 1);
}
