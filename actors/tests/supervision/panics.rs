//! Panics are seen wherever they happen, with their message, and cost one child.

use super::*;

async fn after(start: Start, end: Option<End>) -> (SupervisorHandle, Probes) {
    tokio::time::pause();
    let probes = Probes::default();
    let root = up(bare([probes.child("a"), probes.child("b")])).await;
    probes.next_starts("a", [start]);
    if let Some(end) = end {
        probes.end("a", end).await;
    }
    settle().await;
    (root, probes)
}

fn last_exit_text(root: &SupervisorHandle) -> String {
    root.which_children()[0].last_exit.as_ref().expect("it has ended").to_string()
}

#[actix::test]
async fn a_panic_in_a_handler_is_seen_with_its_message() {
    let (root, _) = after(Start::Up, Some(End::Panic)).await;
    let text = last_exit_text(&root);
    assert!(text.starts_with("panicked: probe \"a\" was told to panic at "), "{text}");
    let states = states(&root);
    assert!(states.iter().all(|(_, state)| *state == NodeState::Running));
}

#[actix::test]
async fn a_panic_in_started_is_seen_with_its_message() {
    let (root, probes) = after(Start::PanicInStarted, Some(End::Exit(Exit::Normal))).await;
    let text = last_exit_text(&root);
    assert!(text.starts_with("panicked: probe \"a\" was told to panic in started at "), "{text}");
    assert_eq!(probes.take_log(), ["a up", "b up", "a down", "a begin", "a down", "a up"]);
}

#[actix::test]
async fn a_panic_in_a_start_function_is_a_failed_start() {
    let (root, probes) = after(Start::Panic, Some(End::Exit(Exit::Normal))).await;
    assert_eq!(probes.take_log(), ["a up", "b up", "a down", "a up"]);
    let text = last_exit_text(&root);
    assert!(
        text.starts_with("failed: panicked: probe \"a\" was told to panic in its start function"),
        "{text}"
    );
    assert_eq!(root.which_children()[0].restarts, 2);
}

#[actix::test]
async fn a_panic_in_one_child_leaves_its_siblings_alone() {
    let (_, probes) = after(Start::Up, Some(End::Panic)).await;
    assert_eq!(probes.take_log(), ["a up", "b up", "a down", "a up"]);
}
