//! The knobs that only benchmarks turn.

use super::*;

#[test]
fn a_trusting_session_acks_the_usual_writing_and_judges_the_rest() {
    let mut rig = Rig::new(&[("trusting", "true")]);
    let plain = "<message id=\"1\"><gcm xmlns=\"google:mobile:data\">{\"message_id\":\"m1\",\"to\":\"t\"}</gcm></message>";
    let judged = Rig::new(&[]).send(plain);
    assert_eq!(rig.send(&plain.repeat(2)), judged.repeat(2), "the same acks, the id used twice");
    rig.send(&plain.replace("m1", "a\\u0062"));
    let report = rig.report();
    assert_eq!((report.messages, report.acks, report.unique, report.violations.total), (3, 3, 1, 0));
}
