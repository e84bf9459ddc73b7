use proptest::prelude::*;

use super::*;
use crate::export::mapping::data_records;
use crate::export::profile::Mapping;
use crate::export::testing::any_record;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_record_is_in_one_file_that_reads_strictly(
        kinds in prop::collection::vec(any_record(), 1..40),
        batches in prop::collection::vec((0_u64..600, 1_usize..400), 1..12),
        period in prop::option::of(1_u64..900),
        size in prop::option::of(SMALLEST_FILE..200_000),
        (compress, biflow) in any::<(bool, bool)>(),
        unit in prop::sample::select(TimeUnit::ALL.to_vec()),
    ) {
        let options =
            CollectorOptions { biflow: Some(biflow), time: Some(unit), ..CollectorOptions::default() };
        let rotates = period.is_some() || size.is_some();
        let mut bench = Bench::replay("flows.ipfix", |file| {
            file.rotate = period.map(Duration::from_secs);
            file.size = size;
            file.compress = compress;
            file.options = options;
        });
        let taken = rotates.then(|| {
            let taken = bench.path(&format!("flows-{TAKEN}.ipfix{}", if compress { ".zst" } else { "" }));
            fs::write(&taken, "somebody's").unwrap();
            taken
        });

        let mapping = Mapping { biflow, time: unit, ..Mapping::default() };
        let (mut given, mut seconds) = (Totals::default(), 0);
        let mut endless = kinds.iter().cycle().copied().map(readable);
        for (pause, count) in batches {
            seconds += pause;
            let records: Vec<_> = endless.by_ref().take(count).collect();
            for data in records.iter().flat_map(|record| data_records(record, mapping)) {
                given += Totals::of_data(&data);
            }
            bench.write_at(seconds, records);
        }
        bench.finish();

        let mut records = 0;
        for name in bench.names() {
            if taken.as_ref() == Some(&bench.path(&name)) {
                prop_assert_eq!(fs::read(bench.path(&name)).unwrap(), b"somebody's");
                continue;
            }
            prop_assert_eq!(name.ends_with(".zst"), compress);
            let octets = fs::read(bench.path(&name)).unwrap();
            prop_assert!(size.is_none_or(|size| octets.len() as u64 <= size), "{}", octets.len());
            let found = inspect(&decompressed(octets));
            records += found.totals.records;
            // RFC 5655 §8.1.2: no Flow is outside.
            let ((begin, end), (first, last)) = (found.window.unwrap(), found.flows.unwrap());
            prop_assert!(begin <= first && last <= end, "{:?}", found);
            if let Some(period) = period {
                let of = |time: &u32| u64::from(*time) / period;
                let first = found.export_times.first().map(of);
                prop_assert!(found.export_times.iter().all(|time| Some(of(time)) == first));
            }
        }
        let report = bench.report().0;
        prop_assert_eq!(records, given.records);
        prop_assert_eq!(report.sent, given);
        prop_assert!(report.lost_totals().is_zero());
    }
}

/// The name that the first file of a run at [`TIME`] would like to have, with some periods.
const TAKEN: &str = "20261122T000500Z";

/// The record in times that every unit can tell, up to the year 2096.
fn readable(mut record: FlowRecord) -> FlowRecord {
    for direction in [&mut record.forward, &mut record.reverse] {
        for time in [&mut direction.first, &mut direction.last] {
            *time = Timestamp::from_nanos(time.as_nanos() % 4_000_000_000_000_000_000);
        }
        // Sums over them are to be exact.
        direction.packets %= 1 << 40;
        direction.packets += u64::from(direction.minimum_ttl > 0);
        direction.octets %= 1 << 40;
    }
    record
}
