//! Judgements on what arrived while the doctor looked.

use std::time::Duration;

use crate::capture::CaptureError;
use crate::cli::doctor::interface::{Interface, Losses};
use crate::cli::finding::{Check, Finding, Verdict};
use crate::cli::summary::grouped;
use crate::cli::symptoms;
use crate::pipeline::Survey;
use crate::sys::ethtool::ReceiveRing;
use crate::telemetry::SILENCE_FIX;

/// Why there is nothing to judge. Without a right, or an interface that is up, that is said elsewhere.
pub(super) fn unseen(error: &CaptureError, may_capture: bool, any_up: bool) -> Finding {
    if !may_capture {
        let text = "the traffic could not be looked at without CAP_NET_RAW";
        return Finding::new(Check::Traffic, Verdict::Unknown, text);
    }
    let text = format!("the traffic could not be looked at: {error}");
    if any_up {
        let fix = "put right what the system says; flowtap capture would end the same way";
        return Finding::new(Check::Traffic, Verdict::Error, text).fixed_by(fix);
    }
    Finding::new(Check::Traffic, Verdict::Unknown, text)
}

/// What an interface counted, and what came through it in that time.
pub(super) fn of_interface(
    before: &Interface,
    after: Losses,
    survey: &Survey,
    time: Duration,
) -> Vec<Finding> {
    let of = |(index, count): &(u32, u64)| (Some(*index) == before.index).then_some(*count);
    let packets = survey.frames.iter().find_map(of).unwrap_or(0);
    let lost = since(before.losses, after);
    let findings = [
        arrivals(packets, time.as_secs_f64()),
        losses(&before.name, lost, before.losses, before.ring),
        ring(&before.name, before.ring, rate(packets, time), lost.missed),
    ];
    findings.map(|finding| finding.of(&before.name)).into()
}

/// What all of the traffic tells.
pub(super) fn of_survey(survey: &Survey) -> Vec<Finding> {
    let mut findings = vec![duplicates(survey.duplicates, survey.compared_packets)];
    findings.extend(symptoms::findings(&survey.counts));
    let failed = |error: &CaptureError| {
        Finding::new(Check::Traffic, Verdict::Error, error.to_string()).fixed_by("ip link show")
    };
    findings.extend(survey.errors.iter().map(failed));
    findings
}

fn arrivals(packets: u64, seconds: f64) -> Finding {
    if packets == 0 {
        let text = format!("no packet arrived in {seconds:.0} s");
        return Finding::new(Check::Traffic, Verdict::Error, text).fixed_by(SILENCE_FIX);
    }
    let text = format!("{} packets arrived in {seconds:.0} s", grouped(packets));
    Finding::new(Check::Traffic, Verdict::Ok, text)
}

/// What was `lost` while somebody looked, and `before` that.
pub(in crate::cli) fn losses(
    name: &str,
    lost: Losses,
    before: Losses,
    ring: Option<ReceiveRing>,
) -> Finding {
    let found = |verdict, text: String| Finding::new(Check::InterfaceDrops, verdict, text);
    if lost.missed > 0 {
        let text = format!("the interface lost {} packets while we looked", grouped(lost.missed));
        return found(Verdict::Error, text).fixed_by(larger_ring(name, ring));
    }
    if lost.length > 0 {
        let text = format!("{} frames were too long for the interface", grouped(lost.length));
        return found(Verdict::Error, text).fixed_by(format!("ip link set dev {name} mtu 9000"));
    }
    if lost.damaged > 0 {
        let text = format!("{} frames arrived broken", grouped(lost.damaged));
        return found(Verdict::Warning, text)
            .fixed_by(format!("ethtool -S {name}: change cable or transceiver"));
    }
    match before.missed {
        0 => found(Verdict::Ok, "the interface lost no packet".to_owned()),
        missed => {
            let text = format!("the interface lost {} packets, before we looked", grouped(missed));
            found(Verdict::Note, text)
        }
    }
}

fn larger_ring(name: &str, ring: Option<ReceiveRing>) -> String {
    match ring {
        Some(ReceiveRing { current, maximum }) if current < maximum => {
            format!("ethtool -G {name} rx {maximum}")
        }
        _ => format!("ethtool -L {name} combined N, one queue for each processor"),
    }
}

/// Whether the ring is large enough for so many packets a second, of which so many were missed.
pub(in crate::cli) fn ring(
    name: &str,
    ring: Option<ReceiveRing>,
    rate: f64,
    missed: u64,
) -> Finding {
    let Some(sizes @ ReceiveRing { current, maximum }) = ring else {
        let text = "the interface has no ring that can be asked for";
        return Finding::new(Check::ReceiveRing, Verdict::Unknown, text);
    };
    let milliseconds = 1000.0 * f64::from(current) / rate.max(1.0);
    let text = format!(
        "the receive ring has {} of {} places, {} at this rate",
        grouped(current.into()),
        grouped(maximum.into()),
        if milliseconds < 1000.0 { format!("{milliseconds:.1} ms") } else { "over 1 s".to_owned() },
    );
    let is_small = missed > 0 || milliseconds < SHORTEST_RING_MILLISECONDS;
    if is_small && current < maximum {
        let verdict = if missed > 0 { Verdict::Error } else { Verdict::Warning };
        return Finding::new(Check::ReceiveRing, verdict, text)
            .fixed_by(larger_ring(name, Some(sizes)));
    }
    Finding::new(Check::ReceiveRing, Verdict::Ok, text)
}

fn duplicates(duplicates: u64, compared: u64) -> Finding {
    if compared == 0 {
        let text = "there was no packet to compare";
        return Finding::new(Check::Duplicates, Verdict::Unknown, text);
    }
    let (of, count) = (grouped(compared), grouped(duplicates));
    let is_many = duplicates >= FEWEST_DUPLICATES && duplicates.saturating_mul(100) >= compared;
    if is_many {
        let text = format!("{count} of {of} packets came twice within 10 ms");
        return Finding::new(Check::Duplicates, Verdict::Warning, text).fixed_by(
            "mirror one end of each path only (Cisco: monitor session 1 source interface PORT rx), or \
             leave one interface out",
        );
    }
    let text = match duplicates {
        0 => format!("none of {of} packets came twice"),
        _ => format!("{count} of {of} packets came twice, less than one in a hundred"),
    };
    Finding::new(Check::Duplicates, Verdict::Ok, text)
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
pub(in crate::cli) fn rate(packets: u64, time: Duration) -> f64 {
    packets as f64 / time.as_secs_f64().max(1e-3)
}

/// A counter that runs backwards was reset.
pub(in crate::cli) const fn since(before: Losses, after: Losses) -> Losses {
    Losses {
        missed: after.missed.saturating_sub(before.missed),
        damaged: after.damaged.saturating_sub(before.damaged),
        length: after.length.saturating_sub(before.length),
    }
}

/// At the mean of some seconds: bursts fill a ring ten times as fast, and a kernel that has other things
/// to do looks again after a millisecond.
const SHORTEST_RING_MILLISECONDS: f64 = 10.0;
/// Networks lose and repeat a packet now and then.
const FEWEST_DUPLICATES: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_small_by_the_rate_or_by_what_it_lost() {
        let sizes = |current, maximum| Some(ReceiveRing { current, maximum });
        for (of, rate, missed, verdict, fix) in [
            (sizes(512, 4096), 1000.0, 0, Verdict::Ok, None),
            (sizes(512, 4096), 51_000.0, 0, Verdict::Ok, None),
            (sizes(512, 4096), 52_000.0, 0, Verdict::Warning, Some("ethtool -G eth1 rx 4096")),
            (sizes(512, 4096), 1000.0, 1, Verdict::Error, Some("ethtool -G eth1 rx 4096")),
            (sizes(4096, 4096), 1_000_000.0, 1, Verdict::Ok, None),
            (sizes(512, 4096), 0.0, 0, Verdict::Ok, None),
            (None, 1_000_000.0, 0, Verdict::Unknown, None),
        ] {
            let finding = ring("eth1", of, rate, missed);
            assert_eq!((finding.verdict, finding.fix.as_deref()), (verdict, fix), "{finding:?}");
        }
    }

    #[test]
    fn losses_while_we_look_count_and_those_before_are_noted() {
        let none = Losses::default();
        let ring = Some(ReceiveRing { current: 4096, maximum: 4096 });
        for (lost, before, verdict) in [
            (none, none, Verdict::Ok),
            (none, Losses { missed: 5, ..none }, Verdict::Note),
            (Losses { missed: 1, ..none }, none, Verdict::Error),
            (Losses { length: 1, ..none }, none, Verdict::Error),
            (Losses { damaged: 1, ..none }, none, Verdict::Warning),
        ] {
            let finding = losses("eth1", lost, before, ring);
            assert_eq!(finding.verdict, verdict);
            assert_eq!(finding.fix.is_some(), verdict.is_trouble(), "{finding:?}");
        }
        let reset = since(Losses { missed: 9, ..none }, none);
        assert_eq!(reset, none);
    }

    #[test]
    fn duplicates_are_many_from_one_in_a_hundred_on() {
        let verdict = |count, of| duplicates(count, of).verdict;
        assert_eq!(verdict(0, 0), Verdict::Unknown);
        assert_eq!([verdict(0, 1000), verdict(9, 20), verdict(10, 1001)], [Verdict::Ok; 3]);
        assert_eq!([verdict(10, 1000), verdict(500, 1000)], [Verdict::Warning; 2]);
    }

    #[test]
    fn what_cannot_be_looked_at_is_an_error_unless_the_reason_is_one_already() {
        let what = "no memory".to_owned();
        let error = CaptureError::Interface { interface: "eth1".to_owned(), what };
        let verdict = |may_capture, any_up| unseen(&error, may_capture, any_up).verdict;
        assert_eq!(verdict(true, true), Verdict::Error);
        assert_eq!([verdict(false, true), verdict(true, false)], [Verdict::Unknown; 2]);
    }

    #[test]
    fn silence_is_an_error() {
        assert_eq!(arrivals(0, 10.0).verdict, Verdict::Error);
        assert_eq!(arrivals(1, 10.0).verdict, Verdict::Ok);
    }
}
