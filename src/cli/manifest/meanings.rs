//! What each Information Element that can leave says, in the words of a contract.

use crate::cli::args::Language;
use crate::ipfix::element::{InformationElement, REVERSE_ENTERPRISE};
use crate::ipfix::exported::{FLOWTAP_ENTERPRISE, FLOWTAP_REVERSE_BIT};

/// What `element` says. A test has it for every element of every Template.
pub(super) fn meaning(element: &InformationElement, language: Language) -> Option<String> {
    let is_ours = element.enterprise == FLOWTAP_ENTERPRISE;
    let is_reverse = element.enterprise == REVERSE_ENTERPRISE
        || (is_ours && element.id & FLOWTAP_REVERSE_BIT != 0);
    let id = if is_ours { element.id & !FLOWTAP_REVERSE_BIT } else { element.id };
    let table = if is_ours { OURS } else { IANA };
    let &(_, english, japanese) = table.iter().find(|(known, ..)| *known == id)?;
    Some(match (language, is_reverse) {
        (Language::En, false) => english.to_owned(),
        (Language::En, true) => format!("{english}, of the reverse direction"),
        (Language::Ja, false) => japanese.to_owned(),
        (Language::Ja, true) => format!("{japanese}(逆方向)"),
    })
}

/// Number, English, Japanese.
type Meaning = (u16, &'static str, &'static str);

/// Elements of the IANA registry.
#[rustfmt::skip]
const IANA: &[Meaning] = &[
    (1, "octets of IP packets", "IPパケットのオクテット数"),
    (2, "packets", "パケット数"),
    (3, "flows that ended", "終了したフロー数"),
    (4, "protocol above IP", "IP上位プロトコル番号"),
    (5, "class of service of the first packet", "最初のパケットのサービスクラス"),
    (6, "TCP flags that were seen", "観測されたTCPフラグ"),
    (7, "source port", "送信元ポート"),
    (8, "source address (IPv4)", "送信元アドレス(IPv4)"),
    (9, "length of the source's network prefix (IPv4)", "送信元ネットワークのプレフィックス長(IPv4)"),
    (10, "number of the observed interface", "観測インターフェースの番号"),
    (11, "destination port", "宛先ポート"),
    (12, "destination address (IPv4)", "宛先アドレス(IPv4)"),
    (13, "length of the destination's network prefix (IPv4)", "宛先ネットワークのプレフィックス長(IPv4)"),
    (25, "length of the shortest packet", "最短パケットの長さ"),
    (26, "length of the longest packet", "最長パケットの長さ"),
    (27, "source address (IPv6)", "送信元アドレス(IPv6)"),
    (28, "destination address (IPv6)", "宛先アドレス(IPv6)"),
    (29, "length of the source's network prefix (IPv6)", "送信元ネットワークのプレフィックス長(IPv6)"),
    (30, "length of the destination's network prefix (IPv6)", "宛先ネットワークのプレフィックス長(IPv6)"),
    (31, "IPv6 flow label of the first packet", "最初のパケットのIPv6フローラベル"),
    (32, "ICMP type and code of the first packet (IPv4)", "最初のパケットのICMPタイプとコード(IPv4)"),
    (34, "one packet in so many is metered", "計測間隔(何パケットに1つか)"),
    (35, "how packets are chosen", "パケットの選択方法"),
    (36, "active timeout", "アクティブタイムアウト"),
    (37, "idle timeout", "アイドルタイムアウト"),
    (40, "octets exported so far", "これまでのエクスポートオクテット数"),
    (41, "messages exported so far", "これまでのエクスポートメッセージ数"),
    (42, "flow records exported so far", "これまでのエクスポートフローレコード数"),
    (44, "network of the source, as configured (IPv4)", "送信元のネットワーク(設定値、IPv4)"),
    (45, "network of the destination, as configured (IPv4)", "宛先のネットワーク(設定値、IPv4)"),
    (52, "smallest time to live", "最小TTL"),
    (53, "largest time to live", "最大TTL"),
    (56, "source MAC address of the first packet", "最初のパケットの送信元MACアドレス"),
    (58, "VLAN id", "VLAN ID"),
    (60, "IP version", "IPバージョン"),
    (70, "topmost MPLS label", "最上位のMPLSラベル"),
    (71, "second MPLS label", "2番目のMPLSラベル"),
    (72, "third MPLS label", "3番目のMPLSラベル"),
    (80, "destination MAC address of the first packet", "最初のパケットの宛先MACアドレス"),
    (82, "name of the observed interface", "観測インターフェースの名前"),
    (83, "description of the observed interface, by its operator", "観測インターフェースの説明(運用者による)"),
    (136, "why the record was made", "レコード生成の理由"),
    (139, "ICMP type and code of the first packet (IPv6)", "最初のパケットのICMPタイプとコード(IPv6)"),
    (143, "number of the metering process", "計測プロセスの番号"),
    (144, "number of the exporting process", "エクスポートプロセスの番号"),
    (145, "number of a template", "テンプレートの番号"),
    (148, "number of the flow, given by the probe", "プローブが付けたフロー番号"),
    (149, "number of the observation domain", "観測ドメインの番号"),
    (152, "time of the first packet", "最初のパケットの時刻"),
    (153, "time of the last packet", "最後のパケットの時刻"),
    (154, "time of the first packet", "最初のパケットの時刻"),
    (155, "time of the last packet", "最後のパケットの時刻"),
    (156, "time of the first packet", "最初のパケットの時刻"),
    (157, "time of the last packet", "最後のパケットの時刻"),
    (160, "when metering began", "計測を開始した時刻"),
    (164, "packets that were ignored", "無視したパケット数"),
    (165, "octets that were ignored", "無視したオクテット数"),
    (166, "flow records that could not be sent", "送信できなかったフローレコード数"),
    (167, "packets of these", "そのパケット数"),
    (168, "octets of these", "そのオクテット数"),
    (169, "network of the destination, as configured (IPv6)", "宛先のネットワーク(設定値、IPv6)"),
    (170, "network of the source, as configured (IPv6)", "送信元のネットワーク(設定値、IPv6)"),
    (173, "which fields of a template tell flows apart", "フローを区別するフィールド"),
    (184, "TCP sequence number of the first packet", "最初のパケットのTCPシーケンス番号"),
    (186, "TCP window of the first packet", "最初のパケットのTCPウィンドウサイズ"),
    (214, "version of the export protocol", "エクスポートプロトコルのバージョン"),
    (239, "how source and destination were told apart", "送信元と宛先の判別方法"),
    (243, "VLAN id", "VLAN ID"),
    (244, "VLAN priority", "VLAN優先度"),
    (245, "VLAN id of the inner tag", "内側タグのVLAN ID"),
    (246, "VLAN priority of the inner tag", "内側タグのVLAN優先度"),
    (260, "last time of export of a file", "ファイル中の最後のエクスポート時刻"),
    (264, "first time of export of a file", "ファイル中の最初のエクスポート時刻"),
    (267, "marks a record that tells of a file", "ファイルについてのレコードの印"),
    (268, "latest end of a flow of a file", "ファイル中のフローの最後の終了時刻"),
    (269, "latest end of a flow of a file", "ファイル中のフローの最後の終了時刻"),
    (270, "latest end of a flow of a file", "ファイル中のフローの最後の終了時刻"),
    (271, "earliest begin of a flow of a file", "ファイル中のフローの最初の開始時刻"),
    (272, "earliest begin of a flow of a file", "ファイル中のフローの最初の開始時刻"),
    (273, "earliest begin of a flow of a file", "ファイル中のフローの最初の開始時刻"),
    (285, "how stable the treatment of an element is", "要素の匿名化の安定性"),
    (286, "how an element was treated", "要素の匿名化の手法"),
    (287, "place of an element in its template", "テンプレート内の要素の位置"),
    (296, "GRE key of the tunnel", "トンネルのGREキー"),
    (301, "number of a selection of packets", "パケット選択系列の番号"),
    (302, "number of the packet selector", "パケットセレクタの番号"),
    (303, "number of an element", "要素の番号"),
    (304, "how packets are chosen", "パケットの選択方法"),
    (305, "packets metered in a row", "連続して計測するパケット数"),
    (306, "packets left out in a row", "連続して除外するパケット数"),
    (318, "packets that the filter was asked of", "フィルタの対象となったパケット数"),
    (319, "packets that the filter took", "フィルタを通過したパケット数"),
    (323, "when packets were ignored or records lost, first and last", "無視または喪失の最初と最後の時刻"),
    (339, "data type of an element", "要素のデータ型"),
    (340, "description of an element", "要素の説明"),
    (341, "name of an element", "要素の名前"),
    (342, "smallest value of an element", "要素の最小値"),
    (343, "largest value of an element", "要素の最大値"),
    (344, "kind of quantity of an element", "要素の意味種別"),
    (345, "unit of an element", "要素の単位"),
    (346, "who defined an element", "要素を定義した組織の番号"),
    (351, "network id of the tunnel (VNI, VSID)", "トンネルのネットワークID(VNI、VSID)"),
    (361, "first port of the class of services", "サービス区分の先頭ポート"),
    (362, "last port of the class of services", "サービス区分の末尾ポート"),
    (375, "flows that are summed up", "合計されたフロー数"),
    (384, "how counters are spread over intervals", "計数値の期間への割り当て方法"),
];

/// Elements of our own.
#[rustfmt::skip]
const OURS: &[Meaning] = &[
    (1, "kind of tunnel", "トンネルの種類"),
    (2, "id in the tunnel's header", "トンネルヘッダ内のID"),
    (3, "packets that were IP fragments", "IPフラグメントのパケット数"),
    (4, "source address of the tunnel (IPv4)", "トンネルの送信元アドレス(IPv4)"),
    (5, "destination address of the tunnel (IPv4)", "トンネルの宛先アドレス(IPv4)"),
    (6, "source address of the tunnel (IPv6)", "トンネルの送信元アドレス(IPv6)"),
    (7, "destination address of the tunnel (IPv6)", "トンネルの宛先アドレス(IPv6)"),
    (8, "class of mean packet lengths, the largest of it", "平均パケット長の区分(上限値)"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::{Config, Disclosed, Profile};

    #[test]
    fn every_element_that_can_leave_has_a_meaning_in_every_language() {
        let config = |biflow| Config { biflow, ..Config::default() };
        let policies = ["as-is", "statistical&net=10.0.0.0/8"];
        for (profile, policy) in
            Profile::ALL.into_iter().flat_map(|profile| policies.map(|policy| (profile, policy)))
        {
            for time in ["ms", "us", "ns"] {
                let name = profile.name();
                let target = format!("file:flows?profile={name}&time={time}&privacy={policy}");
                let Ok(target) = target.parse() else { continue };
                for biflow in [true, false] {
                    let Disclosed { flow_records, options_records } =
                        Disclosed::by(&target, &config(biflow));
                    let flow_records = flow_records.iter().map(|(element, _)| element);
                    for element in flow_records.chain(&options_records) {
                        for language in [Language::En, Language::Ja] {
                            let told = meaning(element, language);
                            assert!(told.is_some(), "{} has no meaning", element.name);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn no_number_stands_twice() {
        for table in [IANA, OURS] {
            for pair in table.windows(2) {
                assert!(pair[0].0 < pair[1].0, "{:?}", pair[1]);
            }
        }
    }
}
