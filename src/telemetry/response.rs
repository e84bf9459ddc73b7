//! An answer (RFC 9110, RFC 9112), with everything a browser is to be told not to do.

use std::fmt::Write as _;

/// What is answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) content: Vec<u8>,
    /// What a page may load and run (Content Security Policy Level 3).
    pub(super) content_security_policy: String,
}

impl Response {
    pub(super) fn new(status: u16, content_type: &'static str, content: Vec<u8>) -> Self {
        let content_security_policy = "default-src 'none'; frame-ancestors 'none'".to_owned();
        Self { status, content_type, content, content_security_policy }
    }

    /// An answer that only says what is wrong.
    pub(super) fn error(status: u16) -> Self {
        let content = format!("{status} {}\n", reason(status)).into_bytes();
        Self::new(status, TEXT, content)
    }

    /// The octets that answer.
    pub(super) fn into_octets(self, is_head: bool) -> Vec<u8> {
        let Self { status, content_type, content, content_security_policy } = self;
        let mut head = String::with_capacity(512);
        let _ = write!(
            head,
            "HTTP/1.1 {status} {}\r\n\
             Content-Type: {content_type}\r\n\
             Content-Length: {}\r\n\
             Content-Security-Policy: {content_security_policy}\r\n\
             Cache-Control: no-store\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\n\
             Referrer-Policy: no-referrer\r\n\
             X-Content-Type-Options: nosniff\r\n",
            reason(status),
            content.len(),
        );
        if status == 405 {
            head.push_str("Allow: GET, HEAD\r\n");
        }
        head.push_str("Connection: close\r\n\r\n");
        let mut octets = head.into_bytes();
        if !is_head {
            octets.extend(content);
        }
        octets
    }
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Error",
    }
}

pub(super) const TEXT: &str = "text/plain; charset=utf-8";
pub(super) const JSON: &str = "application/json";
pub(super) const HTML: &str = "text/html; charset=utf-8";
/// OpenMetrics 1.0, which Prometheus asks for.
pub(super) const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_head_is_that_to_get_without_its_content() {
        let octets = |is_head| Response::error(405).into_octets(is_head);
        let whole = String::from_utf8(octets(false)).unwrap();
        let (head, content) = whole.split_once("\r\n\r\n").unwrap();
        assert_eq!(content, "405 Method Not Allowed\n");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", content.len())), "{head}");
        assert!(head.contains("\r\nAllow: GET, HEAD\r\n"), "{head}");
        assert_eq!(octets(true), [head.as_bytes(), b"\r\n\r\n"].concat());
    }
}
