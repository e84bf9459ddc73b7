//! The keys of the configuration file that stand for options of the command line.

use toml::de::DeValue;

/// A key of a section.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Key {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    /// The id of the option of `flowtap capture`: what it is for, its default and what it takes are
    /// said there.
    pub(super) option: &'static str,
    pub(super) shape: Shape,
    /// A value, as TOML.
    pub(super) example: &'static str,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    /// Text; of times and sizes with their unit.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false` for an option that takes `on` or `off`.
    Switch,
    /// `true` for an option that is given.
    Flag,
    /// `false` for an option that is given.
    Unless,
    /// Several texts.
    List,
}

/// A section and what it is about.
pub(super) const SECTIONS: [(&str, &str); 8] = [
    ("capture", "How packets are taken from the kernel, and which."),
    ("meter", "How packets become flows."),
    ("networks", "Whose packets are metered: purpose limitation."),
    ("export", "What all targets have in common."),
    ("spool", "Where records wait for collectors that are away."),
    ("confinement", "What the probe gives up before the first packet."),
    ("telemetry", "How the probe is observed."),
    ("log", "What it says of itself."),
];

/// Every key, in the order in which they are printed.
pub(super) const KEYS: &[Key] = &[
    key("capture", "backend", "backend", Shape::Text, r#""af-packet""#),
    key("capture", "workers", "workers", Shape::Number, "2"),
    key("capture", "filter", "filter", Shape::Text, r#""not port 22""#),
    key("capture", "duration", "duration", Shape::Text, r#""24h""#),
    key("capture", "silence", "silence", Shape::Text, r#""5m""#),
    key("meter", "active_timeout", "active_timeout", Shape::Text, r#""60s""#),
    key("meter", "idle_timeout", "idle_timeout", Shape::Text, r#""15s""#),
    key("meter", "max_flows", "max_flows", Shape::Number, "1000000"),
    key("meter", "biflow", "biflow", Shape::Switch, "true"),
    key("meter", "tunnels", "tunnels", Shape::Text, r#""inner""#),
    key("meter", "vlan_key", "vlan_key", Shape::Switch, "true"),
    key("networks", "exclude", "exclude_net", Shape::List, r#"["192.0.2.0/24"]"#),
    key(
        "networks",
        "exclude_files",
        "exclude_net_file",
        Shape::List,
        r#"["/etc/flowtap/guests.txt"]"#,
    ),
    key("networks", "only", "only_net", Shape::List, r#"["10.0.0.0/8", "2001:db8::/32"]"#),
    key("networks", "only_files", "only_net_file", Shape::List, r#"["/etc/flowtap/ours.txt"]"#),
    key("export", "observation_domain", "observation_domain", Shape::Number, "1"),
    key("export", "queue", "queue", Shape::Text, r#""64M""#),
    key("export", "targets", "export", Shape::List, r#"["udp://192.0.2.11:4739?profile=nfdump"]"#),
    key("spool", "directory", "directory", Shape::Text, r#""spool""#),
    key("spool", "size", "size", Shape::Text, r#""10G""#),
    key("spool", "age", "age", Shape::Text, r#""7d""#),
    key("spool", "key", "key", Shape::Text, r#""spool.key""#),
    key("confinement", "user", "user", Shape::Text, r#""flowtap""#),
    key("confinement", "reopen", "no_reopen", Shape::Unless, "true"),
    key("confinement", "unconfined", "unconfined", Shape::Flag, "false"),
    key("telemetry", "listen", "telemetry", Shape::Text, r#""127.0.0.1:9739""#),
    key("log", "format", "log_format", Shape::Text, r#""auto""#),
    key("log", "level", "log_level", Shape::Text, r#""info""#),
    key("log", "quiet", "quiet", Shape::Flag, "false"),
    key("log", "summary", "summary", Shape::Text, r#""ledger.json""#),
];

/// Options that are no keys: the file itself, and interfaces, which have tables.
#[cfg(test)]
pub(super) const NO_KEYS: [&str; 3] = ["config", "interface", "help"];

const fn key(
    section: &'static str,
    name: &'static str,
    option: &'static str,
    shape: Shape,
    example: &'static str,
) -> Key {
    Key { section, name, option, shape, example }
}

impl Key {
    /// The key with this name.
    pub(super) fn find(section: &str, name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| (key.section, key.name) == (section, name))
    }

    /// The keys of a section.
    pub(super) fn of(section: &str) -> impl Iterator<Item = &'static Self> {
        KEYS.iter().filter(move |key| key.section == section)
    }

    /// Whether a probe that runs follows it.
    pub(super) fn is_reloaded(&self) -> bool {
        matches!(
            (self.section, self.name),
            ("networks", _)
                | ("capture", "filter")
                | ("meter", "active_timeout" | "idle_timeout")
                | ("export", "targets")
                | ("log", "level")
        )
    }

    /// What a change of it is a change of, where no more is known of that.
    pub(super) fn subject(&self) -> Option<String> {
        match (self.section, self.name) {
            ("networks", _) | ("export", "targets") => None,
            ("meter", "active_timeout" | "idle_timeout") => Some("timeouts".to_owned()),
            ("capture", name) => Some(name.to_owned()),
            (section, name) => Some(format!("{section} {name}")),
        }
    }

    /// As it is called in messages.
    pub(super) fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// The words of a command line that say what `value` says, `long` being the name of the option.
    ///
    /// # Errors
    ///
    /// What would be right.
    pub(super) fn words(&self, long: &str, value: &DeValue<'_>) -> Result<Vec<String>, String> {
        let option = |value: &str| format!("--{long}={value}");
        let wrong = |expected: &str| {
            let found = value.type_str();
            Err(format!(
                "is of type {found}: use {expected}, as in {} = {}",
                self.name, self.example
            ))
        };
        match (self.shape, value) {
            (Shape::Text, DeValue::String(text)) => Ok(vec![option(text)]),
            (Shape::Text, _) if self.is_measure() => wrong("text with a unit"),
            (Shape::Text, _) => wrong("text"),
            (Shape::Number, DeValue::Integer(number)) => {
                // As the option takes it, whatever base it is written in. What is too large even for
                // this is for the option to refuse, which knows its bounds.
                let read = i128::from_str_radix(number.as_str(), number.radix());
                let number = read.map_or_else(|_| number.to_string(), |number| number.to_string());
                Ok(vec![option(&number)])
            }
            (Shape::Number, _) => wrong("a whole number"),
            (Shape::Switch, DeValue::Boolean(on)) => {
                Ok(vec![option(if *on { "on" } else { "off" })])
            }
            (Shape::Flag, DeValue::Boolean(given)) => Ok(flag(long, *given)),
            (Shape::Unless, DeValue::Boolean(given)) => Ok(flag(long, !given)),
            (Shape::Switch | Shape::Flag | Shape::Unless, _) => wrong("true or false"),
            (Shape::List, DeValue::Array(texts)) => {
                let texts = texts.iter().map(|text| text.get_ref().as_str().map(option));
                texts.collect::<Option<_>>().map_or_else(|| wrong("a list of texts"), Ok)
            }
            (Shape::List, _) => wrong("a list of texts"),
        }
    }

    /// Whether a number alone would say too little.
    fn is_measure(&self) -> bool {
        let inner = self.example.trim_matches('"');
        inner.starts_with(|first: char| first.is_ascii_digit()) && !inner.contains(':')
    }
}

fn flag(long: &str, given: bool) -> Vec<String> {
    if given { vec![format!("--{long}")] } else { Vec::new() }
}
