//! `flowtap manifest`: what leaves the probe in a given configuration, for whom, and what stays where
//! for how long. Made of the tables that the exporter itself uses.

mod kept;
mod leaves;
mod meanings;
mod text;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::cli::args::{Capture, Language, Manifest, ManifestFormat, Selection};
use crate::cli::config;
use crate::export::Config;
use crate::flow::Network;
use crate::telemetry::Address;

use kept::Kept;
use leaves::Leaves;

/// Prints the manifest of what `flowtap capture` would do with the same arguments. Nothing is opened.
///
/// `words` are those of the command line.
pub(super) fn run(arguments: Manifest, words: &[OsString]) -> anyhow::Result<()> {
    let Manifest { file: _, format, language, capture } =
        config::merged_manifest(arguments, words)?;
    let document = Document::of(&capture, language);
    let mut out = io::stdout().lock();
    match format {
        ManifestFormat::Text => document.write_text(&mut out)?,
        ManifestFormat::Json => {
            serde_json::to_writer_pretty(&mut out, &document.json())?;
            writeln!(out)?;
        }
    }
    out.flush().map_err(Into::into)
}

/// Everything that a manifest says.
#[derive(Debug)]
struct Document {
    language: Language,
    /// What is observed: interfaces, and what narrows them.
    observed: Vec<(&'static str, String)>,
    /// A part for each target.
    leaves: Vec<Leaves>,
    /// What stays on the probe.
    kept: Vec<Kept>,
    /// What is never read, kept or done.
    never: Vec<&'static str>,
}

impl Document {
    fn of(capture: &Capture, language: Language) -> Self {
        let config = Config {
            observation_domain: capture.meter.observation_domain,
            biflow: capture.meter.metering.is_biflow(),
            ..Config::default()
        };
        let targets = capture.meter.export.iter();
        Self {
            language,
            observed: observed(capture, language),
            leaves: targets.flat_map(|target| Leaves::of(target, &config, language)).collect(),
            kept: kept::all(capture, language),
            never: language.of(&NEVER_ENGLISH, &NEVER_JAPANESE).to_vec(),
        }
    }

    fn json(&self) -> Value {
        let observed = self.observed.iter();
        json!({
            "program": "flowtap",
            "version": env!("CARGO_PKG_VERSION"),
            "observed": observed.map(|(what, value)| json!([what, value])).collect::<Vec<_>>(),
            "leaves": self.leaves.iter().map(Leaves::json).collect::<Vec<_>>(),
            "stays": self.kept.iter().map(Kept::json).collect::<Vec<_>>(),
            "never": self.never,
        })
    }
}

fn observed(capture: &Capture, language: Language) -> Vec<(&'static str, String)> {
    let Selection { exclude_net, exclude_net_file, only_net, only_net_file } =
        &capture.meter.metering.selection;
    let everything = language.of("none: every packet is metered", "なし(すべてのパケットを計測)");
    let nobody = language.of("none", "なし");
    let everybody = language.of("none: all", "なし(すべて)");
    let filter = capture.filter.clone().unwrap_or_else(|| everything.to_owned());
    let user = capture.confine.user.clone();
    let starter = language.of(
        "the user who starts it (the service: flowtap)",
        "起動したユーザー(サービスの場合は flowtap)",
    );
    let confined = if capture.confine.unconfined {
        language.of("NOT CONFINED", "制限なし")
    } else {
        language.of(
            "confined to what it needs: capabilities, system calls, files, ports",
            "必要最小限に制限(ケーパビリティ、システムコール、ファイル、ポート)",
        )
    };
    vec![
        (language.of("interfaces", "インターフェース"), capture.interface.join(", ")),
        (language.of("filter", "フィルタ"), filter),
        (
            language.of("networks that are left out", "対象外とするネットワーク"),
            networks(exclude_net, exclude_net_file, nobody),
        ),
        (
            language.of("networks that it is kept to", "対象とするネットワーク"),
            networks(only_net, only_net_file, everybody),
        ),
        (language.of("runs as", "実行ユーザー"), user.unwrap_or_else(|| starter.to_owned())),
        (language.of("process", "プロセス"), confined.to_owned()),
        (language.of("telemetry", "テレメトリ"), telemetry(&capture.telemetry, language)),
    ]
}

/// Where the probe tells of itself, to whom, and what.
fn telemetry(address: &Address, language: Language) -> String {
    let readers = match address {
        Address::Off => return language.of("none", "なし").to_owned(),
        Address::Tcp { exposed: true, .. } => language.of(
            "sums and distributions, never of a single communication, to everybody who reaches it; \
             unencrypted",
            "合計と分布のみ(個々の通信の情報は含まない)。到達できる全員が暗号化なしで読み取り可能",
        ),
        Address::Tcp { .. } => language.of(
            "sums and distributions, never of a single communication, to programs of this host only",
            "合計と分布のみ(個々の通信の情報は含まない)。このホスト上のプログラムだけが読み取り可能",
        ),
        Address::Unix(_) => language.of(
            "sums and distributions, never of a single communication, to those who may open the socket",
            "合計と分布のみ(個々の通信の情報は含まない)。ソケットを開ける者だけが読み取り可能",
        ),
    };
    format!("{address}: {readers}")
}

fn networks(given: &[Network], files: &[PathBuf], none: &str) -> String {
    let given = given.iter().map(ToString::to_string);
    let files = files.iter().map(|path| path.display().to_string());
    let all: Vec<_> = given.chain(files).collect();
    if all.is_empty() { none.to_owned() } else { all.join(", ") }
}

impl Language {
    /// The one of two that is in this language.
    pub(super) const fn of<T: ?Sized>(
        self,
        english: &'static T,
        japanese: &'static T,
    ) -> &'static T {
        match self {
            Self::En => english,
            Self::Ja => japanese,
        }
    }
}

const NEVER_ENGLISH: [&str; 5] = [
    "No payload is metered, exported, stored or logged: no record has a field for it. flowtap verify \
     shows on any capture that no output depends on it.",
    "No packet is written to any disk, whole or in part.",
    "No name is looked up for an observed address, and nothing is sent on an observed interface.",
    "There is no remote control: what asks for telemetry, where it is served, can read and change nothing.",
    "Nothing is sent to the makers of flowtap or to anybody else who does not stand above.",
];

const NEVER_JAPANESE: [&str; 5] = [
    "ペイロードは計測、エクスポート、保存、記録のいずれもされません。レコードにはそのためのフィールドがありません。\
     出力がペイロードに依存しないことは flowtap verify により任意のキャプチャで確認できます。",
    "パケットは全体も一部もディスクに書き込まれません。",
    "観測されたアドレスの名前解決は行わず、観測インターフェースには何も送信しません。",
    "遠隔操作の手段はありません。テレメトリは読み取り専用で、何も変更できません。",
    "上記以外の宛先(flowtapの開発者を含む)には何も送信しません。",
];

#[cfg(test)]
mod tests;
