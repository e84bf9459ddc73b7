use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::writer::pcap_of;
use super::{Outcome, read, read_through, refusal};

#[test]
fn gzip_and_zstd_give_what_they_hold() {
    let (file, _) = pcap_of(&[60; 3_000]);
    let plain = read_through(&file, 4_096);
    for packed in [gzip(&file), zstd(&file)] {
        let outcome = read_through(&packed, 4_096);
        assert_eq!(outcome.damage(), None);
        assert_eq!(outcome.frames, plain.frames);
        // Batches end where the window does, and the window is filled whole either way.
        assert_eq!(outcome.batches, plain.batches);
    }
}

#[test]
fn members_and_frames_follow_each_other_wherever_they_are_cut() {
    let (file, _) = pcap_of(&[60, 1_400, 0, 61]);
    let plain = read(&file).frames;
    for cut in [0, 1, 10, 24, 30, 500, file.len() - 1, file.len()] {
        let (first, second) = file.split_at(cut);
        for pack in [gzip, zstd] {
            let outcome = read(&[pack(first), pack(&[]), pack(second)].concat());
            assert_eq!(outcome.damage(), None, "cut at {cut}");
            assert_eq!(outcome.frames, plain, "cut at {cut}");
        }
    }
}

#[test]
fn zeros_behind_a_gzip_stream_are_padding_and_anything_else_is_damage() {
    let (file, _) = pcap_of(&[60, 70]);
    let padded = [gzip(&file), vec![0; 1_000]].concat();
    assert_eq!(read(&padded).damage(), None);

    let outcome = read(&[gzip(&file), vec![0; 10], b"garbage that is no member".to_vec()].concat());
    assert_eq!(outcome.frames.len(), 2);
    let (offset, what) = outcome.damage().unwrap();
    assert_eq!(offset, file.len() as u64);
    assert!(what.contains("gzip"), "{what}");
}

#[test]
fn a_skippable_zstd_frame_may_come_first() {
    let (file, _) = pcap_of(&[60, 70]);
    let skippable =
        [&[0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3], zstd(&file).as_slice()].concat();
    assert_eq!(read(&skippable).frames, read(&file).frames);
}

#[test]
fn a_packed_stream_that_breaks_off_gives_what_came_before() {
    let lengths: Vec<_> = (0..400).map(|index| index * 3 % 1_400).collect();
    let (file, offsets) = pcap_of(&lengths);
    let plain = read(&file).frames;
    for pack in [gzip, zstd] {
        let packed = pack(&file);
        let mut most = 0;
        for kept in (packed.len() / 2..packed.len()).step_by(97).chain([packed.len() - 1]) {
            let outcome = read(&packed[..kept]);
            let (offset, what) = outcome.damage().expect("cut short");
            assert!(what.contains("ends early"), "{what}");
            most = most.max(outcome.frames.len());
            assert_eq!(outcome.frames, plain[..outcome.frames.len()]);
            assert_eq!(offset, offsets[outcome.frames.len()] as u64);
        }
        assert!(most > 100, "{most} frames before the end of the stream");
    }
}

#[test]
fn a_gzip_checksum_that_does_not_match_is_damage_behind_the_last_frame() {
    let (file, _) = pcap_of(&[60, 70]);
    let mut packed = gzip(&file);
    let checksum = packed.len() - 8;
    packed[checksum] ^= 1;
    let outcome = read(&packed);
    assert_eq!(outcome.frames.len(), 2);
    assert_eq!(outcome.damage().map(|(offset, _)| offset), Some(file.len() as u64));
}

#[test]
fn damage_within_a_packed_stream_is_reported_or_changes_no_frame_count() {
    let (file, _) = pcap_of(&[200; 50]);
    for pack in [gzip, zstd] {
        let packed = pack(&file);
        for position in (20..packed.len()).step_by(7) {
            let mut broken = packed.clone();
            broken[position] ^= 0x10;
            if let Ok(replay) = super::replay(&[&broken], super::CHUNK) {
                let outcome = Outcome::of(replay.source(), 256);
                assert!(outcome.damage().is_some(), "octet {position}");
            }
        }
    }
}

#[test]
fn what_is_packed_must_be_a_capture_too() {
    for pack in [gzip, zstd] {
        assert_eq!(refusal(&pack(b"")), "it is empty");
        assert!(refusal(&pack(b"just some text that is long enough")).contains("magic number"));
        assert!(refusal(&pack(&pack(b"twice"))).contains("twice"));
        let packed = pack(&pcap_of(&[60]).0);
        assert!(refusal(&packed[..packed.len().min(12)]).contains("stream ends early"));
    }
}

pub(super) fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap()
}

fn zstd(octets: &[u8]) -> Vec<u8> {
    // With a checksum, so that damage is noticed as it is with gzip.
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap()
}
