//! Nothing that a probe tells of itself says who talked.

use super::*;

use crate::lab::{CLIENT, SERVER};

/// Fails if one of those who talk in the lab is in `text`, by address or by name.
#[track_caller]
pub(crate) fn assert_silent(lab: &Lab, text: &str, what: &str) {
    let text = text.to_lowercase();
    let mut secrets: Vec<String> =
        [CLIENT, SERVER].concat().into_iter().map(String::from).collect();
    for address in CLIENT.iter().chain(&SERVER) {
        let address: std::net::IpAddr = address.parse().unwrap();
        let octets = match address {
            std::net::IpAddr::V4(address) => address.octets().to_vec(),
            std::net::IpAddr::V6(address) => address.octets().to_vec(),
        };
        let hexadecimal: Vec<_> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        secrets.extend([hexadecimal.join(""), hexadecimal.join(":")]);
        let decimal: Vec<_> = octets.iter().map(u8::to_string).collect();
        secrets.extend([decimal.join(","), decimal.join(", ")]);
    }
    for namespace in ["client", "server"] {
        let mac = lab.shell(namespace, "cat /sys/class/net/eth0/address").trim().to_owned();
        secrets.extend([mac.replace(':', ""), mac]);
    }
    secrets.extend(["www.example", "page.html", "curl"].map(String::from));
    for secret in &secrets {
        assert!(!text.contains(secret.as_str()), "{secret} in {what}: {text}");
    }
}

/// Fails if any answer of the probe says who talked, or where records go.
#[track_caller]
pub(crate) fn assert_no_answer_names_anybody(lab: &Lab) {
    wait_for(lab, "distributions", |it| {
        let tcp = it["distributions"]["tcp"].as_array().unwrap();
        tcp.iter().any(|it| it["name"] == "http" && it["flows"].as_u64() >= Some(10))
    });
    for path in ["/", "/status.json", "/metrics", "/health", "/../x", "/status.json?192.0.2.10"] {
        let answer = get(lab, path);
        assert!(!answer.is_empty(), "{path}");
        assert_silent(lab, &answer, path);
        // Nor does it say who is reported to.
        for place in ["collector.invalid", ":4741", ":4742"] {
            assert!(!answer.contains(place), "{place} in {path}: {answer}");
        }
    }
    // The port of one service is shown as that of nobody.
    let seen = status(lab);
    let udp = seen["distributions"]["udp"].as_array().unwrap();
    assert!(udp.iter().all(|it| it["flows"] == 0 || it["flows"].as_u64() >= Some(10)), "{udp:?}");
}
