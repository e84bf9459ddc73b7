//! The status page in a real browser, over a live probe.

use super::*;

#[test]
#[ignore = "needs CAP_NET_ADMIN and chromium"]
fn the_page_shows_a_live_probe_by_day_and_by_night_and_nobody_who_talks() {
    let mut lab = Lab::new();
    lab.start_servers();
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool").display().to_string();
    let more = ["--idle-timeout", "1s", "--export", "tcp://127.0.0.1:1?reconnect=1s"];
    let elsewhere =
        ["--export", "tcp://collector.invalid:4741", "--export", "udp://127.0.0.1:4742"];
    let present = ["--export", "tcp://127.0.0.1:4743?reconnect=1s"];
    let more =
        [&more[..], &["--export", "null:", "--spool", &spool], &elsewhere, &present].concat();
    let _collector = Program::start(lab.command("probe", "python3").args(["-c", COLLECTOR]));
    lab.shell("probe", "ip link set span alias 'mirror of the uplink'");
    let mut capture = start(&lab, &more);
    lab.mirror(&[("ingress", "span"), ("egress", "span")]);
    (0..6).for_each(|_| lab.talk());
    talk_to_many(&lab);
    lab.unmirror();
    assert_handed_over(&lab);
    secrets::assert_no_answer_names_anybody(&lab);
    let found = browse(&lab, folder.path());

    assert_eq!(found["complaints"], serde_json::json!([]), "no error, no breach of the policy");
    let asked = ["http://127.0.0.1:9739/", "http://127.0.0.1:9739/status.json", "data:,"];
    for url in found["asked"].as_array().unwrap() {
        assert!(asked.contains(&url.as_str().unwrap()), "nothing from elsewhere: {url}");
    }
    assert_eq!(found["unreachable"], serde_json::json!([]), "by keyboard or screen reader");
    let views = found["views"].as_array().unwrap();
    assert_eq!(views.len(), 4);
    for view in views {
        assert_eq!(view["poor_contrast"], serde_json::json!([]), "{view}");
        assert_eq!(view["overflow"], 0, "nothing is cut off: {view}");
    }
    assert_ne!(views[0]["ground"], views[1]["ground"], "night is darker than day");
    let text = found["text"].as_str().unwrap();
    for shown in [
        "All is well",
        "Packets a second",
        "span",
        "capturing",
        "mirror of the uplink",
        "In memory",
        "payload cut in the kernel",
        "out of reach",
        "http",
        "fragments",
        "Handed over, not confirmed yet",
        "Last handed over",
        "1 (tcp)",
        "2 (null)",
        "flow records as they are, addresses included",
        "can start no program",
        "records",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    assert!(text.contains("Up to the last hour"), "its axis may be shorter: {text}");
    let days = found["old_days"].as_array().unwrap().iter().map(|day| day.as_str().unwrap());
    let old = found["old"].as_str().unwrap();
    let has = days.map(|day| old.contains(day)).collect::<Vec<_>>();
    assert_eq!(has, [false, true, true], "what was days ago does not look like today: {found}");
    // The line of packets is not flat: there was traffic.
    let path = found["paths"][0].as_str().unwrap();
    let heights: BTreeSet<_> =
        path.split(['M', 'L']).filter_map(|at| at.split_once(' ')).map(|at| at.1).collect();
    assert!(heights.len() > 1 && found["paths"].as_array().unwrap().len() == 4, "{found}");
    let (summary, readout) =
        (found["summary"].as_str().unwrap(), found["readout"].as_str().unwrap());
    assert!(summary.starts_with("Now ") && readout.contains(':'), "{summary} {readout}");
    secrets::assert_silent(&lab, found["html"].as_str().unwrap(), "the page");
    assert!(capture.is_running());
}

/// RFC 7011 has no acknowledgement, and a receive window says nothing of the last octets: a collector
/// that gets little, and reads it, is not said to get nothing.
fn assert_handed_over(lab: &Lab) {
    let of = |it: &Value, name: &str| it["targets"][4][name].as_u64().unwrap_or(0);
    let seen = wait_for(lab, "what was handed over", |it| {
        it["cache"]["flows"] == 0 && of(it, "unconfirmed_flows") > 0 && of(it, "waiting_flows") == 0
    });
    let given = of(&seen, "given_flows");
    let unconfirmed = of(&seen, "unconfirmed_flows");
    assert_eq!(of(&seen, "sent_flows") + unconfirmed, given, "{}", seen["targets"][4]);
    let on_disk = seen["targets"][4]["spool"]["flows"].as_u64().unwrap();
    assert_eq!(of(&seen, "queued_flows") + on_disk, unconfirmed, "a part of what waits");
    let started = seen["started"].as_u64().unwrap();
    assert!(of(&seen, "last_written") >= started, "{}", seen["targets"][4]);
    // Where nobody is they really wait.
    let away = &seen["targets"][0];
    assert_eq!((&away["unconfirmed_flows"], &away["last_written"]), (&0.into(), &Value::Null));
    assert_eq!(away["waiting_flows"], away["given_flows"]);
    let told = metrics(&get(lab, "/metrics"));
    #[expect(clippy::cast_precision_loss, reason = "metrics are floating point")]
    for (target, unconfirmed, waiting) in [(5, unconfirmed as f64, 0.0), (1, 0.0, given as f64)] {
        let labels = format!("{{target=\"{target}\",kind=\"tcp\"}}");
        let of = |name: &str| told[&format!("flowtap_export_{name}_records{labels}")];
        assert_eq!((of("unconfirmed"), of("waiting")), (unconfirmed, waiting), "{target}");
    }
    let said = lab.shell("probe", &format!("{FLOWTAP} status"));
    let said = said.lines().find(|line| line.starts_with("target 5")).unwrap().to_owned();
    let part = format!(" {unconfirmed} handed over (not confirmed), 0 waiting, 0 lost");
    assert!(said.contains("tcp connected: ") && said.contains(&part), "{said}");
}

/// Reads, as long as it gets something.
const COLLECTOR: &str = "
import socket
listener = socket.create_server(('127.0.0.1', 4743))
stream, _ = listener.accept()
while stream.recv(65536):
    pass
";

/// What the browser finds, and pictures in `folder`, or where `FLOWTAP_TEST_PICTURES` says.
fn browse(lab: &Lab, folder: &Path) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kept = std::env::var_os("FLOWTAP_TEST_PICTURES");
    let pictures = kept.as_deref().map_or(folder, Path::new);
    let mut python = lab.command("probe", "python3");
    python.env("PYTHONPATH", root.join("scripts/lib")).env("PYTHONDONTWRITEBYTECODE", "1");
    python.arg(root.join("tests/live/telemetry/browser.py"));
    python.arg("http://127.0.0.1:9739/").arg(pictures);
    serde_json::from_str(&program::run(&mut python)).unwrap()
}
