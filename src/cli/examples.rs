//! Examples of each command, at the end of its help and in its manual page. `tests/live/examples.rs` runs them.

pub(super) const REPLAY: &str = "Examples:
  flowtap replay traffic.pcap
      print the flows of a capture as a table, and the ledger
  flowtap replay monday.pcapng.zst tuesday.pcap.gz --export file:week.ipfix --summary week.json
      the flows of two captures in one IPFIX file, and the ledger as JSON
  zcat old.pcap.gz | flowtap replay - --export 'json:-?privacy=obfuscated'
      standard input, as JSON with pseudonyms for addresses";

pub(super) const CAPTURE: &str = "Examples:
  flowtap capture -i eth1 --duration 10s
      print the flows of ten seconds as a table, and the ledger
  flowtap capture -i eth1 -i eth2 --export 'udp://192.0.2.10:9995?profile=nfdump'
      meter both directions of a TAP, and send the flows to nfcapd
  flowtap capture -i eth1 --filter 'not port 22' --duration 1m --summary ledger.json
      leave out what the kernel need not count, end after a minute, and keep the ledger";

pub(super) const VERIFY: &str = "Examples:
  flowtap verify traffic.pcap
      replay a capture with other payload four times, and compare all that comes out";

pub(super) const SUPPORT_BUNDLE: &str = "Examples:
  flowtap support-bundle bundle.tar.zst --summary ledger.json
      write an archive, with the numbers of the last run";

pub(super) const DOCTOR: &str = "Examples:
  flowtap doctor -i eth1 -i eth2 --duration 3s
      look at both interfaces of a TAP, for three seconds
  flowtap doctor --config /etc/flowtap/flowtap.toml --duration 3s --format json
      look at all that a configuration names, for programs";

pub(super) const MANIFEST: &str = "Examples:
  flowtap manifest /etc/flowtap/flowtap.toml --lang ja
      what leaves with this configuration, in Japanese
  flowtap manifest -i eth1 --export 'tls://partner.example?privacy=statistical' --format json
      what would leave with these arguments of flowtap capture, for programs";

pub(super) const CHECK: &str = "Examples:
  flowtap check
      validate /etc/flowtap/flowtap.toml
  flowtap check flowtap.toml > effective.toml
      keep what is in effect with another file, defaults and all";

pub(super) const CONFIG: &str = "Examples:
  flowtap config > flowtap.toml
      a file to begin with";

pub(super) const STATUS: &str = "Examples:
  flowtap status
      some lines; exit status 0 if the probe is healthy
  flowtap status --json --probe 127.0.0.1:9739
      everything, for programs";

pub(super) const TOP: &str = "Examples:
  flowtap top
      watch the probe at 127.0.0.1:9739; q leaves";

pub(super) const PLAN: &str = "Examples:
  flowtap plan traffic.pcap --export udp://collector.example.net --outage 4h
      plan for this collector by a capture, and for four hours without it
  flowtap plan --live 1m -i eth1
      plan by a minute of live traffic";

pub(super) const PROFILES: &str = "Examples:
  flowtap profiles
      what each kind of collector gets, and why
  flowtap profiles --format json
      for programs";
