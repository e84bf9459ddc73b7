//! What a check found, why that matters, and the command that puts it right.

use serde_json::{Value, json};

/// How a check ended, from the best on.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// Worth knowing, nothing to put right.
    Note,
    /// It cannot be told: not by this machine, or not yet.
    Unknown,
    /// To put right.
    Warning,
    /// To put right first: what is measured is wrong, or nothing is.
    Error,
}

/// What is looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Check {
    Privilege,
    Clock,
    Governor,
    Confinement,
    Carrier,
    Promiscuous,
    Reached,
    Stacked,
    Addresses,
    Autoconfiguration,
    Offloads,
    VlanStripping,
    ReceiveRing,
    Queues,
    PayloadCut,
    InterfaceDrops,
    KernelDrops,
    Traffic,
    FrameLength,
    OneDirection,
    Duplicates,
    OwnExport,
    Collector,
    Certificate,
    SpoolDisk,
}

/// What a check found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Finding {
    pub(super) check: Check,
    /// The interface, collector or directory that it is about.
    pub(super) subject: Option<String>,
    pub(super) verdict: Verdict,
    /// One sentence.
    pub(super) finding: String,
    /// What puts it right.
    pub(super) fix: Option<String>,
}

impl Verdict {
    /// In JSON.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// Whether there is something to put right.
    pub(super) fn is_trouble(self) -> bool {
        self >= Self::Warning
    }
}

impl Check {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Privilege => "privilege",
            Self::Clock => "clock",
            Self::Governor => "governor",
            Self::Confinement => "confinement",
            Self::Carrier => "carrier",
            Self::Promiscuous => "promiscuous",
            Self::Reached => "reached",
            Self::Stacked => "stacked",
            Self::Addresses => "addresses",
            Self::Autoconfiguration => "autoconfiguration",
            Self::Offloads => "offloads",
            Self::VlanStripping => "vlan-stripping",
            Self::ReceiveRing => "receive-ring",
            Self::Queues => "queues",
            Self::PayloadCut => "payload-cut",
            Self::InterfaceDrops => "interface-drops",
            Self::KernelDrops => "kernel-drops",
            Self::Traffic => "traffic",
            Self::FrameLength => "frame-length",
            Self::OneDirection => "one-direction",
            Self::Duplicates => "duplicates",
            Self::OwnExport => "own-export",
            Self::Collector => "collector",
            Self::Certificate => "certificate",
            Self::SpoolDisk => "spool-disk",
        }
    }

    /// Under which heading it stands.
    pub(super) const fn group(self) -> &'static str {
        match self {
            Self::Privilege | Self::Clock | Self::Governor | Self::Confinement => "machine",
            Self::Carrier
            | Self::Promiscuous
            | Self::Reached
            | Self::Stacked
            | Self::Addresses
            | Self::Autoconfiguration
            | Self::Offloads
            | Self::VlanStripping
            | Self::ReceiveRing
            | Self::Queues
            | Self::PayloadCut => "interface",
            Self::InterfaceDrops
            | Self::KernelDrops
            | Self::Traffic
            | Self::FrameLength
            | Self::OneDirection
            | Self::Duplicates
            | Self::OwnExport => "traffic",
            Self::Collector | Self::Certificate | Self::SpoolDisk => "export",
        }
    }

    /// Why it matters, in one sentence.
    pub(super) const fn why(self) -> &'static str {
        match self {
            Self::Privilege => "without CAP_NET_RAW the kernel lets nobody see packets",
            Self::Clock => "times of flows from two probes cannot be put together",
            Self::Governor => "a processor that clocks down between bursts is late when one comes",
            Self::Confinement => {
                "what a probe cannot give up, somebody who takes it over has in his hands"
            }
            Self::Carrier => "without a link nothing arrives",
            Self::Promiscuous => "mirrored packets are addressed to others, and thrown away",
            Self::Reached => {
                "what is observed has no address and says nothing: who prepares this one is locked out"
            }
            Self::Stacked => "one hands the other what it receives: every packet is counted twice",
            Self::Addresses => "this host answers on a network that it should only watch",
            Self::Autoconfiguration => {
                "this host speaks on a network that it should only watch, and counts itself"
            }
            Self::Offloads => {
                "several packets arrive as one: counts of packets are too low, sizes too large"
            }
            Self::VlanStripping => {
                "the outermost tag is told beside the frame; flowtap reads it there"
            }
            Self::ReceiveRing => "what comes in a burst beyond the ring is lost without a trace",
            Self::Queues => {
                "the two directions may arrive in the wrong order; flowtap brings them together \
                 itself, whatever the queue"
            }
            Self::PayloadCut => "payload that the kernel does not cut is copied to be thrown away",
            Self::InterfaceDrops => "packets that the interface lost are in no flow",
            Self::KernelDrops => "packets that the kernel lost are in no flow",
            Self::Traffic => "there is nothing to measure",
            Self::FrameLength => {
                "no such packet was on the wire: several were merged, or the MTU here is too small"
            }
            Self::OneDirection => {
                "half of every connection is missing: no round trip, no answer, no volume of it"
            }
            Self::Duplicates => "every packet that comes twice is counted twice",
            Self::OwnExport => "export of flows makes flows, which are exported, and so on",
            Self::Collector => "records wait here until it is there, and are lost in the end",
            Self::Certificate => "from its last day on there are no sessions over TLS",
            Self::SpoolDisk => "records of a long outage would be lost",
        }
    }
}

impl Finding {
    pub(super) fn new(check: Check, verdict: Verdict, finding: impl Into<String>) -> Self {
        Self { check, subject: None, verdict, finding: finding.into(), fix: None }
    }

    #[must_use]
    pub(super) fn of(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    #[must_use]
    pub(super) fn fixed_by(mut self, command: impl Into<String>) -> Self {
        self.fix = Some(command.into());
        self
    }

    /// With what it is about.
    pub(super) fn text(&self) -> String {
        let subject = self.subject.as_deref().map(|subject| format!("{subject}: "));
        format!("{}{}", subject.unwrap_or_default(), self.finding)
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "check": self.check.name(),
            "group": self.check.group(),
            "subject": self.subject,
            "verdict": self.verdict.name(),
            "finding": self.finding,
            "why": self.check.why(),
            "fix": self.fix,
        })
    }
}
