//! Options records as other programs see them.

use std::fs;
use std::net::UdpSocket;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::{DOMAIN, EXPORTED, NOW, facts, file, flow_template, hex, metering, options};
use crate::export::account::Totals;
use crate::export::options::{Exported, Interface, Options, OptionsRecord};
use crate::export::profile::Profile;
use crate::ipfix::exported as element;
use crate::ipfix::message::MessageWriter;

#[test]
#[ignore = "needs tshark"]
fn tshark_reads_every_record() {
    let text = output(Command::new("tshark").args(["-V", "-r"]), ".pcap", &as_capture(&file()));
    for line in [
        "PacketsExp: 3",
        "FlowsExp: 42",
        "Ignored Packets: 5",
        "Not Sent Flows: 7",
        "floKeyIndicator: 0000000000000001",
        "IfName: eth0",
        "IfDescr: Verbindung für 2",
        "Flow active timeout: 60",
        "Sampling Packet Interval: 1",
        "Biflow Direction: Initiator (1)",
        "System Init Time: Nov 14, 2023 22:13:20.000000000 UTC",
        "Selector Algorithm: Systematic count-based Sampling (1)",
        "Information Element Name: flowtapTunnelType",
    ] {
        assert!(text.contains(line), "{line}\n\n{text}");
    }
    for complaint in ["Malformed", "Unexpected flow sequence", "Expert Info"] {
        assert!(!text.contains(complaint), "{complaint}\n\n{text}");
    }
}

#[test]
#[ignore = "needs ipfixDump"]
fn libfixbuf_learns_our_elements_from_their_types() {
    // RFC 5610 §3: whoever read the records can name fields of ours.
    let mut writer = MessageWriter::new(1, 65_535);
    let types = options().standing(0);
    for OptionsRecord { template, .. } in &types {
        writer.add_template(template).unwrap();
    }
    for OptionsRecord { template, octets } in &types {
        writer.add_octets(template, octets).unwrap();
    }
    let mut file = writer.finish(1).unwrap().to_vec();
    let template = flow_template(300, &[element::FLOWTAP_TUNNEL_TYPE, element::IP_VERSION]);
    writer.add_template(&Arc::new(template.clone())).unwrap();
    writer.add_octets(&template, &[5, 4]).unwrap();
    file.extend(writer.finish(2).unwrap());
    let text = output(Command::new("ipfixDump").args(["--rfc5610", "--in"]), ".ipfix", &file);
    let field = text.lines().find(|line| line.contains("(32473/1)"));
    assert!(field.is_some_and(|line| line.contains("flowtapTunnelType : 5")), "{text}");
}

#[test]
#[ignore = "needs nfcapd"]
fn nfdump_shows_the_description_of_an_interface() {
    let options = Options::new(
        metering(facts()),
        DOMAIN,
        Profile::Nfdump.rules().mapping,
        Profile::Nfdump.rules().options,
    );
    options.learn([Interface::new(7, b"eth0", "Verbindung für 2".as_bytes())]);
    let not_sent = Totals { records: 7, packets: 8, octets: 900 };
    let mut records = options.standing(1);
    records.extend(options.statistics(&Exported { not_sent, ..EXPORTED }, NOW));
    let template = Arc::new(flow_template(
        300,
        &[
            element::INGRESS_INTERFACE,
            element::SOURCE_IPV4_ADDRESS,
            element::DESTINATION_IPV4_ADDRESS,
            element::PACKET_DELTA_COUNT,
            element::OCTET_DELTA_COUNT,
        ],
    ));
    let octets = hex("00000007 c0000201 c0000202 0000000000000003 0000000000000100");
    records.push(OptionsRecord { template, octets });

    let folder = tempfile::tempdir().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let spare = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = spare.local_addr().unwrap().port();
    drop(spare);
    let log = fs::File::create(folder.path().join("log")).unwrap();
    let mut nfcapd = Command::new("nfcapd")
        .args(["-b", "127.0.0.1", "-t", "3600", "-p", &port.to_string(), "-w"])
        .arg(folder.path())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .expect("nfcapd is installed");
    thread::sleep(Duration::from_secs(1));
    let mut writer = MessageWriter::new(DOMAIN, 1_400);
    for OptionsRecord { template, octets } in &records {
        writer.add_template(template).unwrap();
        writer.add_octets(template, octets).unwrap();
        socket.send_to(writer.finish(NOW.as_secs()).unwrap(), ("127.0.0.1", port)).unwrap();
    }
    thread::sleep(Duration::from_secs(1));
    let process = nfcapd.id().to_string();
    assert!(Command::new("kill").arg(&process).status().unwrap().success());
    nfcapd.wait().unwrap();

    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    let faults = log.lines().filter(|line| line.contains("extra bytes") || line.contains("error"));
    assert_eq!(faults.collect::<Vec<_>>(), [""; 0]);
    let files = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
    let file = files.into_iter().find(|file| file.display().to_string().contains("nfcapd.2"));
    let nfdump = ["-q", "-o", "fmt:%sa %in %inam %pkt %byt", "-r"];
    let output = Command::new("nfdump").args(nfdump).arg(file.expect("a file")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("192.0.2.1") && text.contains("Verbindung für 2"), "{text}");
}

/// A pcap file with one UDP datagram to port 4739.
fn as_capture(message: &[u8]) -> Vec<u8> {
    let udp_length = u16::try_from(8 + message.len()).unwrap();
    let mut packet = hex("45 00");
    packet.extend((20 + udp_length).to_be_bytes());
    packet.extend(hex("0000 4000 40 11 0000  c0000201 c0000202  1283 1283"));
    packet.extend(udp_length.to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(message);
    let length = u32::try_from(packet.len()).unwrap();
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101, 1, 0, length, length] {
        file.extend(word.to_le_bytes());
    }
    file.extend(packet);
    file
}

/// What a program says of a file.
fn output(command: &mut Command, suffix: &str, octets: &[u8]) -> String {
    let file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
    fs::write(file.path(), octets).unwrap();
    let output = command.arg(file.path()).output().expect("the program is installed");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}
