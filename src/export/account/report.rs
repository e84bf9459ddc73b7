//! What became of a target, when its books are closed.

use crate::export::account::{Aggregation, LossReason, Sessions, Totals};
use crate::export::error::ExportError;

/// What became of a target.
#[derive(Debug)]
pub struct TargetReport {
    /// The target as written.
    pub target: String,
    /// Its place among the targets, as whoever looks at it while it is at work sees it.
    pub label: String,
    /// What it is: a transport, `file`, `json`, `failover`.
    pub kind: &'static str,
    /// What it was given in this run.
    pub given: Totals,
    /// What an earlier run had left in its spool.
    pub carried_over: Totals,
    /// What reached it: the file, the socket, over TCP the Collector.
    pub sent: Totals,
    /// What is left in its spool for the next run.
    pub kept: Totals,
    /// What was summed up, and what was withheld.
    pub aggregation: Aggregation,
    pub(super) lost: [Totals; LossReason::ALL.len()],
    /// Messages sent (`exportedMessageTotalCount`, IE 41), Template Messages included.
    pub messages: u64,
    /// Octets of these (`exportedOctetTotalCount`, IE 40), or octets of text.
    pub message_octets: u64,
    /// How often the Collector was there.
    pub sessions: Sessions,
    /// How often its spool became nearly full.
    pub spool_nearly_full: u64,
    /// The first thing that went wrong.
    pub first_error: Option<ExportError>,
}

impl TargetReport {
    /// What was lost for `reason`.
    pub fn lost(&self, reason: LossReason) -> Totals {
        self.lost.get(reason as usize).copied().unwrap_or_default()
    }

    /// Takes in what became of the same target after it had been closed and opened again. What waited in
    /// the spool in between is neither left nor an earlier run's.
    pub(crate) fn go_on(&mut self, later: Self) {
        let Self {
            target: _,
            label,
            kind: _,
            given,
            carried_over,
            sent,
            kept,
            aggregation,
            lost,
            messages,
            message_octets,
            sessions,
            spool_nearly_full,
            first_error,
        } = later;
        self.label = label;
        let handed_over = self.kept.at_most(carried_over);
        self.kept = self.kept.less(handed_over);
        self.given += given;
        self.carried_over += carried_over.less(handed_over);
        self.sent += sent;
        self.kept += kept;
        self.lost.iter_mut().zip(lost).for_each(|(sum, lost)| *sum += lost);
        self.aggregation += aggregation;
        self.messages += messages;
        self.message_octets += message_octets;
        self.sessions += sessions;
        self.spool_nearly_full += spool_nearly_full;
        self.first_error = self.first_error.take().or(first_error);
    }

    /// Whether everything is accounted for: what it was given and what was left for it was sent, lost,
    /// withheld, or left for the next run.
    pub fn balances(&self) -> bool {
        let mut incoming = self.given;
        incoming += self.carried_over;
        incoming.records = incoming.records.saturating_add(self.aggregation.aggregates);
        let mut outgoing = self.sent;
        outgoing += self.kept;
        outgoing += self.aggregation.settled();
        outgoing += self.lost_totals();
        incoming == outgoing
    }

    /// What was lost for any reason.
    pub fn lost_totals(&self) -> Totals {
        let mut totals = Totals::default();
        for &lost in &self.lost {
            totals += lost;
        }
        totals
    }
}
