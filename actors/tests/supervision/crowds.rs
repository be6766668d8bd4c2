//! Many children that fail together come back spread over time, and nobody stalls.

use super::*;

fn thousand(probes: &Probes) -> SupervisorSpec {
    let children = (0..1000).map(|n| probes.child(&n.to_string()));
    bare(children).intensity(Intensity::unlimited())
}

async fn fail_all(probes: &Probes) {
    for n in 0..1000 {
        probes.end(&n.to_string(), End::Exit(failed("the provider went away"))).await;
    }
}

#[actix::test]
async fn a_thousand_children_that_fail_at_once_come_back_spread_over_the_shortest_delay() {
    tokio::time::pause();
    let probes = Probes::default();
    let backoff = Backoff::try_new(secs(1), secs(30), 0.5, millis(10)).unwrap();
    let root = up(thousand(&probes).backoff(backoff)).await;
    pass(secs(60)).await;
    fail_all(&probes).await;
    let mut back = vec![root.count_children().active];
    for _ in 0..4 {
        pass(millis(250)).await;
        back.push(root.count_children().active);
    }
    assert!(back[0] < 50, "{back:?}");
    for quarter in back.windows(2) {
        assert!((150..350).contains(&(quarter[1] - quarter[0])), "{back:?}");
    }
    pass(millis(10)).await;
    assert_eq!(root.count_children().active, 1000);
}

#[actix::test]
async fn early_failures_are_spread_by_the_jitter_of_the_back_off() {
    tokio::time::pause();
    let probes = Probes::default();
    let backoff = Backoff::try_new(secs(1), secs(30), 0.5, secs(10)).unwrap();
    let root = up(thousand(&probes).backoff(backoff)).await;
    fail_all(&probes).await;
    pass(millis(499)).await;
    assert_eq!(root.count_children().active, 0);
    pass(millis(251)).await;
    let half = root.count_children().active;
    assert!((350..650).contains(&half), "{half}");
    pass(millis(300)).await;
    assert_eq!(root.count_children().active, 1000);
}

#[actix::test]
async fn without_a_back_off_they_come_back_at_once() {
    tokio::time::pause();
    let probes = Probes::default();
    let root = up(thousand(&probes)).await;
    fail_all(&probes).await;
    settle().await;
    assert_eq!(root.count_children().active, 1000);
}

#[actix::test]
async fn no_more_children_than_allowed_are_on_their_way_up_at_the_same_time() {
    tokio::time::pause();
    let probes = Probes::default();
    let children = (0..20).map(|n| probes.child(&n.to_string()).announced(None));
    let mut spec = bare(children).intensity(Intensity::unlimited());
    spec.max_starting = 4;
    let root = up(spec).await;
    for n in 0..20 {
        let id = n.to_string();
        probes.next_starts(&id, [Start::Silent]);
        probes.end(&id, End::Exit(Exit::Normal)).await;
    }
    settle().await;
    let begun = |log: Vec<String>| -> Vec<String> {
        log.iter().filter_map(|entry| Some(entry.strip_suffix(" begin")?.to_owned())).collect()
    };
    let mut begun_ids = begun(probes.take_log());
    for _ in 0..5 {
        assert_eq!(begun_ids.len(), 4);
        for id in begun_ids {
            probes.announce(&id).await;
        }
        settle().await;
        begun_ids = begun(probes.take_log());
    }
    assert_eq!(root.count_children().active, 20);
}
