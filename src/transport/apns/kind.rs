//! The types of push that Apple tells apart, with the topic, size and priority that each may have (`reference/apns_webpush.md` 1.3). Pure.

use crate::push::Lane;

/// The most bytes of a payload, of all types but one.
const PAYLOAD_LIMIT: usize = 4096;

/// The most bytes of the payload of a call.
const CALL_LIMIT: usize = 5120;

/// `apns-push-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushType {
    /// Shown, played, or a badge.
    Alert,
    /// Wakes the app; shows nothing.
    Background,
    /// A call.
    Voip,
    /// Updates a watch face.
    Complication,
    /// Tells of changes in a file provider.
    FileProvider,
    /// Makes a managed device contact its server.
    Mdm,
    /// Asks for the device's location.
    Location,
    /// Starts, updates or ends a Live Activity.
    LiveActivity,
    /// Tells of a Push to Talk session.
    PushToTalk,
    /// Reloads widgets.
    Widgets,
    /// Reloads controls.
    Controls,
}

/// What is written: the type's word, and what its topic ends in behind the bundle id.
const TABLE: [(PushType, &str, &str); 11] = [
    (PushType::Alert, "alert", ""),
    (PushType::Background, "background", ""),
    (PushType::Voip, "voip", ".voip"),
    (PushType::Complication, "complication", ".complication"),
    (PushType::FileProvider, "fileprovider", ".pushkit.fileprovider"),
    (PushType::Mdm, "mdm", ""),
    (PushType::Location, "location", ".location-query"),
    (PushType::LiveActivity, "liveactivity", ".push-type.liveactivity"),
    (PushType::PushToTalk, "pushtotalk", ".voip-ptt"),
    (PushType::Widgets, "widgets", ".push-type.widgets"),
    (PushType::Controls, "controls", ".push-type.controls"),
];

// === impl PushType ===

impl PushType {
    /// Returns all types.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(kind, ..)| *kind)
    }

    /// Returns the type with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::all().find(|kind| kind.as_str() == word)
    }

    /// Returns the type with this number, as in [`Self::number`].
    pub fn with_number(number: u8) -> Option<Self> {
        TABLE.get(usize::from(number)).map(|(kind, ..)| *kind)
    }

    /// Returns its number, for compact notation.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Returns its word.
    pub const fn as_str(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// Returns the topic for an app; a bundle id that has the ending already stays as it is.
    pub fn topic(self, bundle: &str) -> String {
        let ending = TABLE[self as usize].2;
        let has_it = bundle.ends_with(ending);
        format!("{bundle}{}", if has_it { "" } else { ending })
    }

    /// Returns the bundle id behind a topic.
    pub fn bundle(self, topic: &str) -> &str {
        topic.strip_suffix(TABLE[self as usize].2).unwrap_or(topic)
    }

    /// Returns the most bytes of a payload.
    pub const fn limit(self) -> usize {
        if matches!(self, Self::Voip) { CALL_LIMIT } else { PAYLOAD_LIMIT }
    }

    /// Returns the priorities that it may have.
    pub const fn priorities(self) -> &'static [u8] {
        match self {
            Self::Background => &[5, 1],
            Self::LiveActivity => &[10, 5],
            Self::PushToTalk => &[10],
            _ => &[10, 5, 1],
        }
    }

    /// Returns the priority of a lane. A call cannot wait, whatever its lane.
    pub const fn priority(self, lane: Lane) -> u8 {
        match (self, lane) {
            (Self::Background, _) => 5,
            (Self::Voip | Self::PushToTalk, _) | (_, Lane::Critical | Lane::High) => 10,
            (Self::LiveActivity, _) | (_, Lane::Normal) => 5,
            (_, Lane::Low) => 1,
        }
    }

    /// Returns whether it is only ever tried once: nobody wants to hear yesterday's call for attention.
    pub const fn is_for_now(self) -> bool {
        matches!(self, Self::PushToTalk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_lead_back_to_their_type() {
        for kind in PushType::all() {
            assert_eq!(PushType::parse(kind.as_str()), Some(kind));
            assert_eq!(PushType::with_number(kind.number()), Some(kind));
        }
        assert_eq!(PushType::parse("Alert"), None);
        assert_eq!(PushType::with_number(11), None);
    }

    #[test]
    fn a_topic_is_the_bundle_id_with_its_type_s_ending_once() {
        assert_eq!(PushType::Alert.topic("com.example.app"), "com.example.app");
        assert_eq!(PushType::Voip.topic("com.example.app"), "com.example.app.voip");
        assert_eq!(PushType::Voip.topic("com.example.app.voip"), "com.example.app.voip");
        assert_eq!(PushType::LiveActivity.topic("a.b"), "a.b.push-type.liveactivity");
    }

    #[test]
    fn every_lane_s_priority_is_one_that_the_type_may_have() {
        for kind in PushType::all() {
            for lane in Lane::ALL {
                assert!(kind.priorities().contains(&kind.priority(lane)), "{kind:?} {lane:?}");
            }
        }
        assert_eq!(Lane::ALL.map(|lane| PushType::Alert.priority(lane)), [10, 10, 5, 1]);
        assert_eq!(PushType::Background.priority(Lane::Critical), 5);
    }
}
