//! Ledger and report side by side, and whether they tell the same story. Pure.

use std::fmt::Write;

use super::view::{OUTCOMES, PLACES, PeerView, View};

/// What a comparison came to.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// For people.
    pub table: String,
    /// What is wrong; nothing if all is well.
    pub complaints: Vec<String>,
}

/// Compares a gateway's ledger with its double's report.
pub fn judge(view: &View, peer: Option<&PeerView>) -> Verdict {
    Verdict { table: table(view, peer), complaints: complaints(view, peer) }
}

fn table(view: &View, peer: Option<&PeerView>) -> String {
    let mut left = vec!["gateway's ledger".to_owned()];
    let words =
        ["received", "refused", "accepted"].into_iter().chain(OUTCOMES).chain(PLACES).chain(["unaccounted"]);
    left.extend(words.map(|word| format!("  {word:<14}{:>12}", view.ledger(word))));
    let mut right = Vec::new();
    if let Some(peer) = peer {
        right.push("double's report".to_owned());
        let figures = [
            ("pushes received", peer.messages),
            ("delivered", peer.delivered),
            ("nacks", peer.nacks),
            ("sent again", peer.duplicates),
            ("most unanswered", peer.highest_unacked),
            ("connections", peer.connections),
            ("violations", peer.violations),
        ];
        right.extend(figures.map(|(name, figure)| format!("  {name:<18}{figure:>12}")));
    }
    let mut table = String::new();
    for (index, line) in left.iter().enumerate() {
        let beside = right.get(index).map_or("", String::as_str);
        writeln!(table, "{line:<32}{beside}").expect("a string takes every write");
    }
    table
}

fn complaints(view: &View, peer: Option<&PeerView>) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut claim = |holds: bool, complaint: String| {
        if !holds {
            complaints.push(complaint);
        }
    };
    claim(view.is_balanced(), "the ledger does not balance".to_owned());
    claim(view.held() == 0, format!("{} pushes have not ended", view.held()));
    claim(view.ledger("lost") == 0, format!("{} pushes were lost", view.ledger("lost")));
    if let Some(peer) = peer {
        let delivered = view.ledger("delivered");
        claim(
            delivered == peer.delivered,
            format!("the gateway says {delivered} were delivered, the double {}", peer.delivered),
        );
        claim(peer.violations == 0, format!("the double saw {} violations of the protocol", peer.violations));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view(delivered: u64, accepted: u64) -> View {
        let ledger = json!({"received": accepted, "refused": 0, "accepted": accepted, "delivered": delivered, "unaccounted": 0});
        View::read(&json!({ "ledger": ledger })).unwrap()
    }

    fn peer(delivered: u64, violations: u64) -> PeerView {
        let (messages, nacks, duplicates, highest_unacked, connections) = (delivered, 0, 0, 100, 8);
        PeerView { messages, delivered, nacks, duplicates, highest_unacked, connections, violations }
    }

    #[test]
    fn two_sides_that_agree_leave_nothing_to_complain_about() {
        let verdict = judge(&view(7, 7), Some(&peer(7, 0)));
        assert_eq!(verdict.complaints, Vec::<String>::new());
        assert!(verdict.table.contains("double's report"));
    }

    #[test]
    fn every_disagreement_is_named() {
        let complaints = judge(&view(7, 8), Some(&peer(6, 2))).complaints.join("; ");
        assert!(complaints.contains("does not balance"), "{complaints}");
        assert!(complaints.contains("7 were delivered, the double 6"), "{complaints}");
        assert!(complaints.contains("2 violations"), "{complaints}");
    }
}
