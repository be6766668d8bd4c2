//! The number of connections under loads that rise, stay, fall and come in bursts.

use proptest::prelude::*;

use super::*;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);
const WINDOW: u64 = 100;

fn bounds(min: u32, max: u32) -> Connections {
    Connections { min, max, shrink_after: Duration::from_secs(60), open_rate: 400 }
}

/// A partition whose pushes are `load` on the way at once, if its windows allow.
struct Model {
    now: Moment,
    sizer: Sizer,
    bounds: Connections,
    present: u32,
    /// Looks until what was opened is ready.
    opening: u32,
    waiting: u64,
    changes: Vec<(Moment, u32, u32)>,
}

impl Model {
    fn new(bounds: Connections) -> Self {
        let now = Moment::from_micros(1);
        let present = bounds.min;
        Self { now, sizer: Sizer::default(), bounds, present, opening: 0, waiting: 0, changes: Vec::new() }
    }

    fn sight(&mut self, load: u64) -> Sight {
        let window = u64::from(self.present) * WINDOW;
        // What is above the windows' size waits; what they have free takes it out again, some round trips per look.
        self.waiting = (self.waiting + load).saturating_sub(window);
        let in_flight = load.max(self.waiting.min(window)).min(window);
        self.opening = self.opening.saturating_sub(1);
        let is_settled = self.opening == 0;
        Sight {
            present: self.present,
            ready: self.present,
            is_settled,
            is_held_back: false,
            waiting: self.waiting,
            window,
            in_flight,
            room: 400,
        }
    }

    fn look(&mut self, load: u64) {
        let sight = self.sight(load);
        self.now = self.now.after(LOOK);
        if let Some(Resize { to, .. }) = self.sizer.look(self.now, &self.bounds, &sight) {
            assert!((self.bounds.min..=self.bounds.max).contains(&to), "{to}");
            assert_ne!(to, self.present);
            self.opening = if to > self.present { 2 } else { 0 };
            self.changes.push((self.now, self.present, to));
            self.present = to;
        }
    }

    fn run(&mut self, time: Duration, mut load: impl FnMut() -> u64) {
        let end = self.now.after(time);
        while self.now < end {
            self.look(load());
        }
    }

    /// Times that it grew after it had shrunk, or the other way round.
    fn turns(&self) -> usize {
        let is_growth: Vec<_> = self.changes.iter().map(|(_, from, to)| to > from).collect();
        is_growth.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

#[test]
fn a_backlog_opens_all_that_are_allowed_within_seconds() {
    let mut model = Model::new(bounds(1, 16));
    model.run(seconds(12), || 1_600);
    assert_eq!(model.present, 16, "{:?}", model.changes);
    let sizes: Vec<_> = model.changes.iter().map(|(_, _, to)| *to).collect();
    assert_eq!(sizes, [2, 4, 8, 16]);
}

#[test]
fn a_burst_that_the_windows_take_within_two_seconds_opens_nothing() {
    let mut model = Model::new(bounds(2, 16));
    for _ in 0..50 {
        model.run(seconds(1), || 300);
        model.run(seconds(10), || 20);
    }
    assert_eq!(model.changes, []);
}

#[test]
fn what_is_no_longer_needed_is_closed_after_a_while_down_to_twice_what_is_used() {
    let mut model = Model::new(bounds(2, 16));
    model.run(seconds(15), || 1_500);
    assert_eq!(model.present, 16);
    // A size of eight was too small a moment ago.
    model.run(seconds(300), || 0);
    assert_eq!(model.present, 9, "{:?}", model.changes);
    model.run(seconds(600), || 190);
    assert_eq!(model.present, 4, "{:?}", model.changes);
    model.run(seconds(120), || 0);
    assert_eq!(model.present, 2, "{:?}", model.changes);
}

#[test]
fn rare_bursts_do_not_make_it_breathe() {
    let mut model = Model::new(bounds(1, 16));
    for _ in 0..20 {
        model.run(seconds(10), || 700);
        model.run(seconds(110), || 10);
    }
    assert!(model.turns() <= 1, "{:?}", model.changes);
    assert!((7..16).contains(&model.present), "{:?}", model.changes);
}

#[test]
fn bounds_that_change_are_followed_at_once_and_no_faster_than_the_provider_allows() {
    let mut sizer = Sizer::default();
    let sight = |present, room| Sight {
        present,
        ready: 0,
        is_settled: false,
        is_held_back: true,
        waiting: 0,
        window: 0,
        in_flight: 0,
        room,
    };
    let mut look = |bounds, sight| sizer.look(Moment::default(), &bounds, &sight);
    let to = |to| Some(Resize { to, why: Why::Bounds });
    assert_eq!(look(bounds(2, 4), sight(9, 0)), to(4));
    assert_eq!(look(bounds(20, 40), sight(9, 400)), to(20));
    assert_eq!(look(bounds(20, 40), sight(9, 3)), to(12));
    assert_eq!(look(bounds(20, 40), sight(9, 0)), None);
    assert_eq!(look(bounds(2, 9), sight(9, 0)), None);
}

#[test]
fn a_minute_of_connections_is_counted_second_by_second() {
    let mut opens = Opens::default();
    let at = |second: u64| Moment::from_micros(second * 1_000_000);
    assert_eq!(opens.look(at(0), 8, 400), 392, "those of the start count");
    assert_eq!(opens.look(at(30), 300, 400), 100);
    assert_eq!(opens.look(at(59), 500, 400), 0);
    assert_eq!(opens.look(at(61), 500, 400), 0);
    assert_eq!(opens.look(at(91), 500, 400), 200, "300 of them are older than a minute");
    assert_eq!(opens.look(at(120), 500, 400), 400);
    for second in 121..1_000 {
        opens.look(at(second), 500, 400);
        assert!(opens.samples.len() <= 62);
    }
}

#[derive(Debug, Clone)]
struct Chance {
    settled: bool,
    held_back: bool,
    waiting: u64,
    used: f64,
    room: u32,
    seconds: u64,
}

fn chance() -> impl Strategy<Value = Chance> {
    let waiting = prop_oneof![Just(0), 1..10_000_u64];
    (any::<bool>(), prop::bool::weighted(0.2), waiting, 0.0..=1.0, 0..20_u32, 0..90_u64).prop_map(
        |(settled, held_back, waiting, used, room, seconds)| Chance {
            settled,
            held_back,
            waiting,
            used,
            room,
            seconds,
        },
    )
}

proptest! {
    #[test]
    fn the_number_stays_within_its_bounds_and_grows_only_where_that_helps(
        min in 1..20_u32, more in 0..50_u32, chances in prop::collection::vec(chance(), 1..300),
    ) {
        let bounds = bounds(min, min + more);
        let (mut sizer, mut present, mut now) = (Sizer::default(), min, Moment::default());
        for Chance { settled, held_back, waiting, used, room, seconds } in chances {
            let window = u64::from(present) * WINDOW;
            let sight = Sight {
                present,
                ready: present,
                is_settled: settled,
                is_held_back: held_back,
                waiting,
                window,
                in_flight: (window as f64 * used) as u64,
                room,
            };
            now = now.after(Duration::from_secs(seconds));
            let Some(Resize { to, why }) = sizer.look(now, &bounds, &sight) else { continue };
            prop_assert!((bounds.min..=bounds.max).contains(&to) && to != present);
            if to > present {
                prop_assert!(settled && !held_back && waiting > 0 && used >= 0.74, "{sight:?}");
                prop_assert!(to - present <= room && to <= present * 2 && why == Why::Full);
            } else {
                prop_assert!(why == Why::Idle && waiting == 0);
                prop_assert!(u64::from(to) * WINDOW >= sight.in_flight * 2, "it is half used at most");
            }
            present = to;
        }
    }

    #[test]
    fn a_steady_load_finds_a_number_and_keeps_it(load in 0.0..12.0_f64, noise in 0.0..0.15_f64, seed: u64) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut model = Model::new(bounds(1, 16));
        let mut steady = || (load * WINDOW as f64 * (1.0 + noise * (rng.f64() * 2.0 - 1.0))) as u64;
        model.run(seconds(1_800), &mut steady);
        prop_assert!(model.turns() <= 1, "{:?}", model.changes);
        let before = model.changes.len();
        model.run(seconds(3_600), &mut steady);
        prop_assert!(model.changes.len() <= before + 1, "{:?}", model.changes);
        prop_assert!(f64::from(model.present) >= load * (1.0 - noise), "it suffices");
    }
}
