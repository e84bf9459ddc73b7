//! Flow Records that are lost on the way to a target while a capture runs: said when that begins, and when
//! it is over. The ledger has all of them in any case.

use std::collections::HashMap;

use crate::export::{LossReason, Watches};

/// What each target has lost so far, by reason.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// By place and reason: places are never given again.
    seen: HashMap<(String, LossReason), Seen>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    records: u64,
    /// Looks since the last loss, if that was said.
    calm: Option<u32>,
}

/// What is to be said of a target.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Loss {
    /// The target as written.
    pub(super) target: String,
    pub(super) reason: LossReason,
    /// Data Records lost since the last look; none when it is over.
    pub(super) records: u64,
}

impl Losses {
    /// What has begun since the last look, and what is over.
    pub(super) fn look(&mut self, watches: &Watches, calm_looks: u32) -> Vec<Loss> {
        let before = std::mem::take(&mut self.seen);
        let mut news = Vec::new();
        for watch in watches.all() {
            let lost = watch.state().lost;
            for (reason, totals) in LossReason::ALL.into_iter().zip(lost) {
                let place = (watch.label.clone(), reason);
                let known = before.get(&place).copied().unwrap_or_default();
                let records = totals.records.saturating_sub(known.records);
                let calm = match known.calm {
                    _ if records > 0 => Some(0),
                    Some(calm) if calm + 1 < calm_looks => Some(calm + 1),
                    _ => None,
                };
                if calm.is_some() != known.calm.is_some() {
                    news.push(Loss { target: watch.name.clone(), reason, records });
                }
                self.seen.insert(place, Seen { records: totals.records, calm });
            }
        }
        news
    }
}

impl Loss {
    /// What keeps records from being lost so.
    pub(super) const fn fix(&self) -> &'static str {
        match self.reason {
            LossReason::QueueFull => {
                "the target is away, or takes less than there is: --spool DIR keeps on disk what waits for a \
                 collector, --queue SIZE more in memory"
            }
            LossReason::SpoolFull => {
                "give the spool more room (--spool-size, and its disk; flowtap plan reckons it)"
            }
            LossReason::Expired => {
                "let records wait longer (--spool-age), or bring the collector back"
            }
            LossReason::NotSent
            | LossReason::Undelivered
            | LossReason::TargetFailed
            | LossReason::ReaderGone
            | LossReason::SpoolDamaged => "the error of this target, said before, tells why",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::export::{Totals, Watch};

    #[test]
    fn a_loss_is_said_when_it_begins_and_when_it_is_over() {
        let watch = |place: &str| {
            let name = format!("tcp://collector-{place}");
            Arc::new(Watch::new(name, place.to_owned(), "tcp", Vec::new()))
        };
        let (one, other) = (watch("1"), watch("2"));
        let watches = Watches::default();
        watches.show([&one, &other].into_iter());
        let mut losses = Losses::default();
        let mut look = |lost: u64| {
            other.queue_full.add(Totals { records: lost, ..Totals::default() });
            losses.look(&watches, 3)
        };
        let loss = |records| Loss {
            target: "tcp://collector-2".to_owned(),
            reason: LossReason::QueueFull,
            records,
        };
        assert_eq!(look(0), []);
        assert_eq!(look(7), [loss(7)]);
        // It goes on, with pauses.
        for lost in [3, 0, 0, 1, 0, 0] {
            assert_eq!(look(lost), []);
        }
        assert_eq!(look(0), [loss(0)]);
        assert_eq!(look(0), []);
        assert_eq!(look(2), [loss(2)], "another");
        watches.show([&one].into_iter());
        assert_eq!(look(0), [], "nobody asks for it any more");
        assert_eq!(losses.seen.len(), LossReason::ALL.len());
    }
}
