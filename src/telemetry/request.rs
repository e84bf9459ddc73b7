//! What a client asks for (RFC 9112), as far as anybody may ask for anything here.

use httparse::{Error, Status};

/// A request that is there in full.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Request {
    /// Without what follows a question mark.
    pub(super) path: String,
    /// HEAD: the same answer, without its content (RFC 9110 §9.3.2).
    pub(super) is_head: bool,
    /// The host that is asked for, if it was said.
    pub(super) host: Option<String>,
}

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// It is no HTTP.
    Malformed,
    /// It is larger than a request of ours can be.
    TooLarge,
    /// Nothing can be changed here.
    Method,
}

/// Reads a request; `None` if there is more to come.
pub(super) fn parse(octets: &[u8]) -> Option<Result<Request, Fault>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(octets) {
        Ok(Status::Complete(_)) => Some(understood(&request)),
        Ok(Status::Partial) if octets.len() >= LARGEST => Some(Err(Fault::TooLarge)),
        Ok(Status::Partial) => None,
        Err(Error::TooManyHeaders) => Some(Err(Fault::TooLarge)),
        Err(_) => Some(Err(Fault::Malformed)),
    }
}

fn understood(request: &httparse::Request<'_, '_>) -> Result<Request, Fault> {
    let is_head = match request.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Err(Fault::Method),
    };
    let mut hosts = request.headers.iter().filter(|it| it.name.eq_ignore_ascii_case("host"));
    let host = hosts.next().map(|header| std::str::from_utf8(header.value));
    let host = host.transpose().map_err(|_| Fault::Malformed)?.map(|host| host.trim().to_owned());
    // RFC 9112 §3.2: one, from HTTP/1.1 on.
    if hosts.next().is_some() || (host.is_none() && request.version != Some(0)) {
        return Err(Fault::Malformed);
    }
    let target = request.path.unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default().to_owned();
    Ok(Request { path, is_head, host })
}

/// Octets of a request at most. What a browser sends has some 600.
pub(super) const LARGEST: usize = 8192;
const MOST_HEADERS: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_understood_however_it_arrives() {
        let text = b"HEAD /metrics?x=1 HTTP/1.1\r\nhost: localhost:1\r\nAccept: */*\r\n\r\n";
        for length in 0..text.len() {
            assert_eq!(parse(&text[..length]), None, "{length}");
        }
        let host = Some("localhost:1".to_owned());
        let request = Request { path: "/metrics".to_owned(), is_head: true, host };
        assert_eq!(parse(text), Some(Ok(request)));
        assert!(parse(b"GET / HTTP/1.0\r\n\r\n").unwrap().is_ok());
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        for (text, fault) in [
            ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", Fault::Method),
            ("GET / HTTP/1.1\r\n\r\n", Fault::Malformed),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Fault::Malformed),
            ("\x16\x03\x01\x02\x00\x01", Fault::Malformed),
            ("GET / HTTP/3.0\r\n\r\n", Fault::Malformed),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(Err(fault)), "{text:?}");
        }
        let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(LARGEST));
        assert_eq!(parse(long.as_bytes()), Some(Err(Fault::TooLarge)));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: x\r\n".repeat(MOST_HEADERS + 1));
        assert_eq!(parse(many.as_bytes()), Some(Err(Fault::TooLarge)));
    }
}
