//! `/`: one page that needs nothing from anywhere else.

use std::fmt::Write as _;

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::telemetry::response::{HTML, Response};

/// The page. Its own script and style run by a number that nobody can guess (CSP nonce), nothing else
/// does, and it may load from where it came only.
pub(super) fn response() -> Response {
    let mut octets = [0; 16];
    if SystemRandom::new().fill(&mut octets).is_err() {
        return Response::error(503);
    }
    let nonce = octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    });
    let content = PAGE.replace("NONCE", &nonce).into_bytes();
    let mut response = Response::new(200, HTML, content);
    response.content_security_policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
         connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    response
}

const PAGE: &str = include_str!("page/page.html");
