//! Pushes from a request → places in the collector, or reasons why not. Pure but for the [`Door`], the clock and the key mint.
//!
//! Each push of a readable request is entered in the ledger exactly once, by [`Door::admit`] or [`Door::refuse`]. A batch's payloads
//! share one allocation.

mod fate;
mod words;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

pub(super) use self::fate::{Failure, Fate, PushId};
use self::words::{door_message, failed, find, gate_message};
use super::seen::{Claim, SeenId};
use super::wire::{Item, Parsed, PushFault};
use super::{Ingest, IngestRoute};
use crate::feedback::results::Ticket;
use crate::outcome::Refusal;
use crate::push::{Push, PushKey, PushRequest, RouteId, SenderId};
use crate::telemetry::trace::{Call, Roots};
use crate::transport::{Connector, RenderError};
use crate::units::Moment;

/// A time to live is whole seconds; what is to be sent now or never still has the second it arrived in.
const SHORTEST: std::time::Duration = std::time::Duration::from_secs(1);

/// What became of the pushes of a request, in their order.
#[derive(Debug)]
pub(super) struct Admission<'a> {
    /// Whether the request was one push by itself.
    pub(super) single: bool,
    /// One for each push.
    pub(super) fates: Vec<Fate<'a>>,
    /// Which pushes the request waits for: their positions and keys, rising.
    pub(super) awaited: Vec<(usize, PushKey)>,
    /// When the sender should come back, in seconds, if a push was shed or its route takes none.
    pub(super) retry_after: Option<u64>,
}

/// The pushes of a request that go to one partition.
struct Batch {
    route: RouteId,
    /// The route that it belongs to, which the senders' ids are for.
    owner: RouteId,
    /// What renders for the route, taken once for all of them.
    connector: Arc<dyn Connector>,
    gate: Result<(), Refusal>,
    refused: u64,
    /// How many repeat what was taken before.
    repeated: u64,
    /// Ids that are ours until the door has answered, and whose they are.
    claims: Vec<(usize, SeenId)>,
    pushes: Vec<Push>,
    /// Where each payload is in the shared buffer.
    payloads: Vec<Range<usize>>,
    /// Which item of the request each push is.
    items: Vec<usize>,
}

/// A request that is being admitted.
struct Admitting<'a, 'i> {
    ingest: &'i Ingest,
    sender: SenderId,
    roots: Option<Roots<'i>>,
    ticket: Option<&'i mut Ticket>,
    awaited: Vec<(usize, PushKey)>,
    now: Moment,
    expected: usize,
    payload: Vec<u8>,
    batches: Vec<Batch>,
    fates: Vec<Fate<'a>>,
    without_route: u64,
    /// Whether what refused a push may be over in a second.
    is_passing: bool,
}

/// Who sends a request, and its trace if it is traced.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'t> {
    /// The sender.
    pub(super) sender: SenderId,
    /// The trace.
    pub(super) trace: Option<&'t Call>,
}

/// Admits what was parsed from a body of `size` bytes; with a `ticket` the request will wait for the ends of its pushes.
pub(super) fn admit<'a>(
    ingest: &Ingest,
    parsed: Parsed<'a>,
    size: usize,
    Caller { sender, trace }: Caller<'_>,
    ticket: Option<&mut Ticket>,
) -> Admission<'a> {
    let expected = parsed.items.len();
    let mut admitting = Admitting {
        ingest,
        sender,
        roots: trace.map(|call| call.roots(expected, ingest.door.buffered())),
        ticket,
        awaited: Vec::new(),
        now: ingest.clock.now(),
        expected,
        payload: Vec::with_capacity(size),
        batches: Vec::new(),
        fates: Vec::with_capacity(expected),
        without_route: 0,
        is_passing: false,
    };
    for (index, item) in parsed.items.into_iter().enumerate() {
        let fate = admitting.item(index, item);
        admitting.fates.push(fate);
    }
    admitting.finish(parsed.single)
}

// === impl Admission ===

impl Admission<'_> {
    /// Returns how many pushes hold a place.
    pub(super) fn accepted(&self) -> usize {
        self.fates.iter().filter(|fate| matches!(fate, Fate::Accepted(_))).count()
    }
}

// === impl Admitting ===

impl<'a> Admitting<'a, '_> {
    fn item(&mut self, index: usize, item: Item<'a>) -> Fate<'a> {
        let mut request = match item {
            Ok(request) => request,
            Err(PushFault { id, field, message }) => {
                self.without_route += 1;
                let id = id.map(|id| PushId::Name(id.into()));
                return Fate::Failed(Box::new(Failure {
                    id,
                    reason: Refusal::RefusedInvalid,
                    field,
                    message,
                }));
            }
        };
        let id = request.id.take();
        let ingest = self.ingest;
        let route = match find(&ingest.routes, request.route.as_deref()) {
            Ok(route) => route,
            Err((reason, message)) => {
                self.without_route += 1;
                return failed(id, reason, "route", message);
            }
        };
        let batch = self.batch(route.id, route);
        if let Err(refusal) = self.batches[batch].gate {
            self.batches[batch].refused += 1;
            return failed(id, refusal, "", gate_message(refusal, &route.name));
        }
        let start = self.payload.len();
        let batch = match self.render(&request, route, batch) {
            Ok(batch) => batch,
            Err(error) => {
                self.batches[batch].refused += 1;
                return failed(id, error.refusal, error.field, error.message);
            }
        };
        if let Some(fate) = self.claim(index, batch, id.as_ref()) {
            self.payload.truncate(start);
            return fate;
        }
        let name = id.as_deref().map(Box::<str>::from);
        let push = self.push(&request, route, self.batches[batch].route, name);
        let payload = start..self.payload.len();
        let batch = &mut self.batches[batch];
        batch.pushes.push(push);
        batch.payloads.push(payload);
        batch.items.push(index);
        // The key is not known yet; `enter` fills it in.
        Fate::Accepted(id.map_or(PushId::Key(PushKey::from_u128(0)), PushId::Name))
    }

    /// Renders a push behind the others; returns its batch.
    fn render(
        &mut self,
        request: &PushRequest<'_>,
        route: &IngestRoute,
        batch: usize,
    ) -> Result<usize, RenderError> {
        let start = self.payload.len();
        let rendered = self.batches[batch].connector.render(request, &mut self.payload);
        let batch = rendered.and_then(|()| self.towards_peer(route, batch, start));
        if batch.is_err() {
            self.payload.truncate(start);
        }
        batch
    }

    /// Returns the batch for the push whose payload begins at `start`: the route's own, or that of the peer that the push names.
    fn towards_peer(
        &mut self,
        route: &IngestRoute,
        batch: usize,
        start: usize,
    ) -> Result<usize, RenderError> {
        let peer = self.batches[batch].connector.peer_of(&self.payload[start..]);
        let Some(peer) = peer else { return Ok(batch) };
        match self.ingest.peers.partition(route.cell.id, &peer) {
            Ok(partition) => Ok(self.batch(partition, route)),
            Err(message) => {
                self.is_passing = true;
                Err(RenderError { refusal: Refusal::RefusedPeerLimit, field: "", message })
            }
        }
    }

    /// Claims the sender's id; returns the fate of a push whose id is not free.
    fn claim(&mut self, index: usize, batch: usize, id: Option<&Cow<'a, str>>) -> Option<Fate<'a>> {
        let (seen, name) = self.ingest.seen.as_ref().zip(id)?;
        let batch = &mut self.batches[batch];
        let key = seen.id(self.sender, batch.owner, name);
        match seen.claim(key, self.now) {
            Claim::Fresh => {
                batch.claims.push((index, key));
                None
            }
            Claim::Taken => {
                batch.repeated += 1;
                Some(Fate::Accepted(PushId::Name(name.clone())))
            }
            Claim::Busy => {
                batch.refused += 1;
                self.is_passing = true;
                let message = "another push with this id is being taken (hint: each push needs its own; ask again in a second)";
                Some(failed(Some(name.clone()), Refusal::RefusedDuplicate, "id", message.into()))
            }
        }
    }

    fn push(
        &self,
        request: &PushRequest<'_>,
        route: &IngestRoute,
        partition: RouteId,
        name: Option<Box<str>>,
    ) -> Push {
        let default = self.ingest.settings.ttl[request.priority.index()];
        let ttl = request.ttl.map_or(default, |seconds| std::time::Duration::from_secs(seconds.into()));
        Push {
            key: PushKey::from_u128(0),
            name,
            payload: Bytes::new(),
            accepted_at: self.now,
            deadline: self.now.after(ttl.max(SHORTEST)),
            route: partition,
            sender: self.sender,
            lane: request.priority,
            collapse: self.ingest.coalesce.id(partition, &request.to, request.collapse_key.as_deref()),
            trace: self.roots.as_ref().and_then(|roots| roots.draw(&route.name, self.now)),
            attempts: 0,
            maybe_delivered: false,
        }
    }

    /// Returns the index of the batch for a partition of a route.
    fn batch(&mut self, partition: RouteId, route: &IngestRoute) -> usize {
        if let Some(index) = self.batches.iter().position(|batch| batch.route == partition) {
            return index;
        }
        let gate = self.ingest.door.gate(partition);
        let room = if gate.is_ok() { self.expected } else { 0 };
        self.batches.push(Batch {
            route: partition,
            owner: route.cell.id,
            connector: Arc::clone(&route.connector.read()),
            gate,
            refused: 0,
            repeated: 0,
            claims: Vec::new(),
            pushes: Vec::with_capacity(room),
            payloads: Vec::with_capacity(room),
            items: Vec::with_capacity(room),
        });
        self.batches.len() - 1
    }

    fn finish(mut self, single: bool) -> Admission<'a> {
        let door = &*self.ingest.door;
        if self.without_route > 0 {
            door.refuse(None, self.without_route);
        }
        // The buffer lives as long as its last push; what it does not need goes back now.
        if self.payload.capacity() > self.payload.len() + self.payload.len() / 4 {
            self.payload.shrink_to_fit();
        }
        let payload = Bytes::from(std::mem::take(&mut self.payload));
        let mut retry_after = self.is_passing.then_some(1);
        for batch in std::mem::take(&mut self.batches) {
            if batch.refused > 0 {
                door.refuse(Some(batch.route), batch.refused);
            }
            if batch.repeated > 0 {
                door.repeat(batch.route, batch.repeated);
            }
            let route = batch.route;
            let gated = batch.gate.is_err();
            let shed = self.enter(batch, &payload);
            if shed || gated {
                let wait = door.retry_after(route).as_millis().div_ceil(1_000).max(1);
                retry_after = retry_after.max(Some(u64::try_from(wait).unwrap_or(u64::MAX)));
            }
        }
        self.awaited.sort_unstable();
        Admission { single, fates: self.fates, awaited: self.awaited, retry_after }
    }

    /// Hands a batch to the door and returns whether pushes of it were shed.
    fn enter(&mut self, mut batch: Batch, payload: &Bytes) -> bool {
        if batch.pushes.is_empty() {
            return false;
        }
        let keys = self.ingest.mint.batch(batch.pushes.len());
        for (((push, key), range), item) in
            batch.pushes.iter_mut().zip(keys).zip(batch.payloads).zip(&batch.items)
        {
            push.key = key;
            push.payload = payload.slice(range);
            if push.name.is_none() {
                self.fates[*item] = Fate::Accepted(PushId::Key(key));
            }
        }
        let keys = self.watch(&batch.pushes);
        let failed = self.ingest.door.admit(batch.route, batch.pushes);
        self.await_held(&batch.items, &keys, &failed);
        for (position, reason) in &failed {
            let item = batch.items[*position];
            let Fate::Accepted(id) = &self.fates[item] else { continue };
            self.fates[item] = Fate::Failed(Box::new(Failure {
                id: Some(id.clone()),
                reason: *reason,
                field: "".into(),
                message: door_message(*reason).into(),
            }));
        }
        if let Some(seen) = &self.ingest.seen {
            for (item, id) in batch.claims {
                let taken = matches!(self.fates[item], Fate::Accepted(_));
                seen.settle(id, taken, self.now);
            }
        }
        !failed.is_empty()
    }
}

// === impl Admitting ===

impl Admitting<'_, '_> {
    /// Waits for pushes that are about to be admitted, if the request waits at all; returns their keys then.
    fn watch(&mut self, pushes: &[Push]) -> Vec<PushKey> {
        let Some(ticket) = &mut self.ticket else { return Vec::new() };
        let keys: Vec<_> = pushes.iter().map(|push| push.key).collect();
        ticket.watch(keys.iter().copied());
        keys
    }

    /// Keeps waiting for those that hold a place; the others have failed, by position.
    fn await_held(&mut self, items: &[usize], keys: &[PushKey], failed: &[(usize, Refusal)]) {
        let Some(ticket) = &mut self.ticket else { return };
        let mut failed = failed.iter().map(|(position, _)| *position).peekable();
        for (position, (item, key)) in items.iter().zip(keys).enumerate() {
            if failed.next_if_eq(&position).is_some() {
                ticket.unwatch(&[*key]);
            } else {
                self.awaited.push((*item, *key));
            }
        }
    }
}
