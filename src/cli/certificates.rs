//! Whether certificates are renewed in time, for the doctor and while a capture runs.

use crate::cli::finding::{Check, Finding, Verdict};
use crate::export::{CertificateEnd, FileUse};
use crate::time::Timestamp;

/// One for each file; `target` is whom the certificates are for, as its operator wrote it.
pub(super) fn findings(target: &str, ends: &[CertificateEnd], now: Timestamp) -> Vec<Finding> {
    let judge = |end: &CertificateEnd| judge(target, end, now).of(end.path.display().to_string());
    ends.iter().map(judge).collect()
}

fn judge(target: &str, end: &CertificateEnd, now: Timestamp) -> Finding {
    let found = |verdict, text| Finding::new(Check::Certificate, verdict, text);
    let what = match end.what {
        FileUse::Authorities => "the last authority",
        FileUse::Certificate | FileUse::Key => "the certificate",
    };
    let renewed = "put a new one in its place: it is read again, without a restart";
    let left = end.not_after.since(now);
    let days = left.as_secs() / SECONDS_OF_A_DAY;
    if left.is_zero() {
        let days = now.since(end.not_after).as_secs() / SECONDS_OF_A_DAY;
        let text = format!("{what} for {target} ended {days} days ago");
        return found(Verdict::Error, text).fixed_by(renewed);
    }
    if days < FEWEST_DAYS {
        let text = format!("{what} for {target} ends in {days} days");
        return found(Verdict::Warning, text).fixed_by(renewed);
    }
    found(Verdict::Ok, format!("{what} for {target} is good for {days} days"))
}

const SECONDS_OF_A_DAY: u64 = 86_400;
/// Who renews by hand needs a month, who does it by machine has failed by then.
const FEWEST_DAYS: u64 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_told_of_a_month_before_it_ends() {
        let ends = Timestamp::from_parts(2_000_000_000, 0);
        let end = CertificateEnd {
            what: FileUse::Certificate,
            path: "/etc/flowtap/own.pem".into(),
            not_after: ends,
        };
        let at = |seconds: i64| {
            let now = ends.as_secs().checked_add_signed(-seconds).unwrap();
            let now = Timestamp::from_parts(now, 0);
            let found = findings("tls://c:4740", std::slice::from_ref(&end), now);
            let [finding] = &found[..] else { panic!("{found:?}") };
            assert_eq!(finding.subject.as_deref(), Some("/etc/flowtap/own.pem"));
            assert_eq!(finding.fix.is_some(), finding.verdict.is_trouble());
            (finding.verdict, finding.finding.clone())
        };
        const DAY: i64 = 86_400;
        assert_eq!(at(30 * DAY).0, Verdict::Ok);
        let (verdict, text) = at(30 * DAY - 1);
        assert_eq!(verdict, Verdict::Warning);
        assert_eq!(text, "the certificate for tls://c:4740 ends in 29 days");
        assert_eq!(at(1).0, Verdict::Warning);
        assert_eq!(at(0).0, Verdict::Error);
        let (verdict, text) = at(-3 * DAY);
        assert_eq!(verdict, Verdict::Error);
        assert!(text.ends_with(" ended 3 days ago"), "{text}");
    }
}
