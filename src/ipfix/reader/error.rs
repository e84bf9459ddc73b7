//! Why reading ends before the input does.

use std::{fmt, io};

/// Why no further record can be read. The records before it were delivered.
///
/// Offsets count octets from the start of the input, after decompression if there is any.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The input itself failed.
    #[error("cannot read at offset {offset}: {source}")]
    Input {
        /// Octets read before.
        offset: u64,
        /// What the operating system or the decompression said.
        source: io::Error,
    },
    /// The input ends within a message.
    #[error(
        "truncated at offset {offset}: the message that begins at {message} has {length} octets, {missing} of them are missing"
    )]
    Truncated {
        /// Where the input ends.
        offset: u64,
        /// Where the message begins.
        message: u64,
        /// What the message says its length is.
        length: u16,
        /// Octets that do not exist.
        missing: u16,
    },
    /// The octets are not what RFC 7011 asks for.
    #[error("malformed at offset {offset}: {fault}")]
    Malformed {
        /// Where the fault is: the header or record that is wrong.
        offset: u64,
        /// What is wrong.
        fault: Fault,
    },
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// The input ends within the 16 octets of a Message Header.
    HeaderTruncated,
    /// RFC 7011 §3.1: the version is 10.
    Version(u16),
    /// RFC 7011 §3.1: the length counts the header.
    MessageLength(u16),
    /// RFC 7011 §3.3.2: the length counts the header, and Sets lie within the message.
    SetLength {
        /// Set ID.
        set: u16,
        /// What the header says.
        length: u16,
        /// Octets there are up to the end of the message.
        left: usize,
    },
    /// RFC 7011 §3.3.2: a message is made of whole Sets.
    OctetsAfterSets(usize),
    /// RFC 7011 §3.4.1: Template IDs are 256 to 65535.
    TemplateId(u16),
    /// A Template Record reaches beyond its Set.
    TemplateTruncated(u16),
    /// RFC 7011 §3.4.2.2: at least one scope field, and not more than there are fields.
    ScopeFieldCount {
        /// Template ID.
        template: u16,
        /// Scope Field Count.
        scope: u16,
        /// Field Count.
        fields: u16,
    },
    /// A Data Record of the Template would have no octets, so any Set would hold endlessly many.
    EmptyTemplate(u16),
    /// The Template of this ID has a Data Set that does not consist of its records.
    RecordTruncated(u16),
    /// The Templates together have more fields than a reader keeps.
    TooManyTemplates,
    /// There are more Observation Domains than a reader keeps.
    TooManyDomains,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::HeaderTruncated => f.write_str("the input ends within a message header"),
            Self::Version(version @ (1 | 5 | 7..=9)) => {
                write!(f, "NetFlow version {version}, not IPFIX")
            }
            // The first halves of the magic numbers of pcap, either way round, and of pcapng.
            Self::Version(0xa1b2 | 0xd4c3 | 0x4d3c | 0x0a0d) => {
                f.write_str("a packet capture, not IPFIX")
            }
            Self::Version(0xa50c | 0x0ca5) => f.write_str("a file of nfdump's own, not IPFIX"),
            Self::Version(version) => {
                write!(f, "not an IPFIX message: its version would be {version}")
            }
            Self::MessageLength(length) => {
                write!(f, "a message cannot have {length} octets, less than its header")
            }
            Self::SetLength { set, length, left } => {
                write!(f, "set {set} cannot have {length} octets where {left} are left")
            }
            Self::OctetsAfterSets(left) => {
                write!(f, "{left} octets after the last set are too few for another")
            }
            Self::TemplateId(id) => write!(f, "{id} cannot be the number of a template"),
            Self::TemplateTruncated(id) => write!(f, "template {id} reaches beyond its set"),
            Self::ScopeFieldCount { template, scope, fields } => {
                write!(
                    f,
                    "options template {template} cannot have {scope} scope fields of {fields} fields"
                )
            }
            Self::EmptyTemplate(id) => write!(f, "records of template {id} would have no octets"),
            Self::RecordTruncated(id) => {
                write!(f, "the data do not fit template {id}: a record reaches beyond its set")
            }
            Self::TooManyTemplates => f.write_str("more templates than can be kept"),
            Self::TooManyDomains => f.write_str("more observation domains than can be kept"),
        }
    }
}
