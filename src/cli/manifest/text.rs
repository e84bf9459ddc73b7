//! The manifest as a document for people.

use std::io::{self, Write};

use crate::cli::args::Language;
use crate::cli::manifest::Document;
use crate::cli::manifest::kept::Kept;
use crate::cli::manifest::leaves::{Element, Leaves};
use crate::ipfix::element::InformationElement;

impl Document {
    pub(super) fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        let language = self.language;
        let version = env!("CARGO_PKG_VERSION");
        match language {
            Language::En => writeln!(
                out,
                "What flowtap {version} observes, sends and keeps in this configuration"
            )?,
            Language::Ja => {
                writeln!(out, "この設定でflowtap {version}が観測・送信・保持する情報の一覧")?
            }
        }
        writeln!(out, "\n1. {}", language.of("What is observed", "観測の対象"))?;
        for (what, value) in &self.observed {
            writeln!(out, "   {what}: {value}")?;
        }
        writeln!(out, "\n2. {}", language.of("What leaves the probe", "プローブの外に出る情報"))?;
        if self.leaves.is_empty() {
            let table = language.of(
                "The table of flows on standard output, and nothing else.",
                "標準出力のフロー一覧表のみ。",
            );
            writeln!(out, "   {table}")?;
        }
        for (number, leaves) in self.leaves.iter().enumerate() {
            leaves.write_text(number + 1, language, out)?;
        }
        writeln!(out, "\n3. {}", language.of("What stays on the probe", "プローブに残る情報"))?;
        for kept in &self.kept {
            kept.write_text(language, out)?;
        }
        writeln!(out, "\n4. {}", language.of("What never happens", "行わないこと"))?;
        for never in &self.never {
            writeln!(out, "   - {never}")?;
        }
        Ok(())
    }
}

impl Leaves {
    fn write_text(
        &self,
        number: usize,
        language: Language,
        out: &mut impl Write,
    ) -> io::Result<()> {
        writeln!(out, "   2.{number} {}", self.target)?;
        writeln!(out, "       {}", self.transport)?;
        if let Some(aggregation) = &self.aggregation {
            writeln!(out, "       {aggregation}")?;
        }
        let of_aggregates = language.of(
            "Elements of aggregates; one has those that all of its flows have in common:",
            "集計レコードの要素(含まれるフローに共通するもののみ):",
        );
        let of_flows = language.of(
            "Elements of flow records; a record has those that its packets had a value for:",
            "フローレコードの要素(パケットに値があるもののみがレコードに含まれます):",
        );
        let of_probe = language.of(
            "Elements of options records, which tell of the probe and not of any flow:",
            "オプションレコードの要素(フローではなくプローブ自体についての情報):",
        );
        let withheld = language.of(
            "Elements that the privacy policy withholds: no record has them:",
            "プライバシーポリシーにより出力しない要素:",
        );
        let of_records = if self.aggregation.is_some() { of_aggregates } else { of_flows };
        for (heading, elements) in [
            (of_records, &self.flow_records),
            (withheld, &self.withheld),
            (of_probe, &self.options_records),
        ] {
            if elements.is_empty() {
                continue;
            }
            writeln!(out, "       {heading}")?;
            for element in elements {
                element.write_text(out)?;
            }
        }
        Ok(())
    }
}

impl Element {
    fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        let InformationElement { enterprise, id, name, .. } = self.element;
        let number = match enterprise {
            0 => id.to_string(),
            enterprise => format!("{enterprise}/{id}"),
        };
        let Self { treatment, meaning, .. } = self;
        writeln!(out, "         {name:<36} {number:<12} {meaning}: {treatment}")
    }
}

impl Kept {
    fn write_text(&self, language: Language, out: &mut impl Write) -> io::Result<()> {
        let Self { what, place, how_long, protection } = self;
        writeln!(out, "   - {what}")?;
        writeln!(out, "     {}: {place}", language.of("where", "場所"))?;
        writeln!(out, "     {}: {how_long}", language.of("how long", "期間"))?;
        writeln!(out, "     {}: {protection}", language.of("protection", "保護"))
    }
}
