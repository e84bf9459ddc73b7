//! What leaves for one target: which elements, for whom, and how they are protected on the way.

use serde_json::{Value, json};

use crate::cli::args::Language;
use crate::cli::manifest::kept::span;
use crate::cli::manifest::meanings::meaning;
use crate::export::{
    Collector, Config, Disclosed, FileTarget, JsonOutput, JsonTarget, PrivacyOptions, Target,
    Transport,
};
use crate::ipfix::element::InformationElement;
use crate::privacy::{AddressTreatment, Aggregation, Policy, Treatment};

/// The part of a manifest that tells of one target.
#[derive(Debug)]
pub(super) struct Leaves {
    pub(super) target: String,
    /// Where it goes, by which transport, and who can read it on the way.
    pub(super) transport: String,
    pub(super) is_protected: bool,
    /// Which records leave, where it is not one for each Flow.
    pub(super) aggregation: Option<String>,
    /// Elements of Flow Records.
    pub(super) flow_records: Vec<Element>,
    /// Elements that Flow Records would have, and that the privacy policy withholds.
    pub(super) withheld: Vec<Element>,
    /// Elements of options records.
    pub(super) options_records: Vec<Element>,
}

/// An Information Element that leaves.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) element: InformationElement,
    /// What becomes of it.
    pub(super) treatment: String,
    pub(super) meaning: String,
}

impl Leaves {
    /// Parts for every member of a target.
    pub(super) fn of(target: &Target, config: &Config, language: Language) -> Vec<Self> {
        let alone = |target: &Target, transport, is_protected| {
            let Disclosed { flow_records, options_records } = Disclosed::by(target, config);
            let named = |(element, treatment)| Element {
                element,
                treatment: treatment_in(language, treatment),
                meaning: said(&element, language),
            };
            let (withheld, told): (Vec<_>, Vec<_>) = flow_records
                .into_iter()
                .partition(|(_, treatment)| *treatment == Treatment::Withheld);
            let options = options_records.into_iter().map(|element| (element, Treatment::AsIs));
            Self {
                target: target.name(),
                transport,
                is_protected,
                aggregation: aggregation(target, language),
                flow_records: told.into_iter().map(named).collect(),
                withheld: withheld.into_iter().map(named).collect(),
                options_records: options.map(named).collect(),
            }
        };
        match target {
            Target::Null => Vec::new(),
            Target::File(FileTarget { path, .. }) => {
                let path = path.display();
                let text = match language {
                    Language::En => format!(
                        "an IPFIX File (RFC 5655) at {path}, readable by its owner and by those whom \
                         the file system lets"
                    ),
                    Language::Ja => format!(
                        "{path} のIPFIXファイル(RFC 5655)。所有者およびファイルシステムが許可する者が読めます"
                    ),
                };
                vec![alone(target, text, true)]
            }
            Target::Json(JsonTarget { output: JsonOutput::Standard, .. }) => {
                let text = language.of("standard output of the program", "プログラムの標準出力");
                vec![alone(target, text.to_owned(), true)]
            }
            Target::Json(JsonTarget { output: JsonOutput::File(path), .. }) => {
                let text = match language {
                    Language::En => format!("a file of JSON lines at {}", path.display()),
                    Language::Ja => format!("{} のJSON行ファイル", path.display()),
                };
                vec![alone(target, text, true)]
            }
            Target::Collector(_) | Target::Group(_) => target
                .collectors()
                .iter()
                .map(|collector| {
                    let one = Target::Collector(collector.clone());
                    let is_protected =
                        collector.transport == Transport::Tls || collector.is_on_this_host();
                    alone(&one, transport(collector, language), is_protected)
                })
                .collect(),
        }
    }

    pub(super) fn json(&self) -> Value {
        let elements = |all: &[Element]| all.iter().map(Element::json).collect::<Vec<_>>();
        json!({
            "target": self.target,
            "transport": self.transport,
            "protected": self.is_protected,
            "aggregation": self.aggregation,
            "flow_records": elements(&self.flow_records),
            "withheld": elements(&self.withheld),
            "options_records": elements(&self.options_records),
        })
    }
}

impl Element {
    fn json(&self) -> Value {
        let InformationElement { enterprise, id, name, .. } = self.element;
        let Self { treatment, meaning, .. } = self;
        json!({
            "name": name,
            "enterprise": enterprise,
            "id": id,
            "treatment": treatment,
            "meaning": meaning,
        })
    }
}

/// Said of a target that no Flow Record leaves for.
fn aggregation(target: &Target, language: Language) -> Option<String> {
    let policies = target.privacy().into_iter().map(PrivacyOptions::policy);
    let policy = policies.into_iter().find(Policy::is_statistical)?;
    let Aggregation { interval, k, networks } = policy.aggregation;
    let interval = span(interval, language);
    let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
    let networks = networks.join(", ");
    Some(match (language, networks.is_empty()) {
        (Language::En, none) => {
            let told_apart = match none {
                true => "networks are not told apart".to_owned(),
                false => format!("networks that are told apart: {networks}"),
            };
            format!(
                "No record of a single communication: Aggregated Flows (RFC 7015) of at least {k} flows \
                 each, once in {interval}; {told_apart}"
            )
        }
        (Language::Ja, none) => {
            let told_apart = match none {
                true => "ネットワークの区別なし".to_owned(),
                false => format!("区別するネットワーク:{networks}"),
            };
            format!(
                "個々の通信のレコードは出力せず、{interval}ごとに{k}フロー以上の合計のみを出力します。{told_apart}"
            )
        }
    })
}

/// A test has a meaning for every element; without one the name has to do.
fn said(element: &InformationElement, language: Language) -> String {
    meaning(element, language).unwrap_or_else(|| element.name.to_owned())
}

fn treatment_in(language: Language, treatment: Treatment) -> String {
    match language {
        Language::En => treatment.to_string(),
        Language::Ja => match treatment {
            Treatment::AsIs => "そのまま".to_owned(),
            Treatment::Pseudonym => "仮名(プレフィックス保持)".to_owned(),
            Treatment::Prefix => "プレフィックスのみ".to_owned(),
            Treatment::ByNetwork { own, others } => format!(
                "自組織網:{}、その他:{}",
                address_treatment_japanese(own),
                address_treatment_japanese(others)
            ),
            Treatment::Vendor => "ベンダ部のみ".to_owned(),
            Treatment::Services => "サービスポートのみ(他は0)".to_owned(),
            Treatment::Steps(step) => format!("{}単位", span(step, language)),
            Treatment::Permuted => "別の番号".to_owned(),
            Treatment::Class => "区分のみ".to_owned(),
            Treatment::Network => "設定されたネットワークのみ(他はすべて0)".to_owned(),
            Treatment::Sum => "複数フローの合計".to_owned(),
            Treatment::Withheld => "出力しない".to_owned(),
        },
    }
}

const fn address_treatment_japanese(treatment: AddressTreatment) -> &'static str {
    match treatment {
        AddressTreatment::AsIs => "そのまま",
        AddressTreatment::Pseudonym => "仮名",
        AddressTreatment::Prefix => "プレフィックスのみ",
    }
}

fn transport(collector: &Collector, language: Language) -> String {
    let tls = &collector.options.tls;
    if collector.transport == Transport::Tls {
        let mutual = tls.cert.is_some();
        return match (language, mutual) {
            (Language::En, true) => "IPFIX over TLS; both sides show certificates",
            (Language::En, false) => "IPFIX over TLS; the collector shows a certificate",
            (Language::Ja, true) => "TLS上のIPFIX。双方が証明書を提示します",
            (Language::Ja, false) => "TLS上のIPFIX。コレクタが証明書を提示します",
        }
        .to_owned();
    }
    let name = collector.transport.name().to_uppercase();
    match (language, collector.is_on_this_host()) {
        (Language::En, true) => format!("IPFIX over {name}, on this host"),
        (Language::Ja, true) => format!("{name}上のIPFIX(同一ホスト内)"),
        (Language::En, false) => {
            format!(
                "IPFIX over {name}, WITHOUT PROTECTION: anybody on the way can read and change it"
            )
        }
        (Language::Ja, false) => {
            format!("{name}上のIPFIX。保護なし:経路上の誰もが読み取り・改変できます")
        }
    }
}
