//! Ports of services.

/// The two ports of a Flow, in their order, each 0 unless it is that of a service.
///
/// A System Port (RFC 6335 §6: below 1024) is one. Of those that are registered the lower of the two
/// is, both if they are the same, as long as it is below where systems begin to take ports for
/// clients: 32768 on Linux, where others begin later. It does not matter which side is which, so
/// both directions of a Flow are treated alike. Port 0 is reserved (RFC 6335 §6) and no service.
pub(super) const fn of_services(ports: (u16, u16)) -> (u16, u16) {
    let (one, other) = ports;
    (service(one, other), service(other, one))
}

const fn service(port: u16, other: u16) -> u16 {
    let is_lower = port <= other || other == 0;
    if port < SYSTEM_PORTS_END || port < CLIENT_PORTS_BEGIN && is_lower { port } else { 0 }
}

const SYSTEM_PORTS_END: u16 = 1024;
const CLIENT_PORTS_BEGIN: u16 = 32_768;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_a_client_is_not_told() {
        for (ports, told) in [
            ((40_000, 443), (0, 443)),
            ((443, 40_000), (443, 0)),
            ((1_025, 80), (0, 80)),
            ((8_080, 51_000), (8_080, 0)),
            ((33_000, 8_443), (0, 8_443)),
            ((123, 123), (123, 123)),
            ((53, 67), (53, 67)),
            ((5_353, 5_353), (5_353, 5_353)),
            ((51_413, 60_000), (0, 0)),
            ((1_023, 1_024), (1_023, 0)),
            ((1_024, 1_025), (1_024, 0)),
            ((32_767, 32_768), (32_767, 0)),
            ((32_768, 32_768), (0, 0)),
            ((0, 0), (0, 0)),
        ] {
            assert_eq!(of_services(ports), told, "{ports:?}");
            let turned = of_services((ports.1, ports.0));
            assert_eq!((turned.1, turned.0), told, "{ports:?}");
        }
    }
}
