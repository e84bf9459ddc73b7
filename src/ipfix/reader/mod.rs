//! Reads RFC 7011 messages from any stream of octets: a file (RFC 5655), a TCP connection, datagrams
//! put together.
//!
//! Meant for hostile input. Every length is checked before it is used; memory is one message and a
//! bounded number of Templates; a record always has octets, so nothing goes on for ever. What is
//! before a fault is delivered, what is odd but harmless is counted in [`Statistics`].

mod error;
mod record;
mod session;
mod template;

use std::io::{self, Read};

pub use error::{Fault, ReadError};
pub use record::Record;
pub use session::{MAXIMUM_DOMAINS, MAXIMUM_FIELDS, MessageHeader, Statistics};
use session::{Position, Session};
pub use template::{Template, TemplateField, VARIABLE_LENGTH};
pub(super) use template::{Templates, take_field, take_field_specifier};

/// A reader of messages, record by record.
///
/// ```
/// use flowtap::ipfix::reader::Reader;
///
/// let file: &[u8] = &[];
/// let mut reader = Reader::new(file);
/// while let Some(record) = reader.next_record()? {
///     for (field, value) in record.fields() {
///         println!("{field}: {value}");
///     }
/// }
/// # Ok::<(), flowtap::ipfix::reader::ReadError>(())
/// ```
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    /// Octets of the message in hand, all of it or all there are.
    message: Vec<u8>,
    /// Offset of the message in hand.
    offset: u64,
    position: Option<Position>,
    session: Session,
    is_over: bool,
}

impl<R: Read> Reader<R> {
    /// Begins at the front of `input`, which should be buffered.
    pub fn new(input: R) -> Self {
        Self {
            input,
            message: Vec::new(),
            offset: 0,
            position: None,
            session: Session::default(),
            is_over: false,
        }
    }

    /// The next Data Record, of a Template or an Options Template; `None` at the end of the input
    /// and after an error.
    ///
    /// # Errors
    ///
    /// [`ReadError`] once, where reading cannot go on. Complete Sets of a message that the input
    /// cuts short are read before.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        let range = loop {
            if self.is_over {
                return Ok(None);
            }
            match self.advance() {
                Ok(Step::Record(range)) => break range,
                Ok(Step::EndOfMessage) => {}
                Ok(Step::EndOfInput) => self.is_over = true,
                Err(error) => {
                    self.is_over = true;
                    return Err(error);
                }
            }
        };
        let Some(position) = &self.position else { return Ok(None) };
        Ok(self.session.record(&self.message, position, range))
    }

    /// What was read so far.
    pub const fn statistics(&self) -> &Statistics {
        &self.session.statistics
    }

    fn advance(&mut self) -> Result<Step, ReadError> {
        let Some(position) = &mut self.position else { return self.begin_message() };
        let missing = usize::from(position.header.length) - self.message.len();
        let result = self.session.advance(&self.message, position);
        let error = match result {
            Ok(Some(range)) => return Ok(Step::Record(range)),
            Ok(None) if missing == 0 => {
                self.offset += u64::from(position.header.length);
                self.position = None;
                return Ok(Step::EndOfMessage);
            }
            // The Set that does not fit is the one that was cut.
            Ok(None) | Err(Fault::SetLength { .. } | Fault::OctetsAfterSets(_)) if missing != 0 => {
                ReadError::Truncated {
                    offset: self.offset + self.message.len() as u64,
                    message: self.offset,
                    length: position.header.length,
                    missing: u16::try_from(missing).unwrap_or(u16::MAX),
                }
            }
            Ok(None) => return Ok(Step::EndOfInput),
            Err(fault) => {
                ReadError::Malformed { offset: self.offset + position.offset as u64, fault }
            }
        };
        Err(error)
    }

    fn begin_message(&mut self) -> Result<Step, ReadError> {
        self.message.clear();
        self.read(MessageHeader::LENGTH)?;
        let malformed = |fault| ReadError::Malformed { offset: self.offset, fault };
        let header = match self.message.first_chunk() {
            Some(header) => MessageHeader::decode(header).map_err(malformed)?,
            None if self.message.is_empty() => return Ok(Step::EndOfInput),
            // Even the first octets tell a file of another kind from a damaged one.
            None => {
                return Err(malformed(match template::u16_at(&self.message, 0) {
                    Some(version) if version != 10 => Fault::Version(version),
                    _ => Fault::HeaderTruncated,
                }));
            }
        };
        self.read(usize::from(header.length))?;
        let begun = self.session.begin(header, self.message.len());
        let malformed = |fault| ReadError::Malformed { offset: self.offset, fault };
        self.position = Some(begun.map_err(malformed)?);
        Ok(Step::EndOfMessage)
    }

    /// Fills the message up to `length` octets, or to what there is.
    fn read(&mut self, length: usize) -> Result<(), ReadError> {
        let missing = length.saturating_sub(self.message.len()) as u64;
        let read = self.input.by_ref().take(missing).read_to_end(&mut self.message);
        read.map(drop).map_err(|source: io::Error| ReadError::Input {
            offset: self.offset + self.message.len() as u64,
            source,
        })
    }
}

enum Step {
    Record(std::ops::Range<usize>),
    EndOfMessage,
    EndOfInput,
}

#[cfg(test)]
pub(crate) mod build;
#[cfg(test)]
mod tests;
