//! What the system says of its network interfaces.

use std::ffi::CStr;

/// One interface, as it was when asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Link {
    /// Its number, never used again within a boot.
    pub index: u32,
    /// Administratively up (IFF_UP), with or without a carrier.
    pub up: bool,
    /// The ARPHRD_ number of its link layer.
    pub hardware_type: u16,
}

#[cfg(target_os = "linux")]
pub use linux::Links;
#[cfg(target_os = "linux")]
pub(super) use linux::named_request;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::Links;

/// The names of all interfaces, in the order of their numbers.
pub fn names() -> Vec<String> {
    // SAFETY: takes nothing; returns null or an array that is ours until it is freed below.
    let list = unsafe { libc::if_nameindex() };
    let mut names = Vec::new();
    if list.is_null() {
        return names;
    }
    let mut entry = list;
    loop {
        // SAFETY: `entry` is within the array: it starts at its head and stops at the entry
        // without a name, which ends it.
        let libc::if_nameindex { if_index, if_name } = unsafe { *entry };
        if if_index == 0 || if_name.is_null() {
            break;
        }
        // SAFETY: the name of an entry is a string that lives as long as the array.
        names.push(unsafe { CStr::from_ptr(if_name) }.to_string_lossy().into_owned());
        // SAFETY: this entry was not the last, so there is one behind it.
        entry = unsafe { entry.add(1) };
    }
    // SAFETY: `list` came from if_nameindex and nothing of it is used any more.
    unsafe { libc::if_freenameindex(list) };
    names
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::AsRawFd;
    use std::os::fd::FromRawFd;
    use std::os::fd::OwnedFd;

    use super::Link;

    /// Answers questions about the interfaces of one network namespace: that of the thread that
    /// made it.
    #[derive(Debug)]
    pub struct Links {
        socket: OwnedFd,
    }

    impl Links {
        /// Opens the view on the interfaces.
        ///
        /// # Errors
        ///
        /// What socket(2) says: no descriptors left.
        pub fn open() -> io::Result<Self> {
            // SAFETY: socket(2) takes no pointers.
            let fd =
                unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the descriptor is open, just made, and known to nobody else.
            let socket = unsafe { OwnedFd::from_raw_fd(fd) };
            Ok(Self { socket })
        }

        /// The interface that has this name now, if any.
        pub fn named(&self, name: &str) -> Option<Link> {
            let mut request = named_request(name)?;
            self.ask(libc::SIOCGIFINDEX, &mut request)?;
            // SAFETY: SIOCGIFINDEX answered in this field, and it is an integer in any case.
            let index = u32::try_from(unsafe { request.ifr_ifru.ifru_ifindex }).ok()?;
            self.ask(libc::SIOCGIFFLAGS, &mut request)?;
            // SAFETY: SIOCGIFFLAGS answered in this field, and it is an integer in any case.
            let flags = libc::c_int::from(unsafe { request.ifr_ifru.ifru_flags });
            self.ask(libc::SIOCGIFHWADDR, &mut request)?;
            // SAFETY: SIOCGIFHWADDR answered in this field, and it is integers in any case.
            let hardware_type = unsafe { request.ifr_ifru.ifru_hwaddr }.sa_family;
            Some(Link { index, up: flags & libc::IFF_UP != 0, hardware_type })
        }

        /// The interface with this number, whatever its name is now.
        pub fn numbered(&self, index: u32) -> Option<Link> {
            let mut request = empty_request();
            request.ifr_ifru.ifru_ifindex = libc::c_int::try_from(index).ok()?;
            self.ask(libc::SIOCGIFNAME, &mut request)?;
            let name: Vec<u8> = request
                .ifr_name
                .iter()
                .map(|character| character.to_ne_bytes()[0])
                .take_while(|&octet| octet != 0)
                .collect();
            // Between the two questions the name may pass to another interface.
            self.named(std::str::from_utf8(&name).ok()?).filter(|link| link.index == index)
        }

        fn ask(&self, question: libc::c_ulong, request: &mut libc::ifreq) -> Option<()> {
            let request = std::ptr::from_mut(request);
            // SAFETY: the SIOCGIF requests read and write one ifreq, which is live and ours.
            let answer = unsafe { libc::ioctl(self.socket.as_raw_fd(), question as _, request) };
            (answer >= 0).then_some(())
        }
    }

    fn empty_request() -> libc::ifreq {
        // SAFETY: ifreq is integers, octets and a union of them, for which zero is a value.
        unsafe { std::mem::zeroed() }
    }

    /// A request about `name`; none when no interface can have it.
    pub(in crate::sys) fn named_request(name: &str) -> Option<libc::ifreq> {
        let mut request = empty_request();
        let octets = name.as_bytes();
        if octets.is_empty() || octets.len() >= request.ifr_name.len() || octets.contains(&0) {
            return None;
        }
        for (to, octet) in request.ifr_name.iter_mut().zip(octets) {
            *to = libc::c_char::from_ne_bytes([*octet]);
        }
        Some(request)
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::ffi::CString;
    use std::io;

    use super::Link;

    /// Answers questions about the interfaces of the system, as far as POSIX does: whether one is
    /// there. What it is, and whether it is up, libpcap finds out.
    #[derive(Debug)]
    pub struct Links;

    impl Links {
        /// Opens the view on the interfaces.
        ///
        /// # Errors
        ///
        /// None here.
        pub const fn open() -> io::Result<Self> {
            Ok(Self)
        }

        /// The interface that has this name now, if any.
        pub fn named(&self, name: &str) -> Option<Link> {
            let name = CString::new(name).ok()?;
            // SAFETY: `name` is a live string that ends with a zero.
            let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
            (index != 0).then_some(Link { index, up: true, hardware_type: 0 })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_loopback_interface_is_found_by_name_and_number() {
        let links = Links::open().unwrap();
        let loopback = links.named("lo").unwrap();
        assert_eq!(loopback.hardware_type, libc::ARPHRD_LOOPBACK);
        assert_eq!(links.numbered(loopback.index), Some(loopback));
        assert!(names().contains(&String::from("lo")));
    }

    #[test]
    fn names_that_no_interface_can_have_are_not_found() {
        let links = Links::open().unwrap();
        for name in ["", "sixteen_is_toobig", "with\0nul", "not-there-1"] {
            assert_eq!(links.named(name), None, "{name:?}");
        }
        #[cfg(target_os = "linux")]
        assert_eq!((links.numbered(0), links.numbered(u32::MAX)), (None, None));
    }
}
