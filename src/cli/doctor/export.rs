//! Judgements on where records go: collectors, and the disk on which they wait.

use std::path::Path;
use std::thread;

use crate::cli::certificates;
use crate::cli::finding::{Check, Finding, Verdict};
use crate::cli::summary::grouped;
use crate::export::{Collector, ExportError, Transport, certificate_ends, reach};
use crate::pipeline::Survey;
use crate::time::Timestamp;

/// Whether each of them is there: all at once, for one that is away takes its time.
pub(super) fn collectors(collectors: &[&Collector]) -> Vec<Finding> {
    let judged: Vec<_> = thread::scope(|scope| {
        let ask = |collector: &&Collector| {
            let collector = (*collector).clone();
            scope.spawn(move || judge(&collector, reach(&collector)))
        };
        let threads: Vec<_> = collectors.iter().map(ask).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    judged
}

fn judge(collector: &Collector, reached: Result<(), ExportError>) -> Finding {
    let finding = match reached {
        Ok(()) if collector.transport == Transport::Udp => {
            let text = "nobody says that nobody listens; over UDP no more can be known";
            Finding::new(Check::Collector, Verdict::Ok, text)
        }
        Ok(()) => Finding::new(Check::Collector, Verdict::Ok, "a session was opened and closed"),
        Err(error) => {
            let text = error.to_string();
            // The subject says it already.
            let text = text.strip_prefix(&format!("{}: ", collector.address())).unwrap_or(&text);
            Finding::new(Check::Collector, Verdict::Error, text).fixed_by(fix(collector))
        }
    };
    finding.of(collector.address().to_string())
}

fn fix(collector: &Collector) -> String {
    let Collector { transport, host, port, .. } = collector;
    match transport {
        Transport::Udp => {
            format!("on {host}: ss -lun sport = :{port}; and let UDP to port {port} pass")
        }
        Transport::Tcp => format!("nc -vz {host} {port}; on {host}: ss -ltn sport = :{port}"),
        Transport::Tls => {
            format!(
                "openssl s_client -connect {host}:{port}; and look at ca, cert, key, name of the target"
            )
        }
        Transport::Sctp => format!("modprobe sctp; on {host}: ss -lSn sport = :{port}"),
    }
}

/// Until when the certificates are good that these take.
pub(super) fn certificates(collectors: &[&Collector], now: Timestamp) -> Vec<Finding> {
    let over_tls = collectors.iter().filter(|it| it.transport == Transport::Tls);
    let judge = |collector: &&Collector| {
        let ends = certificate_ends(&collector.options.tls);
        certificates::findings(&collector.address().to_string(), &ends, now)
    };
    over_tls.flat_map(judge).collect()
}

/// Whether records of a day without collectors have room; `disk` is the directory and what is free there.
pub(super) fn spool(
    disk: Option<(&Path, Option<u64>)>,
    size: u64,
    collectors: usize,
    survey: &Survey,
) -> Option<Finding> {
    if collectors == 0 {
        return None;
    }
    let Some((directory, free)) = disk else {
        let text = "there is no spool: in an outage records wait in memory only";
        return Some(
            Finding::new(Check::SpoolDisk, Verdict::Note, text)
                .fixed_by("flowtap capture --spool /var/spool/flowtap --spool-size SIZE"),
        );
    };
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let alive = survey.counts.flows as f64;
    let day = octets_of_a_day(survey.new_flows_per_second, alive);
    Some(room(directory, free, size, collectors, day))
}

fn room(directory: &Path, free: Option<u64>, size: u64, collectors: usize, day: u64) -> Finding {
    let found = |verdict, text| {
        Finding::new(Check::SpoolDisk, verdict, text).of(directory.display().to_string())
    };
    let Some(free) = free else {
        return found(Verdict::Unknown, UNTOLD.to_owned());
    };
    let all = day.saturating_mul(collectors as u64);
    let needed = format!(
        "a day's records take about {} for {}",
        megabytes(all),
        if collectors == 1 {
            "the collector".to_owned()
        } else {
            format!("{collectors} collectors")
        },
    );
    if free < all {
        let text = format!("{needed}, and {} are free", megabytes(free));
        return found(Verdict::Warning, text).fixed_by(format!(
            "flowtap capture --spool DIR, on a disk with {} free",
            megabytes(all)
        ));
    }
    if size < day {
        let text = format!("{needed}, and --spool-size lets each have {}", megabytes(size));
        return found(Verdict::Warning, text)
            .fixed_by(format!("flowtap capture --spool-size {}M", day.div_ceil(1_000_000)));
    }
    found(Verdict::Ok, format!("{needed}, and {} are free", megabytes(free)))
}

/// Whether a spool that may take so many octets more finds them on its disk.
pub(in crate::cli) fn room_to_grow(directory: &Path, free: Option<u64>, left: u64) -> Finding {
    let found = |verdict, text| {
        Finding::new(Check::SpoolDisk, verdict, text).of(directory.display().to_string())
    };
    let Some(free) = free else { return found(Verdict::Unknown, UNTOLD.to_owned()) };
    let text =
        format!("the spool may grow by {}, and {} are free", megabytes(left), megabytes(free));
    if free < left {
        return found(Verdict::Warning, text).fixed_by(format!(
            "flowtap capture --spool DIR, on a disk with {} free; or a smaller --spool-size",
            megabytes(left)
        ));
    }
    found(Verdict::Ok, text)
}

/// Flows that begin make a record each at least; those that go on one a minute.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate; saturates"
)]
fn octets_of_a_day(new_flows_per_second: f64, alive: f64) -> u64 {
    (SECONDS_OF_A_DAY * OCTETS_OF_A_RECORD * (new_flows_per_second + alive / 60.0)) as u64
}

fn megabytes(octets: u64) -> String {
    format!("{} MB", grouped(octets.div_ceil(1_000_000)))
}

const UNTOLD: &str = "the disk does not tell what is free";
const SECONDS_OF_A_DAY: f64 = 86_400.0;
/// A record of IPv6 in the largest layout, with its share of what is around it, is a little less.
const OCTETS_OF_A_RECORD: f64 = 200.0;

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_day_has_to_fit_on_the_disk_and_in_the_spool() {
        let place = Path::new("/spool");
        let verdict = |free, size, collectors, day| {
            let finding = room(place, free, size, collectors, day);
            (finding.verdict, finding.fix.unwrap_or_default())
        };
        let mega = 1_000_000;
        assert_eq!(verdict(Some(200 * mega), 100 * mega, 2, 100 * mega).0, Verdict::Ok);
        let (is, fix) = verdict(Some(199 * mega), 100 * mega, 2, 100 * mega);
        assert_eq!(is, Verdict::Warning);
        assert!(fix.contains("200 MB"), "{fix}");
        let (is, fix) = verdict(Some(900 * mega), 100 * mega, 1, 100 * mega + 1);
        assert_eq!((is, fix.as_str()), (Verdict::Warning, "flowtap capture --spool-size 101M"));
        assert_eq!(verdict(None, mega, 1, mega).0, Verdict::Unknown);
    }

    #[test]
    fn a_spool_is_warned_of_when_the_disk_is_full_before_it_is() {
        let verdict = |free, left| room_to_grow(Path::new("/spool"), free, left).verdict;
        assert_eq!([verdict(Some(100), 100), verdict(Some(0), 0)], [Verdict::Ok; 2]);
        assert_eq!(verdict(Some(99), 100), Verdict::Warning);
        assert_eq!(verdict(None, 100), Verdict::Unknown);
    }

    #[test]
    fn a_day_is_made_of_flows_that_begin_and_flows_that_go_on() {
        assert_eq!(octets_of_a_day(0.0, 0.0), 0);
        assert_eq!(octets_of_a_day(1.0, 0.0), 17_280_000);
        assert_eq!(octets_of_a_day(0.0, 60.0), 17_280_000);
    }

    #[test]
    fn a_collector_that_is_away_is_an_error_that_names_it_once() {
        let collector: Collector = "tcp://192.0.2.1:4739".parse().unwrap();
        let source = io::Error::from(io::ErrorKind::ConnectionRefused);
        let error = ExportError::Connect { target: collector.address().to_string(), source };
        let finding = judge(&collector, Err(error));
        assert_eq!(finding.verdict, Verdict::Error);
        assert_eq!(finding.subject.as_deref(), Some("tcp://192.0.2.1:4739"));
        assert!(!finding.finding.contains("192.0.2.1"), "{}", finding.finding);
        assert!(finding.fix.unwrap().starts_with("nc -vz 192.0.2.1 4739"));
        assert_eq!(judge(&collector, Ok(())).verdict, Verdict::Ok);
    }

    #[test]
    fn without_collectors_there_is_nothing_to_wait_for() {
        let survey = Survey::default();
        assert_eq!(spool(None, 1, 0, &survey), None);
        assert_eq!(spool(None, 1, 1, &survey).unwrap().verdict, Verdict::Note);
    }
}
