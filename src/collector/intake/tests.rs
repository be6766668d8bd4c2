//! Partitions that are opened while pushes come and go.

use proptest::prelude::*;

use super::*;
use crate::flow::Returns;
use crate::push::fixture::push;

/// Counts what the intake ends.
#[derive(Debug, Default)]
struct Ends(AtomicU64);

impl Ended for Ends {
    fn ended(&self, pushes: &[Push], _outcome: Outcome) {
        self.0.fetch_add(pushes.len() as u64, Ordering::Relaxed);
    }
}

struct Rig {
    intake: Intake,
    ledger: Arc<Ledger>,
    ends: Arc<Ends>,
    /// By partition, what its pushers would hold.
    flying: Vec<Vec<Push>>,
    routes: Vec<Arc<RouteCell>>,
    next: u128,
}

fn settings(buffer: u64, keep: Keep) -> Settings {
    Settings {
        buffer,
        buffer_bytes: 1 << 40,
        critical_reserve: 0.1,
        keep,
        refuse_late: false,
        coalesce: false,
        intake: 64,
    }
}

impl Rig {
    fn new(keep: Keep) -> Self {
        let (ledger, ends) = (Arc::new(Ledger::default()), Arc::new(Ends::default()));
        let ended: Arc<dyn Ended> = Arc::<Ends>::clone(&ends);
        let intake = Intake::new(&settings(50, keep), Arc::clone(&ledger), ended, Clock::start());
        Self { intake, ledger, ends, flying: Vec::new(), routes: Vec::new(), next: 0 }
    }

    /// Opens a partition of a new route, or of one that is there.
    fn open(&mut self, of: Option<usize>) -> RouteId {
        let owner =
            of.filter(|_| !self.routes.is_empty()).map(|of| Arc::clone(&self.routes[of % self.routes.len()]));
        let cell = owner.unwrap_or_else(|| {
            let id = RouteId::at(self.intake.partitions());
            let cell = Arc::new(RouteCell::new(id, format!("route-{}", id.0), "fake"));
            self.routes.push(Arc::clone(&cell));
            cell
        });
        self.flying.push(Vec::new());
        self.intake.open(&cell).unwrap()
    }

    fn admit(&mut self, partition: RouteId, count: usize, lane: Lane) {
        let first = self.next;
        self.next += count as u128;
        let of = |number| Push { route: partition, ..push(number, lane) };
        self.intake.admit(partition, (first..self.next).map(of).collect());
    }

    fn take(&mut self, partition: RouteId, count: usize) {
        self.intake.drain_channel(usize::MAX);
        let mut taken = Vec::new();
        self.intake.with_queue(|queue| {
            queue.take(partition, count, Moment::default(), (&mut taken, &mut Vec::new()));
        });
        let moved = taken.len() as u64;
        self.ledger.enter(partition, |books| books.transfer(moved, Place::Buffered, Place::InFlight));
        self.flying[partition.index()].extend(taken);
    }

    fn put_back(&mut self, partition: RouteId) {
        self.intake.put_back(partition, std::mem::take(&mut self.flying[partition.index()]));
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let total = self.ledger.total();
        prop_assert!(total.is_balanced(), "{:?}", total);
        prop_assert_eq!(total.buffered, self.intake.load().pushes, "the books and the buffer");
        prop_assert_eq!(total.in_flight as usize, self.flying.iter().map(Vec::len).sum::<usize>());
        let shares: f64 = self.routes.iter().map(|route| self.intake.share(route.id)).sum();
        prop_assert!(shares <= 1.0 + 1e-9, "partitions have no shares of their own: {}", shares);
        Ok(())
    }
}

#[derive(Debug, Clone)]
enum Step {
    Open(Option<usize>),
    Admit(usize, usize, usize),
    Take(usize, usize),
    PutBack(usize),
    Resize(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => prop::option::of(0..9_usize).prop_map(Step::Open),
        4 => (any::<usize>(), 0..30_usize, 0..4_usize).prop_map(|(at, count, lane)| Step::Admit(at, count, lane)),
        3 => (any::<usize>(), 0..30_usize).prop_map(|(at, count)| Step::Take(at, count)),
        1 => any::<usize>().prop_map(Step::PutBack),
        1 => (1..80_u64).prop_map(Step::Resize),
    ]
}

proptest! {
    #[test]
    fn books_and_buffer_agree_while_partitions_are_opened_and_bounds_change(
        keep in prop_oneof![Just(Keep::Newest), Just(Keep::Oldest)],
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut rig = Rig::new(keep);
        rig.open(None);
        for step in steps {
            let partition = |at: usize| RouteId::at(at % rig.intake.partitions());
            match step {
                Step::Open(of) => drop(rig.open(of)),
                Step::Admit(at, count, lane) => {
                    let partition = partition(at);
                    rig.admit(partition, count, Lane::ALL[lane]);
                }
                Step::Take(at, count) => {
                    let partition = partition(at);
                    rig.take(partition, count);
                }
                Step::PutBack(at) => {
                    let partition = partition(at);
                    rig.put_back(partition);
                }
                Step::Resize(buffer) => rig.intake.follow(&settings(buffer, keep)),
            }
            rig.check()?;
        }
        (0..rig.intake.partitions()).for_each(|index| rig.put_back(RouteId::at(index)));
        (0..rig.intake.partitions()).for_each(|index| rig.take(RouteId::at(index), usize::MAX));
        prop_assert_eq!(rig.intake.load(), Load::default());
        rig.check()?;
    }
}

#[test]
fn a_route_that_is_opened_while_another_fills_the_buffer_has_its_share_at_once() {
    let mut rig = Rig::new(Keep::Newest);
    let first = rig.open(None);
    rig.admit(first, 45, Lane::Normal);
    rig.take(first, 0);
    let second = rig.open(None);
    rig.admit(second, 20, Lane::Normal);
    rig.take(second, 0);
    let ready = |partition| rig.intake.with_queue(|queue| queue.ready(partition));
    assert_eq!((ready(first), ready(second)), (25, 20));
    assert_eq!(rig.ends.0.load(Ordering::Relaxed), 20, "senders are told of what was shed for it");
}

#[test]
fn a_smaller_buffer_sheds_by_its_policy_and_tells_senders() {
    let mut rig = Rig::new(Keep::Newest);
    let route = rig.open(None);
    rig.admit(route, 40, Lane::Low);
    rig.take(route, 0);
    rig.intake.follow(&settings(10, Keep::Newest));
    assert_eq!((rig.intake.load().pushes, rig.intake.bound().pushes), (9, 10), "the reserve stays free");
    assert_eq!((rig.ledger.total().shed, rig.ends.0.load(Ordering::Relaxed)), (31, 31));
}

#[test]
fn a_partition_that_nobody_opened_takes_nothing() {
    let rig = Rig::new(Keep::Newest);
    assert_eq!(rig.intake.gate(RouteId(7)), Err(Refusal::RefusedUnknownRoute));
}

#[test]
fn whoever_sees_a_partition_finds_its_part_of_the_queue_and_its_gate() {
    let mut rig = Rig::new(Keep::Newest);
    rig.open(None);
    let (intake, cell) = (&rig.intake, &rig.routes[0]);
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| {
            (0..500).for_each(|_| {
                let _opened = intake.open(cell);
            })
        });
        while !opening.is_finished() {
            let last = RouteId::at(intake.partitions() - 1);
            assert_eq!(intake.with_queue(|queue| queue.ready(last)), 0);
            assert!(intake.gate_of(last).next().is_none());
        }
    });
    assert_eq!(intake.partitions(), 501);
}

#[test]
fn nobody_sees_a_released_push_in_the_queue_before_the_books_say_so() {
    let mut rig = Rig::new(Keep::Newest);
    let route = rig.open(None);
    let intake = &rig.intake;
    rig.ledger.enter(route, |books| {
        books.accept(40, 0);
        books.transfer(40, Place::Buffered, Place::InFlight);
    });
    let due = |number| (Moment::default(), push(number, Lane::Low));
    intake.retry_at(route, (0..40).map(due).collect());
    std::thread::scope(|scope| {
        // The other thread has to wait for the account; whoever sheds for a smaller buffer must not come first.
        rig.ledger.enter(route, |_| {
            let _releasing = scope.spawn(|| intake.release_due(route, Moment::default()));
            while let Some(queue) = intake.queue.try_lock_for(Duration::from_millis(100)) {
                assert_eq!(queue.ready(route), 0, "it could be shed, and the books have it elsewhere");
            }
        });
    });
    let books = rig.ledger.total();
    assert_eq!((books.buffered, books.waiting_retry, books.unaccounted), (40, 0, 0));
}

#[test]
fn what_is_shed_at_the_door_of_a_collector_that_is_behind_is_told_from_what_a_full_buffer_sheds() {
    for keep in [Keep::Newest, Keep::Oldest] {
        let mut rig = Rig::new(keep);
        let route = rig.open(None);
        // One batch a request; nobody empties the channel, which has room for 64 of them.
        (0..64).for_each(|_| rig.admit(route, usize::from(keep == Keep::Newest), Lane::Normal));
        rig.admit(route, usize::from(keep == Keep::Newest), Lane::Normal);
        let shed = rig.ledger.read(route).shed;
        assert_eq!(rig.intake.gauges().shed_behind(), shed, "the buffer is empty: {keep:?}");
        let (waiting, most) = rig.intake.at_the_door();
        assert_eq!(
            (waiting.pushes, rig.intake.most_batches()),
            (if keep == Keep::Newest { 64 } else { 0 }, 64)
        );
        assert!(most.pushes >= 1_000);
        rig.intake.drain_channel(usize::MAX);
        let before = rig.intake.gauges().shed_behind();
        (0..2).for_each(|_| {
            rig.admit(route, 50, Lane::Normal);
            rig.intake.drain_channel(usize::MAX);
        });
        let books = rig.ledger.read(route);
        assert!(books.shed > shed, "{books:?}");
        assert_eq!(rig.intake.gauges().shed_behind(), before, "the buffer was full: {keep:?}");
        rig.admit(route, 1_200, Lane::Critical);
        let beyond = u64::from(keep == Keep::Newest) * (1_200 - most.pushes.min(1_200));
        assert_eq!(rig.intake.gauges().shed_behind() - before, beyond, "{keep:?} {most:?}");
    }
}

#[test]
fn who_asks_for_the_oldest_push_does_not_wait_for_the_queue() {
    let mut rig = Rig::new(Keep::Newest);
    let route = rig.open(None);
    rig.admit(route, 1, Lane::Normal);
    rig.intake.drain_channel(usize::MAX);
    assert!(rig.intake.oldest_age() > Duration::ZERO);
    assert_eq!(rig.intake.with_queue(|_| rig.intake.oldest_age()), Duration::ZERO, "nothing was noted yet");
    rig.intake.note_oldest();
    let noted = rig.intake.gauges().oldest();
    assert!(noted > Duration::ZERO);
    assert_eq!(rig.intake.with_queue(|_| rig.intake.oldest_age()), noted);
    rig.take(route, 1);
    assert_eq!(rig.intake.oldest_age(), Duration::ZERO);
    rig.intake.note_oldest();
    assert_eq!(rig.intake.gauges().oldest(), Duration::ZERO);
}
