//! What leaves for one target: which elements, for whom, and how they are protected on the way.

use serde_json::{Value, json};

use crate::cli::args::Language;
use crate::cli::manifest::meanings::meaning;
use crate::export::{Collector, Config, Disclosed, FileTarget, JsonOutput, Target, Transport};
use crate::ipfix::element::InformationElement;

/// The part of a manifest that tells of one target.
#[derive(Debug)]
pub(super) struct Leaves {
    pub(super) target: String,
    /// Where it goes, by which transport, and who can read it on the way.
    pub(super) transport: String,
    pub(super) is_protected: bool,
    pub(super) flow_records: Vec<Element>,
    pub(super) options_records: Vec<Element>,
}

/// An Information Element that leaves.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) element: InformationElement,
    pub(super) meaning: String,
}

impl Leaves {
    /// Parts for every member of a target.
    pub(super) fn of(target: &Target, config: &Config, language: Language) -> Vec<Self> {
        let alone = |target: &Target, transport, is_protected| {
            let Disclosed { flow_records, options_records } = Disclosed::by(target, config);
            let elements = |all: Vec<InformationElement>| {
                let named = |element| Element { meaning: said(&element, language), element };
                all.into_iter().map(named).collect()
            };
            Self {
                target: target.name(),
                transport,
                is_protected,
                flow_records: elements(flow_records),
                options_records: elements(options_records),
            }
        };
        match target {
            Target::Null => Vec::new(),
            Target::File(FileTarget { path, .. }) => {
                let path = path.display();
                let text = match language {
                    Language::En => format!(
                        "an IPFIX File (RFC 5655) at {path}, readable by its owner and whoever the \
                         file system lets"
                    ),
                    Language::Ja => format!(
                        "{path} のIPFIXファイル(RFC 5655)。所有者およびファイルシステムが許可する者が読めます"
                    ),
                };
                vec![alone(target, text, true)]
            }
            Target::Json(JsonOutput::Standard) => {
                let text = language.of("standard output of the program", "プログラムの標準出力");
                vec![alone(target, text.to_owned(), true)]
            }
            Target::Json(JsonOutput::File(path)) => {
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
            "flow_records": elements(&self.flow_records),
            "options_records": elements(&self.options_records),
        })
    }
}

impl Element {
    fn json(&self) -> Value {
        let InformationElement { enterprise, id, name, .. } = self.element;
        json!({ "name": name, "enterprise": enterprise, "id": id, "meaning": self.meaning })
    }
}

/// A test has a meaning for every element; without one the name has to do.
fn said(element: &InformationElement, language: Language) -> String {
    meaning(element, language).unwrap_or_else(|| element.name.to_owned())
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
                "IPFIX over {name}, WITHOUT PROTECTION: whoever is on the way can read and change it"
            )
        }
        (Language::Ja, false) => {
            format!("{name}上のIPFIX。保護なし:経路上の誰もが読み取り・改変できます")
        }
    }
}
