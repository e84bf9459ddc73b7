//! The report for people, worst last, and for programs.

use std::io::{self, Write};

use serde_json::json;

use crate::cli::doctor::Report;
use crate::cli::finding::{Finding, Verdict};
use crate::cli::summary::grouped;

pub(super) fn json(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let survey = report.survey.as_ref();
    let value = json!({
        "interfaces": report.interfaces,
        "seconds": report.seconds,
        "packets": survey.map(|it| it.packets()),
        "octets": survey.map(|it| it.octets),
        "stripped_vlan_tags": survey.map(|it| it.stripped_tags),
        "errors": count(report, Verdict::Error),
        "warnings": count(report, Verdict::Warning),
        "findings": report.findings.iter().map(Finding::json).collect::<Vec<_>>(),
    });
    serde_json::to_writer_pretty(&mut *out, &value)?;
    writeln!(out)
}

/// Headings by the worst below them, and so the findings.
pub(super) fn text(report: &Report, colour: bool, out: &mut impl Write) -> io::Result<()> {
    let names = report.interfaces.join(", ");
    match &report.survey {
        Some(survey) => writeln!(
            out,
            "looked at {names} for {:.0} s: {} packets, {} octets on the wire",
            report.seconds,
            grouped(survey.packets()),
            grouped(survey.octets)
        )?,
        None => writeln!(out, "looked at {names}, but not at its traffic")?,
    }
    for (group, findings) in groups(&report.findings) {
        writeln!(out, "\n{group}")?;
        for finding in findings {
            line(finding, colour, out)?;
        }
    }
    let of = |verdict, word: &str| {
        let number = count(report, verdict);
        format!("{number} {word}{}", if number == 1 { "" } else { "s" })
    };
    let (errors, warnings) = (of(Verdict::Error, "error"), of(Verdict::Warning, "warning"));
    if report.findings.iter().any(|finding| finding.verdict.is_trouble()) {
        writeln!(out, "\nto put right: {errors}, {warnings}")
    } else {
        writeln!(out, "\nnothing to put right")
    }
}

fn groups(findings: &[Finding]) -> Vec<(&'static str, Vec<&Finding>)> {
    let mut groups: Vec<(&str, Vec<&Finding>)> = Vec::new();
    for finding in findings {
        let name = finding.check.group();
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, findings)) => findings.push(finding),
            None => groups.push((name, vec![finding])),
        }
    }
    for (_, findings) in &mut groups {
        findings.sort_by_key(|finding| finding.verdict);
    }
    groups.sort_by_key(|(_, findings)| findings.last().map(|finding| finding.verdict));
    groups
}

fn line(finding: &Finding, colour: bool, out: &mut impl Write) -> io::Result<()> {
    let Finding { check, verdict, fix, .. } = finding;
    let text = finding.text();
    let word = verdict.name();
    let (on, off) = match verdict {
        _ if !colour => ("", ""),
        Verdict::Ok => ("\x1b[32m", "\x1b[0m"),
        Verdict::Note | Verdict::Unknown => ("\x1b[36m", "\x1b[0m"),
        Verdict::Warning => ("\x1b[33m", "\x1b[0m"),
        Verdict::Error => ("\x1b[1;31m", "\x1b[0m"),
    };
    writeln!(out, "  {on}{word:<8}{off}  {:<17}  {text}", check.name())?;
    if *verdict == Verdict::Note || verdict.is_trouble() {
        writeln!(out, "{:31}why: {}", "", check.why())?;
    }
    match fix {
        Some(fix) => writeln!(out, "{:31}fix: {fix}", ""),
        None => Ok(()),
    }
}

fn count(report: &Report, verdict: Verdict) -> usize {
    report.findings.iter().filter(|finding| finding.verdict == verdict).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::finding::Check;

    fn report() -> Report {
        Report {
            interfaces: vec!["eth1".to_owned()],
            survey: None,
            seconds: 10.0,
            findings: vec![
                Finding::new(Check::OwnExport, Verdict::Error, "x").fixed_by("do this"),
                Finding::new(Check::Traffic, Verdict::Ok, "y").of("eth1"),
                Finding::new(Check::Clock, Verdict::Note, "z"),
                Finding::new(Check::Governor, Verdict::Unknown, "w"),
            ],
        }
    }

    fn printed(colour: bool) -> String {
        let mut out = Vec::new();
        text(&report(), colour, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_worst_stands_last_with_why_and_how() {
        let plain = printed(false);
        assert!(!plain.contains('\x1b'));
        let positions = [
            "machine",
            "clock",
            "unknown   governor ",
            "\ntraffic\n",
            "eth1: y",
            "do this",
            "to put right: 1 error, 0 warnings",
        ]
        .map(|text| plain.find(text).unwrap_or_else(|| panic!("{text}: {plain}")));
        assert!(positions.is_sorted(), "{plain}");
        assert!(plain.contains(Check::OwnExport.why()));
        assert!(printed(true).contains("\x1b[1;31merror"));
    }

    #[test]
    fn programs_read_every_finding_whole() {
        let mut out = Vec::new();
        json(&report(), &mut out).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&value["errors"], &value["warnings"]), (&json!(1), &json!(0)));
        let expected = json!({
            "check": "own-export",
            "group": "traffic",
            "subject": null,
            "verdict": "error",
            "finding": "x",
            "why": Check::OwnExport.why(),
            "fix": "do this",
        });
        assert_eq!(value["findings"][0], expected);
    }
}
