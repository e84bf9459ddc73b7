//! `flowtap profiles`: what each profile of a collector changes, and why.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::export::{OptionsDomain, Profile, ProfileRules, Reason, SamplingElements, TimeUnit};

/// How profiles are printed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum ProfilesFormat {
    /// A table for people
    #[default]
    Table,
    /// One JSON array, an object a profile
    Json,
}

/// Prints every profile.
///
/// # Errors
///
/// Those of the output.
pub fn print(format: ProfilesFormat, out: &mut dyn Write) -> io::Result<()> {
    match format {
        ProfilesFormat::Table => table(out),
        ProfilesFormat::Json => {
            let profiles = Value::Array(Profile::ALL.map(|profile| object(profile.rules())).into());
            serde_json::to_writer_pretty(&mut *out, &profiles)?;
            writeln!(out)
        }
    }
}

fn table(out: &mut dyn Write) -> io::Result<()> {
    row(out, ["Profile", "Biflow", "Times", "Ours"], &["What changes, and why"])?;
    for rules in Profile::ALL.map(Profile::rules) {
        let ProfileRules { profile, collectors, mapping, times, reasons, .. } = rules;
        let times: Vec<_> = times.iter().copied().map(TimeUnit::name).collect();
        let cells = [
            profile.name(),
            switch(mapping.biflow),
            &times.join(" "),
            switch(mapping.enterprise_elements),
        ];
        let reasons =
            reasons.iter().map(|Reason { change, because }| format!("- {change}: {because}"));
        let text: Vec<_> = std::iter::once(format!("For {collectors}.")).chain(reasons).collect();
        writeln!(out)?;
        row(out, cells, &text)?;
    }
    writeln!(out)?;
    for line in wrapped(LEGEND, "", WIDTH) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Writes the first four columns once, and beside them the paragraphs.
fn row(out: &mut dyn Write, cells: [&str; 4], paragraphs: &[impl AsRef<str>]) -> io::Result<()> {
    let [profile, biflow, times, ours] = cells;
    let mut front = format!("{profile:<9}  {biflow:<6}  {times:<8}  {ours:<4}  ");
    let width = WIDTH - front.len();
    for paragraph in paragraphs {
        let paragraph = paragraph.as_ref();
        let indent = if paragraph.starts_with("- ") { "  " } else { "" };
        for line in wrapped(paragraph, indent, width) {
            writeln!(out, "{front}{line}")?;
            front = " ".repeat(front.len());
        }
    }
    Ok(())
}

/// Lines of at most `width` columns; all but the first begin with `indent`. The text is ASCII.
fn wrapped(text: &str, indent: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.len() + 1 + word.len() > width {
            lines.push(std::mem::replace(&mut line, indent.to_owned()));
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

fn object(rules: &ProfileRules) -> Value {
    let ProfileRules {
        profile,
        collectors,
        mapping,
        reads_biflows,
        times,
        options,
        refresh,
        reasons,
    } = rules;
    let reasons: Vec<_> = reasons
        .iter()
        .map(|Reason { change, because }| json!({ "change": change, "because": because }))
        .collect();
    json!({
        "profile": profile.name(),
        "collectors": collectors,
        "biflow": mapping.biflow,
        "reads_biflows": reads_biflows,
        "time": mapping.time.name(),
        "times": times.iter().copied().map(TimeUnit::name).collect::<Vec<_>>(),
        "enterprise_elements": mapping.enterprise_elements,
        "template_refresh_seconds": refresh.templates.as_secs(),
        "options_refresh_seconds": refresh.options.as_secs(),
        "options": {
            "domain": match options.domain {
                OptionsDomain::Flows => "flows",
                OptionsDomain::Zero => "zero",
            },
            "statistics": options.statistics,
            "flow_keys": options.flow_keys,
            "anonymization": options.anonymization,
            "interfaces": options.interfaces,
            "sampling": match options.sampling {
                SamplingElements::Selector => "selector",
                SamplingElements::Legacy => "legacy",
            },
            "timeouts": options.timeouts,
            "biflow_method": options.biflow_method,
            "element_types": options.element_types,
        },
        "reasons": reasons,
    })
}

const fn switch(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// Columns of a line at most.
const WIDTH: usize = 100;

const LEGEND: &str = "Biflow: both directions of a flow in one record. Times: units that the \
    collector reads; the first is used. Ours: elements of our own, of tunnels and fragments. Options \
    of a target say otherwise where the collector can read it: udp://HOST:PORT?profile=flowmon&biflow=on.";

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(format: ProfilesFormat) -> String {
        let mut out = Vec::new();
        print(format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_table_fits_a_terminal_and_leaves_nothing_out() {
        let table = printed(ProfilesFormat::Table);
        for line in table.lines() {
            assert!(line.is_ascii() && line.len() <= 100, "{} columns: {line}", line.len());
        }
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        // Without the columns before it, the last one is running text.
        let text: Vec<_> = table.lines().filter_map(|line| line.get(35..)).collect();
        let text = words(&text.join(" "));
        for rules in Profile::ALL.map(Profile::rules) {
            assert!(text.contains(&words(rules.collectors)), "{}", rules.collectors);
            for reason in rules.reasons {
                let reason = words(&format!("{}: {}", reason.change, reason.because));
                assert!(text.contains(&reason), "{reason}\n{text}");
            }
            let name = format!("{:<9}  {}", rules.profile.name(), switch(rules.mapping.biflow));
            assert!(table.lines().any(|line| line.starts_with(&name)), "{name}");
        }
    }

    #[test]
    fn json_says_the_same_for_programs() {
        let value: Value = serde_json::from_str(&printed(ProfilesFormat::Json)).unwrap();
        let profiles = value.as_array().unwrap();
        assert_eq!(profiles.len(), Profile::ALL.len());
        for (object, profile) in profiles.iter().zip(Profile::ALL) {
            assert_eq!(object["profile"], profile.name());
            assert_eq!(object["biflow"], profile.rules().mapping.biflow);
            assert!(object["times"].as_array().unwrap().contains(&object["time"]));
            assert_eq!(object["reasons"].as_array().unwrap().len(), profile.rules().reasons.len());
        }
        assert_eq!(profiles[1]["options"]["domain"], "zero");
        assert_eq!(profiles[3]["options"]["sampling"], "legacy");
    }
}
