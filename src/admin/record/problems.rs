//! What goes wrong, grouped by reason: provider's codes, errors of connections, ends other than delivery. Pure and bounded.

use std::collections::HashMap;

use serde::Serialize;

use crate::admin::state::{PusherRow, Snapshot};
use crate::units::Stamp;

/// Groups kept; the one that was quiet longest makes room. Reasons come from outside.
const GROUPS: usize = 100;
const LONGEST_REASON: usize = 200;

/// A reason and how often it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// `answer` (a provider's code), `connection` (a pusher's error) or `outcome` (an end other than delivery).
    pub(crate) kind: &'static str,
    /// The code, the error's text or the outcome's word.
    pub(crate) reason: String,
    /// How often.
    pub(crate) count: u64,
    /// When it was seen first.
    pub(crate) first: Stamp,
    /// When it was seen last.
    pub(crate) last: Stamp,
    /// The last pusher that it happened to.
    pub(crate) pusher: Option<String>,
}

/// Something that happened between two samples.
struct News<'a> {
    kind: &'static str,
    reason: &'a str,
    count: u64,
    pusher: Option<&'a str>,
}

#[derive(Debug, Default)]
pub(super) struct Problems {
    groups: Vec<Problem>,
    seen: HashMap<String, u64>,
}

// === impl Problems ===

impl Problems {
    pub(super) fn sample(&mut self, at: Stamp, snapshot: &Snapshot) {
        let ledger = &snapshot.ledger;
        let outcomes = [
            ("refused", ledger.refused),
            ("rejected", ledger.rejected),
            ("unregistered", ledger.unregistered),
            ("expired", ledger.expired),
            ("exhausted", ledger.exhausted),
            ("shed", ledger.shed),
            ("lost", ledger.lost),
            ("unaccounted", ledger.unaccounted),
        ];
        for (reason, total) in outcomes {
            let count = self.growth(reason, total);
            self.add(at, &News { kind: "outcome", reason, count, pusher: None });
        }
        for answer in &snapshot.answers {
            let count = self.growth(&format!("answer {}", answer.code), answer.count);
            self.add(at, &News { kind: "answer", reason: &answer.code, count, pusher: None });
        }
        snapshot.pushers.iter().for_each(|pusher| self.pusher(at, pusher));
    }

    pub(super) fn latest(&self, count: usize) -> Vec<Problem> {
        let mut groups = self.groups.clone();
        groups.sort_by(|a, b| b.last.cmp(&a.last).then(b.count.cmp(&a.count)));
        groups.truncate(count);
        groups
    }

    fn pusher(&mut self, at: Stamp, pusher: &PusherRow) {
        let Some(error) = &pusher.last_error else { return };
        let count = self.growth(&pusher.id, pusher.errors);
        let reason: String = error.chars().take(LONGEST_REASON).collect();
        self.add(at, &News { kind: "connection", reason: &reason, count, pusher: Some(&pusher.id) });
    }

    /// How much a counter has grown; one that is smaller than before began anew.
    fn growth(&mut self, counter: &str, total: u64) -> u64 {
        let Some(before) = self.seen.get_mut(counter) else {
            self.seen.insert(counter.to_owned(), total);
            return total;
        };
        let before = std::mem::replace(before, total);
        total.checked_sub(before).unwrap_or(total)
    }

    fn add(&mut self, at: Stamp, news: &News<'_>) {
        if news.count == 0 {
            return;
        }
        let pusher = news.pusher.map(str::to_owned);
        let same = |group: &&mut Problem| group.kind == news.kind && group.reason == news.reason;
        if let Some(group) = self.groups.iter_mut().find(same) {
            group.count += news.count;
            group.last = at;
            group.pusher = pusher;
            return;
        }
        if self.groups.len() == GROUPS {
            let quietest = self.groups.iter().enumerate().min_by_key(|(_, group)| group.last);
            if let Some((index, _)) = quietest {
                self.groups.swap_remove(index);
            }
        }
        let (kind, reason) = (news.kind, news.reason.to_owned());
        self.groups.push(Problem { kind, reason, count: news.count, first: at, last: at, pusher });
    }
}
