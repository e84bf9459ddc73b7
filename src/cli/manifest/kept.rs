//! What stays on the probe: where, for how long, and who can read it.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::args::{Capture, Language};
use crate::cli::installation::STATE_DIRECTORY;
use crate::cli::summary::{grouped, spelled};
use crate::export::{FileTarget, JsonOutput, JsonTarget, PrivacyOptions, SpoolConfig, Target};

/// One thing that stays.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) what: String,
    pub(super) place: String,
    pub(super) how_long: String,
    pub(super) protection: String,
}

impl Kept {
    fn new(
        what: impl Into<String>,
        place: impl Into<String>,
        how_long: impl Into<String>,
        protection: impl Into<String>,
    ) -> Self {
        let (what, place) = (what.into(), place.into());
        Self { what, place, how_long: how_long.into(), protection: protection.into() }
    }

    pub(super) fn json(&self) -> Value {
        let Self { what, place, how_long, protection } = self;
        json!({ "what": what, "where": place, "how_long": how_long, "protection": protection })
    }
}

/// Everything that a probe with these arguments keeps.
pub(super) fn all(capture: &Capture, language: Language) -> Vec<Kept> {
    let mut kept = vec![flows(capture, language), waiting(capture, language)];
    let all = capture.meter.export.iter().flat_map(Target::privacy);
    let intervals = all.filter(|privacy| is_statistical(privacy)).map(PrivacyOptions::policy);
    if let Some(interval) = intervals.map(|policy| policy.aggregation.interval).max() {
        kept.push(summed_up(interval, language));
    }
    if let Some(spool) = capture.spool.config() {
        kept.extend(spooled(&spool, language));
    }
    for target in &capture.meter.export {
        let (Target::File(FileTarget { path, .. })
        | Target::Json(JsonTarget { output: JsonOutput::File(path), .. })) = target
        else {
            continue;
        };
        let what = match target.privacy().into_iter().any(is_statistical) {
            true => language.of("Aggregated Flows, as above", "複数フローの合計(上記のとおり)"),
            false => language.of("flow records, as above", "フローレコード(上記のとおり)"),
        };
        kept.push(Kept::new(
            what,
            place(path, language),
            language.of(
                "until somebody removes them: flowtap erases no file that is complete",
                "誰かが削除するまで(flowtapは完成したファイルを消去しません)",
            ),
            language.of("not encrypted; file permissions", "暗号化なし。ファイルのアクセス権のみ"),
        ));
    }
    for tls in capture.meter.export.iter().flat_map(Target::collectors).map(|c| &c.options.tls) {
        if let Some(key) = &tls.key {
            kept.push(Kept::new(
                language.of("private key for TLS; read only", "TLSの秘密鍵(読み取りのみ)"),
                place(key, language),
                language.of("its owner decides", "所有者が決めます"),
                language.of("file permissions", "ファイルのアクセス権"),
            ));
        }
    }
    let privacy = capture.meter.export.iter().flat_map(Target::privacy);
    for key in privacy.filter_map(|privacy| privacy.pseudonym_key.as_ref()) {
        kept.push(Kept::new(
            language.of(
                "key of pseudonyms: whoever has it can turn them back",
                "仮名の鍵(所持者は仮名を元に戻せます)",
            ),
            place(key, language),
            language.of("until it is erased", "消去されるまで"),
            language.of("readable by its owner alone", "所有者のみ読み取り可"),
        ));
    }
    if let Some(summary) = &capture.meter.summary {
        kept.push(Kept::new(
            language.of("the ledger: counts, no address", "集計(件数のみ。アドレスなし)"),
            place(summary, language),
            language.of("until the next run replaces it", "次回の実行で置き換えられるまで"),
            language.of("file permissions", "ファイルのアクセス権"),
        ));
    }
    kept.push(Kept::new(
        language.of(
            "log: states of the program, its interfaces and collectors; no observed address",
            "ログ(プログラム、インターフェース、コレクタの状態。観測されたアドレスは含みません)",
        ),
        language.of(
            "standard error, where the service manager keeps it",
            "標準エラー出力(保存はサービス管理側)",
        ),
        language.of("as the service manager has it", "サービス管理側の設定による"),
        language.of("as the service manager has it", "サービス管理側の設定による"),
    ));
    kept
}

fn flows(capture: &Capture, language: Language) -> Kept {
    let metering = &capture.meter.metering;
    let most = grouped(metering.max_flows as u64);
    let (idle, active) =
        (span(metering.idle_timeout, language), span(metering.active_timeout, language));
    let how_long = match language {
        Language::En => format!(
            "until a flow has been idle for {idle}, at most {active} between two records; nothing \
             outlives the process"
        ),
        Language::Ja => format!(
            "フローが{idle}無通信になるまで。レコードの間隔は最大{active}。プロセス終了後は残りません"
        ),
    };
    let what = match language {
        Language::En => format!("flows in the cache, at most {most}: headers and counters"),
        Language::Ja => format!("キャッシュ内のフロー(最大{most}件。ヘッダ情報と件数のみ)"),
    };
    Kept::new(what, memory(language), how_long, process(language))
}

fn is_statistical(privacy: &PrivacyOptions) -> bool {
    privacy.policy().is_statistical()
}

fn summed_up(interval: Duration, language: Language) -> Kept {
    let interval = span(interval, language);
    let how_long = match language {
        Language::En => format!(
            "until the end of an interval, {interval} at most; what is too few then, until there is \
             more of it or the process ends"
        ),
        Language::Ja => format!(
            "期間の終わりまで(最長{interval})。フロー数が不足するものは、足りるまで、またはプロセス終了まで"
        ),
    };
    Kept::new(
        language.of(
            "classes of flows that are summed up: counters, and numbers of flows",
            "合計中のフローの区分(計数値とフロー番号のみ)",
        ),
        memory(language),
        how_long,
        process(language),
    )
}

fn waiting(capture: &Capture, language: Language) -> Kept {
    let octets = grouped(capture.spool.queue_octets() as u64);
    let what = match language {
        Language::En => format!("records on their way, at most {octets} octets for each collector"),
        Language::Ja => format!("送信待ちのレコード(コレクタごとに最大{octets}オクテット)"),
    };
    let how_long = language.of(
        "until the collector has them, or the process ends",
        "コレクタが受け取るか、プロセスが終了するまで",
    );
    Kept::new(what, memory(language), how_long, process(language))
}

fn spooled(spool: &SpoolConfig, language: Language) -> Vec<Kept> {
    let SpoolConfig { directory, maximum_octets, maximum_age, key_file } = spool;
    let (octets, age) = (grouped(*maximum_octets), span(*maximum_age, language));
    let what = match language {
        Language::En => {
            format!("spool: records for collectors that are away, at most {octets} octets for each")
        }
        Language::Ja => {
            format!("スプール:接続できないコレクタ宛のレコード(各最大{octets}オクテット)")
        }
    };
    let how_long = match language {
        Language::En => format!("until the collector has them, at most {age}"),
        Language::Ja => format!("コレクタが受け取るまで。最長{age}"),
    };
    let protection = match (language, key_file.is_some()) {
        (Language::En, true) => {
            "encrypted (ChaCha20-Poly1305, a key for each segment, derived from the key file)"
        }
        (Language::En, false) => {
            "encrypted (ChaCha20-Poly1305); the key is in memory only and ends with the process"
        }
        (Language::Ja, true) => "暗号化(ChaCha20-Poly1305。セグメントごとの鍵を鍵ファイルから導出)",
        (Language::Ja, false) => {
            "暗号化(ChaCha20-Poly1305)。鍵はメモリ上のみで、プロセスとともに消えます"
        }
    };
    let mut kept = vec![Kept::new(what, place(directory, language), how_long, protection)];
    if let Some(key) = key_file {
        kept.push(Kept::new(
            language.of("key of the spool", "スプールの鍵"),
            place(key, language),
            language.of("until it is erased", "消去されるまで"),
            language.of("readable by its owner alone", "所有者のみ読み取り可"),
        ));
    }
    kept
}

/// A path, and where it leads if that is not absolute.
fn place(path: &Path, language: Language) -> String {
    let path_text = path.display();
    match language {
        _ if path.is_absolute() => path_text.to_string(),
        Language::En => {
            format!(
                "{path_text}, in the working directory of the probe (the service: {STATE_DIRECTORY})"
            )
        }
        Language::Ja => {
            format!("{path_text}(プローブの作業ディレクトリ内。サービスの場合は {STATE_DIRECTORY})")
        }
    }
}

/// A span of time.
pub(super) fn span(span: Duration, language: Language) -> String {
    let text = spelled(span);
    match language {
        Language::En => text,
        Language::Ja => {
            let units = [("years", "年"), ("year", "年"), ("months", "か月"), ("month", "か月")];
            let units = units.into_iter().chain([("days", "日"), ("day", "日")]);
            units.fold(text, |text, (unit, word)| text.replace(&format!(" {unit}"), word))
        }
    }
}

fn memory(language: Language) -> &'static str {
    language.of("memory of the process", "プロセスのメモリ")
}

fn process(language: Language) -> &'static str {
    language.of("that of the process", "プロセスの保護による")
}
