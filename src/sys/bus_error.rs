//! Files that shrink, and disks that fail, under a mapping: SIGBUS without the end of the process.
//!
//! An access to a mapped page that the kernel cannot bring raises SIGBUS. Here stands who owns which
//! addresses, and a handler that looks there: inside one of our mappings it puts zeros in the place
//! of what is missing and notes from where on, and the access goes on. The reader asks for that note
//! when it has read ([`Guard::torn_at`]). Any other SIGBUS is handed to whom it went before, so
//! that a process with an error of its own still ends by it.
//!
//! The handler takes no lock, allocates nothing and waits for nobody: it reads one word of each slot
//! of a fixed table and makes one system call.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, compiler_fence};

/// A range of addresses that the handler mends. Nothing is mended any more once it is dropped.
#[derive(Debug)]
pub(super) struct Guard {
    slot: &'static Slot,
    start: usize,
}

impl Guard {
    /// Takes the mapping of `length` octets at `start` under guard.
    ///
    /// # Safety
    ///
    /// The range is a mapping of the caller's and nobody else's, it begins at a page, and it stays
    /// mapped as long as the guard lives. Whoever reads it is content to read zeros.
    ///
    /// # Errors
    ///
    /// When there are more mappings than slots, when the range is longer than a slot can tell, or
    /// when the handler cannot be installed.
    pub(super) unsafe fn over(start: usize, length: usize) -> io::Result<Self> {
        install()?;
        let range = pack(start, length)
            .ok_or_else(|| io::Error::other("a mapping of a size that cannot be guarded"))?;
        let slot = SLOTS.iter().find(|slot| {
            // Acquire: what the slot's last owner did to it was before.
            slot.range.compare_exchange(FREE, range, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        });
        let slot = slot.ok_or_else(|| io::Error::other("more mappings than can be guarded"))?;
        Ok(Self { slot, start })
    }

    /// From which octet of the mapping on there have been zeros instead of the file; none as long
    /// as all that was read was the file.
    ///
    /// What was read of the mapping before this call was read before the answer was made: the signal
    /// comes on the thread that reads, at the very instruction, and the fence keeps the compiler
    /// from moving reads across.
    #[inline]
    pub(super) fn torn_at(&self) -> Option<usize> {
        compiler_fence(Ordering::SeqCst);
        let torn_at = self.slot.torn_at.load(Ordering::Acquire);
        (torn_at != WHOLE).then(|| torn_at.saturating_sub(self.start))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.slot.torn_at.store(WHOLE, Ordering::Relaxed);
        self.slot.range.store(FREE, Ordering::Release);
    }
}

/// One guarded range.
///
/// A thread that faults in a mapping of ours holds it (it is reading it), so that mapping's slot was
/// filled before and is not emptied while the handler runs; that one slot is all that the handler
/// acts on. Others may come and go meanwhile. They cannot be mistaken for it: a slot is a single
/// word, so what the handler reads is a range that is, or was, guarded as a whole; and no range that
/// *was* guarded can hold the address of the fault unless it was unmapped and the same addresses
/// mapped anew — before the thread that faults could know of them, hence before its own look
/// at the table, which then shows the new range.
#[derive(Debug)]
struct Slot {
    /// First page and number of pages in one word, [`FREE`] when there is none.
    range: AtomicU64,
    /// The lowest address that had to be mended, [`WHOLE`] when none had to.
    torn_at: AtomicUsize,
}

/// First page and number of pages as one word; none when they do not fit.
fn pack(start: usize, length: usize) -> Option<u64> {
    let page = u64::try_from(start / UNIT).ok().filter(|page| *page < 1 << (64 - COUNT_BITS))?;
    let pages = u64::try_from(length.div_ceil(UNIT)).ok()?;
    (start.is_multiple_of(UNIT) && (1..1 << COUNT_BITS).contains(&pages))
        .then_some(page << COUNT_BITS | pages)
}

/// The first address of a range and the first behind it.
#[cfg_attr(
    not(target_pointer_width = "64"),
    expect(clippy::cast_possible_truncation, reason = "made of addresses in `pack`")
)]
const fn unpack(range: u64) -> (usize, usize) {
    let start = (range >> COUNT_BITS) as usize * UNIT;
    let length = (range & ((1 << COUNT_BITS) - 1)) as usize * UNIT;
    (start, start.wrapping_add(length))
}

/// Installs the handler, once in the life of the process.
fn install() -> io::Result<()> {
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    let failed = |error: io::Error| error.raw_os_error().unwrap_or(libc::EINVAL);
    let installed = INSTALLED.get_or_init(|| {
        PAGE.store(super::memory::page_size(), Ordering::Relaxed);
        // Known before the handler is there, so that the handler never misses it.
        let before = query().map_err(failed)?;
        PREVIOUS.get_or_init(|| before);
        let mut action = before;
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
            on_bus_error;
        action.sa_sigaction = handler as libc::sighandler_t;
        // On the alternate stack where a thread has one, as the handler of the standard library
        // that reports stack overflows and that we hand on to.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
        // SAFETY: the mask is a signal set that sigaction(2) filled in, and may be emptied.
        unsafe { libc::sigemptyset(&raw mut action.sa_mask) };
        set(&action).map_err(failed)
    });
    installed.map_err(io::Error::from_raw_os_error)
}

fn query() -> io::Result<libc::sigaction> {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: no new action is given, and the old one is written to memory of its type.
    let result = unsafe { libc::sigaction(libc::SIGBUS, std::ptr::null(), action.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: sigaction(2) has filled it in; and all zeros is a value of it as well.
    Ok(unsafe { action.assume_init() })
}

fn set(action: &libc::sigaction) -> io::Result<()> {
    // SAFETY: `action` is either what the kernel gave us, or has our handler, whose type is that
    // of an SA_SIGINFO handler and which is async-signal-safe.
    let result = unsafe { libc::sigaction(libc::SIGBUS, action, std::ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The handler. All it calls is async-signal-safe: atomic loads and stores, `mmap` (on Linux the
/// bare system call), `sigaction` and `raise`; `OnceLock::get` is an atomic load.
extern "C" fn on_bus_error(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the address of this thread's own errno, which lives as long as the thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above; the code that was interrupted must find it unchanged.
    let kept = unsafe { errno.read() };
    // SAFETY: the kernel gives an SA_SIGINFO handler a siginfo_t, which stays until it returns.
    let told = unsafe { &*info };
    // What was sent by a process has no address; what the kernel raised for an access has.
    let is_access = (libc::BUS_ADRALN..=libc::BUS_MCEERR_AR).contains(&told.si_code);
    // SAFETY: SIGBUS of these codes has an si_addr; of others the value is not used.
    let address = unsafe { told.si_addr() }.addr();
    if !(is_access && mend(address)) {
        hand_on(signal, info, context, is_access);
    }
    // SAFETY: as above.
    unsafe { errno.write(kept) };
}

/// Puts zeros from the page of `address` on to the end of the mapping it lies in; `false` if that is
/// none of ours, or cannot be done.
fn mend(address: usize) -> bool {
    for slot in &SLOTS {
        let (start, end) = unpack(slot.range.load(Ordering::Acquire));
        if !(start..end).contains(&address) {
            continue;
        }
        let from = (address & !PAGE.load(Ordering::Relaxed).wrapping_sub(1)).max(start);
        // Told before it can be seen. Not only this page: behind the end of a file there is nothing,
        // and of a disk that fails nothing more is believed.
        slot.torn_at.fetch_min(from, Ordering::AcqRel);
        // SAFETY: `from..end` lies in a mapping that is guarded, so it is nobody else's and its
        // owner is content with zeros (`Guard::over`); it is still mapped, because the thread that
        // was interrupted is reading it. `end` is the last page's end or lies in that page.
        let mapped = unsafe {
            libc::mmap(
                std::ptr::without_provenance_mut(from),
                end.wrapping_sub(from),
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                -1,
                0,
            )
        };
        return mapped != libc::MAP_FAILED;
    }
    false
}

/// Leaves the signal to whoever had it before us.
#[cold]
fn hand_on(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
    is_access: bool,
) {
    let Some(before) = PREVIOUS.get() else { return };
    let handler = before.sa_sigaction;
    match handler {
        libc::SIG_IGN if !is_access => {}
        // Back to what it was: the access is made again on return, and the kernel ends the process.
        libc::SIG_DFL | libc::SIG_IGN => {
            // Cannot fail: the kernel itself gave us this action.
            let _ = set(before);
            if !is_access {
                // SAFETY: no memory is involved; the signal is delivered when we return.
                unsafe { libc::raise(signal) };
            }
        }
        _ if before.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: neither SIG_DFL nor SIG_IGN and with SA_SIGINFO, so it is the address of a
            // function of this type, installed by this process.
            let handler = unsafe {
                std::mem::transmute::<
                    libc::sighandler_t,
                    extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void),
                >(handler)
            };
            handler(signal, info, context);
        }
        _ => {
            // SAFETY: as above, but without SA_SIGINFO.
            let handler = unsafe {
                std::mem::transmute::<libc::sighandler_t, extern "C" fn(libc::c_int)>(handler)
            };
            handler(signal);
        }
    }
}

/// What happened at SIGBUS before our handler was installed.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();
/// The kernel's page size, known before the handler is installed.
static PAGE: AtomicUsize = AtomicUsize::new(UNIT);
/// More than any number of workers holds windows; who finds it full reads instead of mapping.
static SLOTS: [Slot; 256] =
    [const { Slot { range: AtomicU64::new(FREE), torn_at: AtomicUsize::new(WHOLE) } }; 256];

const FREE: u64 = 0;
const WHOLE: usize = usize::MAX;
/// What addresses and lengths are counted in: the smallest page there is; others are multiples.
const UNIT: usize = 4096;
/// Bits for the length: 2 GiB at most, which leaves 57 bits for the address.
const COUNT_BITS: u32 = 19;
