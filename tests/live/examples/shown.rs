//! Blocks that show what is printed: whether it is.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::examples::service::Service;
use crate::examples::stage::Stage;

impl Stage {
    pub(super) fn end_doctor(&self, mut service: Service) {
        let status = service.child.wait().unwrap().code();
        let said = fs::read_to_string(service.said.with_extension("out")).unwrap();
        assert!(matches!(status, Some(0 | 1)), "{}: {said}", service.command);
        if service.command.contains("json") {
            let told: Value = serde_json::from_str(&said).unwrap();
            assert!(told.as_object().is_some_and(|it| it.len() > 2), "{told:#}");
        } else {
            assert!(said.starts_with("looked at eth1"), "{said}");
        }
        let shown = self.doctor.borrow();
        if service.command.contains("--export") {
            for check in checks(&shown) {
                assert!(checks(&said).contains(check), "{check} is not in {said}");
            }
        }
    }

    pub(super) fn doctor_says_so(&self, shown: &str) {
        assert!(checks(shown).len() > 8, "{shown}");
        shown.clone_into(&mut self.doctor.borrow_mut());
    }

    pub(super) fn error_is_told_so(&self, shown: &str) {
        let text = "# 1\n# 2\n# 3\n# 4\n# 5\n[meter]\nidle_timeout = 15\n";
        fs::write(self.work("wrong.toml"), text).unwrap();
        let output = self.command("flowtap check wrong.toml").output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.replace("wrong.toml", "flowtap.toml"), shown);
    }

    pub(super) fn log_says_so(&self, shown: &str) {
        let command = "flowtap capture -i eth1 --duration 1s --telemetry off --log-format json \
                       --export tcp://127.0.0.1:9";
        let output = self.command(command).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let shown: Value = serde_json::from_str(shown).unwrap();
        let mut said = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let said = said.find(|it| it["event"] == shown["event"]).unwrap();
        let told = said.to_string().replace("127.0.0.1:9", "192.0.2.10:4739");
        let mut told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["time"].as_str().map(str::len), shown["time"].as_str().map(str::len));
        told["time"] = shown["time"].clone();
        assert_eq!(told, shown);
    }

    pub(super) fn books_say_so(&self, shown: &str) {
        let json = self.ends_well("flowtap replay office.pcap --export null: --quiet --summary -");
        let json: Value = serde_json::from_str(&json).unwrap();
        let is_key = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase()) && word.len() > 3;
        for word in shown.split([' ', '\n']).filter(is_key).filter(|word| *word != "reason") {
            let target = &json["targets"][0];
            let names = [format!("{word}_packets"), format!("{word}_flows"), word.to_owned()];
            let is_told = names.iter().any(|it| json.get(it).is_some() || target.get(it).is_some());
            assert!(is_told, "{word}: {json:#}");
        }
    }
}

/// The names of the checks in what doctor prints.
fn checks(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let named = lines.filter(|words| {
        words.len() > 2 && ["ok", "note", "warning", "error", "unknown"].contains(&words[0])
    });
    named.map(|words| words[1]).collect()
}
