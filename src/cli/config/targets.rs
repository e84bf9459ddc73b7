//! Tables of targets: `[[collector]]`, `[[group]]`, `[[file]]` and `[[json]]`.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::cli::config::document;
use crate::cli::config::error::{ConfigError, Source};
use crate::export::{
    Collector, CollectorOptions, FileTarget, Group, GroupMode, JsonOutput, JsonTarget,
    PrivacyOptions, Target, TargetError, duration_text, size_text,
};

/// Tables that stand for targets.
pub(super) const KINDS: [&str; 4] = ["collector", "group", "file", "json"];

/// A target and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) target: Target,
    pub(super) path: String,
    pub(super) span: Range<usize>,
}

/// Reads the table at `path`.
pub(super) fn read(
    source: Source<'_>,
    kind: &str,
    path: &str,
    value: &Spanned<DeValue<'_>>,
) -> Result<Placed, ConfigError> {
    let table = Table::new(source, path, value);
    let target = match kind {
        "collector" => Target::Collector(collector(table.clone())?),
        "group" => Target::Group(group(table.clone())?),
        "file" => file(table.clone())?,
        _ => json(table.clone())?,
    };
    target.check().map_err(|error| table.wrong(error))?;
    Ok(Placed { target, path: path.to_owned(), span: value.span() })
}

fn collector(mut table: Table<'_, '_>) -> Result<Collector, ConfigError> {
    let url: Spanned<String> = table.take("url", "url = \"tls://collector.example:4740\"")?;
    let fault = |what: String| table.fault(&url.span(), "url", what);
    if url.get_ref().contains('?') {
        return Err(fault(
            "options are keys of the table here: leave out what follows the ?".into(),
        ));
    }
    let mut collector: Collector =
        url.get_ref().parse().map_err(|error: TargetError| fault(error.to_string()))?;
    collector.options = table.rest()?;
    Ok(collector)
}

fn group(mut table: Table<'_, '_>) -> Result<Group, ConfigError> {
    let mode: Spanned<String> = table.take("mode", "mode = \"failover\"")?;
    let modes = [GroupMode::Failover, GroupMode::Balance];
    let Some(mode) = modes.into_iter().find(|known| known.name() == mode.get_ref()) else {
        let what = format!("`{}` is no mode: use failover or balance", mode.get_ref());
        return Err(table.fault(&mode.span(), "mode", what));
    };
    let Some(members) = table.remove("collector") else {
        let path = &table.path;
        let what = "has no collectors: write [[group.collector]] below it, twice or more";
        return Err(table.source.fault(&table.span, Some(path.clone()), what));
    };
    let mut group = Group { mode, members: Vec::new() };
    let path = format!("{}.collector", table.path);
    for (number, member) in
        document::tables(table.source, "group.collector", &members)?.into_iter().enumerate()
    {
        let member = Table::new(table.source, &format!("{path}[{number}]"), member);
        let read = collector(member.clone())?;
        read.check().map_err(|error| member.wrong(error))?;
        group.members.push(read);
    }
    let Nothing {} = table.rest()?;
    Ok(group)
}

fn file(mut table: Table<'_, '_>) -> Result<Target, ConfigError> {
    let path: Spanned<String> = table.take("path", "path = \"flows.ipfix\"")?;
    // What follows the last `?` is options.
    let mut url = format!("file:{}?", path.get_ref());
    for name in ["rotate", "size", "compress"] {
        if table.has(name) {
            let value: Spanned<String> = table.take(name, "")?;
            let one: Result<Target, TargetError> =
                format!("file:x?{name}={}", escaped(value.get_ref())).parse();
            if let Err(TargetError::Option { error, .. }) = one {
                return Err(table.fault(&value.span(), name, error.to_string()));
            }
            url.push_str(&format!("{name}={}&", escaped(value.get_ref())));
        }
    }
    let fault = |error: TargetError| table.fault(&path.span(), "path", error.to_string());
    let mut target: Target = url.parse().map_err(fault)?;
    if let Target::File(file) = &mut target {
        file.options = table.rest()?;
    }
    Ok(target)
}

fn json(mut table: Table<'_, '_>) -> Result<Target, ConfigError> {
    let path: Spanned<String> = table.take("path", "path = \"flows.json\"")?;
    let fault = |error: TargetError| table.fault(&path.span(), "path", error.to_string());
    let mut target: Target = format!("json:{}?", path.get_ref()).parse().map_err(fault)?;
    if let Target::Json(json) = &mut target {
        let JsonRest { privacy } = table.rest()?;
        json.privacy = privacy;
    }
    Ok(target)
}

/// A value as it stands in a URL.
fn escaped(value: &str) -> String {
    value.replace('%', "%25").replace('&', "%26").replace('?', "%3F")
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct JsonRest {
    privacy: PrivacyOptions,
}

/// A table that keys are taken out of.
#[derive(Clone)]
struct Table<'s, 'de> {
    source: Source<'s>,
    path: String,
    keys: DeTable<'de>,
    span: Range<usize>,
}

impl<'s, 'de> Table<'s, 'de> {
    fn new(source: Source<'s>, path: &str, value: &Spanned<DeValue<'de>>) -> Self {
        let keys = match value.get_ref() {
            DeValue::Table(table) => table.clone(),
            _ => DeTable::new(),
        };
        Self { source, path: path.to_owned(), keys, span: value.span() }
    }

    fn has(&self, name: &str) -> bool {
        self.keys.iter().any(|(key, _)| key.get_ref() == name)
    }

    fn remove(&mut self, name: &str) -> Option<Spanned<DeValue<'de>>> {
        let key = self.keys.keys().find(|key| key.get_ref() == name)?.clone();
        self.keys.remove(&key)
    }

    /// Takes out what has to be there.
    fn take<T: Deserialize<'de>>(&mut self, name: &str, example: &str) -> Result<T, ConfigError> {
        match self.remove(name) {
            Some(value) => document::read(self.source, &format!("{}.{name}", self.path), &value),
            None => {
                let what = format!("has no `{name}`: add {example}");
                Err(self.source.fault(&self.span, Some(self.path.clone()), what))
            }
        }
    }

    /// What is left.
    fn rest<T: Deserialize<'de>>(&self) -> Result<T, ConfigError> {
        let rest = Spanned::new(self.span.clone(), DeValue::Table(self.keys.clone()));
        document::read(self.source, &self.path, &rest)
    }

    fn fault(&self, span: &Range<usize>, name: &str, what: String) -> ConfigError {
        self.source.fault(span, Some(format!("{}.{name}", self.path)), what)
    }

    /// What does not go together, at the key that is to blame if there is one.
    fn wrong(&self, error: TargetError) -> ConfigError {
        let found = match &error {
            TargetError::Option { error, .. } => error.key().and_then(|key| self.place(key)),
            _ => None,
        };
        let what = match error {
            TargetError::Option { error, .. } => error.to_string(),
            error => error.to_string(),
        };
        match found {
            Some((path, span)) => self.source.fault(&span, Some(path), what),
            None => self.source.fault(&self.span, Some(self.path.clone()), what),
        }
    }

    /// Where a key of a URL stands in the table.
    fn place(&self, key: &str) -> Option<(String, Range<usize>)> {
        let of = |path: String, table: &DeTable<'_>, name: &str| {
            let (key, _) = table.iter().find(|(key, _)| key.get_ref() == name)?;
            Some((format!("{path}.{name}"), key.span()))
        };
        let below = |table: &str, name: &str| {
            let (_, value) = self.keys.iter().find(|(key, _)| key.get_ref() == table)?;
            let DeValue::Table(keys) = value.get_ref() else { return None };
            of(format!("{}.{table}", self.path), keys, name)
        };
        of(self.path.clone(), &self.keys, key)
            .or_else(|| below("tls", if key == "peer" { "peers" } else { key }))
            .or_else(|| below("privacy", if key == "privacy" { "level" } else { key }))
    }
}

/// Targets as they are printed.
#[derive(Debug, Default, Serialize)]
pub(super) struct Tables {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    collector: Vec<CollectorTable>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    group: Vec<GroupTable>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    file: Vec<FileTable>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    json: Vec<JsonTable>,
}

#[derive(Debug, Serialize)]
struct CollectorTable {
    url: String,
    #[serde(flatten)]
    options: CollectorOptions,
}

#[derive(Debug, Serialize)]
struct GroupTable {
    mode: &'static str,
    collector: Vec<CollectorTable>,
}

#[derive(Debug, Serialize)]
struct FileTable {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compress: Option<&'static str>,
    #[serde(flatten)]
    options: CollectorOptions,
}

#[derive(Debug, Serialize)]
struct JsonTable {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    privacy: Option<PrivacyOptions>,
}

impl Tables {
    /// Tables of the targets that have one, and the others.
    pub(super) fn of(targets: &[Target]) -> (Self, Vec<String>) {
        let (mut tables, mut others) = (Self::default(), Vec::new());
        for target in targets {
            match target {
                Target::Collector(it) => tables.collector.push(CollectorTable::of(it)),
                Target::Group(Group { mode, members }) => tables.group.push(GroupTable {
                    mode: mode.name(),
                    collector: members.iter().map(CollectorTable::of).collect(),
                }),
                Target::File(FileTarget { path, rotate, size, compress, options }) => {
                    tables.file.push(FileTable {
                        path: path.display().to_string(),
                        rotate: rotate.map(duration_text),
                        size: size.map(size_text),
                        compress: compress.then_some("zstd"),
                        options: options.clone(),
                    });
                }
                Target::Json(JsonTarget { output, privacy }) => tables.json.push(JsonTable {
                    path: match output {
                        JsonOutput::Standard => "-".to_owned(),
                        JsonOutput::File(path) => path.display().to_string(),
                    },
                    privacy: (*privacy != PrivacyOptions::default()).then(|| privacy.clone()),
                }),
                Target::Null => others.push(target.to_string()),
            }
        }
        (tables, others)
    }
}

impl CollectorTable {
    fn of(collector: &Collector) -> Self {
        Self { url: collector.address().to_string(), options: collector.options.clone() }
    }
}
