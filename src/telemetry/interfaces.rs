//! How interfaces are, as their notices and counts tell.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::capture::live::{Cut, Notice};
use crate::pipeline::Received;

/// The interfaces of a run. Workers tell of changes, the telemetry thread reads.
#[derive(Debug)]
pub struct Interfaces {
    states: Mutex<Vec<InterfaceState>>,
    /// For how long one may be silent; zero for ever.
    patience: Duration,
}

/// An interface when capture begins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Observed {
    /// Its number; zero of one that is not there.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Where payload is cut off.
    pub cut: Cut,
    /// Which traffic it carries, if its operator says so: `ingress` or `egress`.
    pub direction: Option<&'static str>,
    /// What its operator says of it.
    pub description: Option<String>,
}

/// How an interface is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct InterfaceState {
    pub(super) index: u32,
    pub(super) name: String,
    pub(super) cut: Cut,
    pub(super) direction: Option<&'static str>,
    pub(super) description: Option<String>,
    /// What is the matter with it.
    pub(super) trouble: Option<String>,
    /// For how long it has been up and brought nothing.
    pub(super) quiet: Duration,
    /// When it last brought something, or was not up.
    heard: Duration,
    packets: u64,
    is_silent: bool,
}

/// An interface that is up has fallen silent, or is heard again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Silence {
    /// Its name.
    pub interface: String,
    /// How long it has been silent.
    pub time: Duration,
    /// It is heard again.
    pub is_over: bool,
}

impl Interfaces {
    /// As they were when capture began. One that is up and brings nothing for as long as `patience` is
    /// silent; none ever is if that is zero.
    pub fn new(points: impl IntoIterator<Item = Observed>, patience: Duration) -> Self {
        let state = |Observed { index, name, cut, direction, description }| InterfaceState {
            index,
            name,
            direction,
            description,
            trouble: (cut == Cut::Waiting)
                .then(|| if index == 0 { ABSENT } else { DOWN }.to_owned()),
            cut,
            quiet: Duration::ZERO,
            heard: Duration::ZERO,
            packets: 0,
            is_silent: false,
        };
        Self { states: Mutex::new(points.into_iter().map(state).collect()), patience }
    }

    /// For how long one may be silent; zero for ever.
    pub const fn patience(&self) -> Duration {
        self.patience
    }

    /// Takes note of what each has received, at a time on a clock that only goes forward and was zero
    /// when capture began; returns what is to be said.
    ///
    /// Of one that is not up nothing is expected: it has the whole time when it is again.
    pub fn listen(&self, received: &[(u32, Received)], at: Duration) -> Vec<Silence> {
        let mut news = Vec::new();
        for state in self.lock().iter_mut() {
            let found = received.iter().find(|(index, _)| *index == state.index);
            let packets = found.map_or(0, |(_, received)| received.packets);
            state.quiet = at.saturating_sub(state.heard);
            let mut say = |is_over| {
                let (interface, time) = (state.name.clone(), state.quiet);
                news.push(Silence { interface, time, is_over });
            };
            if packets != state.packets || state.trouble.is_some() {
                if mem::take(&mut state.is_silent) && state.trouble.is_none() {
                    say(true);
                }
                (state.packets, state.heard, state.quiet) = (packets, at, Duration::ZERO);
            } else if self.tolerates(state.quiet) {
                state.is_silent = false;
            } else if !mem::replace(&mut state.is_silent, true) {
                say(false);
            }
        }
        news
    }

    fn tolerates(&self, quiet: Duration) -> bool {
        self.patience.is_zero() || quiet < self.patience
    }

    /// Takes note of what happened to one.
    pub fn note(&self, notice: &Notice) {
        let (name, trouble) = match notice {
            Notice::InterfaceBack(name) => (name, None),
            Notice::InterfaceDown(name) => (name, Some(DOWN)),
            Notice::InterfaceAbsent { interface, .. } => (interface, Some(ABSENT)),
            Notice::InterfaceNumbered { interface, index } => {
                return self.change(interface, |state| state.index = *index);
            }
            Notice::InterfaceGone(name) => (name, Some("is gone; capture goes on when it is back")),
            Notice::InterfaceLost(name) => (name, Some("is gone, and is not opened again")),
            Notice::InterfaceRefused { interface, .. } => {
                (interface, Some("is there again, but cannot be captured from"))
            }
            Notice::Payload { interface, cut } => {
                return self.change(interface, |state| state.cut = cut.clone());
            }
            Notice::FilterRefused { .. } | Notice::IdleWorkers { .. } => return,
        };
        self.change(name, |state| {
            state.trouble = trouble.map(str::to_owned);
            // Had the kernel not taken the cut, another notice had told it.
            if trouble.is_none() && state.cut == Cut::Waiting {
                state.cut = Cut::InKernel;
            }
        });
    }

    /// The names of those that are captured from, and of the others what is the matter with them.
    pub fn told(&self) -> (Vec<String>, Vec<String>) {
        let (mut well, mut troubled) = (Vec::new(), Vec::new());
        for InterfaceState { name, trouble, .. } in self.read() {
            match trouble {
                None => well.push(name),
                Some(trouble) => troubled.push(format!("{name} {trouble}")),
            }
        }
        (well, troubled)
    }

    pub(super) fn read(&self) -> Vec<InterfaceState> {
        self.lock().clone()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut InterfaceState)) {
        if let Some(state) = self.lock().iter_mut().find(|state| state.name == name) {
            change(state);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<InterfaceState>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const DOWN: &str = "is down";
const ABSENT: &str = "is not there; capture begins when it is";

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(index: u32, cut: Cut) -> Observed {
        let name = format!("eth{}", index - 6);
        Observed { index, name, cut, direction: None, description: None }
    }

    #[test]
    fn an_interface_that_was_not_there_gets_its_number() {
        let absent = Observed { index: 0, ..observed(13, Cut::Waiting) };
        let interfaces = Interfaces::new([absent], Duration::ZERO);
        assert_eq!(interfaces.read()[0].trouble.as_deref(), Some(ABSENT));
        interfaces.note(&Notice::InterfaceNumbered { interface: "eth7".to_owned(), index: 9 });
        interfaces.note(&Notice::InterfaceBack("eth7".to_owned()));
        let state = interfaces.read().remove(0);
        assert_eq!((state.index, state.trouble), (9, None));
    }

    #[test]
    fn an_interface_goes_and_comes_back() {
        let interfaces = Interfaces::new([observed(7, Cut::Waiting)], Duration::ZERO);
        let state = || interfaces.read().remove(0);
        assert_eq!(state().trouble.as_deref(), Some("is down"));
        interfaces.note(&Notice::InterfaceBack("eth1".to_owned()));
        assert_eq!((state().trouble, state().cut), (None, Cut::InKernel));
        interfaces.note(&Notice::InterfaceGone("eth1".to_owned()));
        interfaces.note(&Notice::InterfaceGone("eth2".to_owned()));
        let cut = Cut::OnArrival("an old kernel".to_owned());
        interfaces.note(&Notice::Payload { interface: "eth1".to_owned(), cut: cut.clone() });
        assert_eq!(state().cut, cut);
        assert!(state().trouble.is_some_and(|text| text.starts_with("is gone")));
        interfaces.note(&Notice::InterfaceBack("eth1".to_owned()));
        assert_eq!((state().trouble, state().cut), (None, cut));
    }

    #[test]
    fn who_is_up_and_brings_nothing_is_silent_until_something_comes() {
        let points = [7, 8].map(|index| observed(index, Cut::InKernel));
        let interfaces = Interfaces::new(points, Duration::from_secs(300));
        let listen = |packets, at| {
            let of = |packets| Received { packets, octets: 100 * packets };
            // Something always comes by the other one.
            let received = [(8, of(at)), (7, of(packets))];
            let news = interfaces.listen(&received, Duration::from_secs(at));
            news.into_iter()
                .map(|it| (it.interface, it.time.as_secs(), it.is_over))
                .collect::<Vec<_>>()
        };
        let begins = |time| vec![("eth1".to_owned(), time, false)];
        let ends = |time| vec![("eth1".to_owned(), time, true)];
        let nothing: Vec<(String, u64, bool)> = Vec::new();
        assert_eq!(listen(0, 299), nothing);
        assert_eq!(listen(0, 300), begins(300), "nothing ever came");
        assert_eq!(listen(0, 900), nothing, "it is said once");
        assert_eq!(interfaces.read()[0].quiet.as_secs(), 900);
        assert_eq!(listen(5, 910), ends(910));
        assert_eq!((listen(5, 1209), listen(6, 1210), listen(6, 1509)), Default::default());
        assert_eq!(listen(6, 1510), begins(300));
        // That it is down says all; when it is up again it has its time.
        interfaces.note(&Notice::InterfaceDown("eth1".to_owned()));
        assert_eq!((listen(6, 1520), listen(6, 2000)), Default::default());
        interfaces.note(&Notice::InterfaceBack("eth1".to_owned()));
        assert_eq!(listen(6, 2299), nothing);
        assert_eq!(listen(6, 2300), begins(300));
        assert_eq!(interfaces.read()[1].quiet, Duration::ZERO);
    }

    #[test]
    fn without_a_bound_nobody_is_silent() {
        let interfaces = Interfaces::new([observed(7, Cut::InKernel)], Duration::ZERO);
        assert_eq!(interfaces.listen(&[], Duration::from_secs(1_000_000)), []);
    }

    #[test]
    fn those_in_trouble_are_told_apart() {
        let points = [7, 8].map(|index| observed(index, Cut::InKernel));
        let interfaces = Interfaces::new(points, Duration::ZERO);
        let told = |well: &[&str], troubled: &[&str]| {
            let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
            assert_eq!(interfaces.told(), (owned(well), owned(troubled)));
        };
        told(&["eth1", "eth2"], &[]);
        interfaces.note(&Notice::InterfaceDown("eth2".to_owned()));
        told(&["eth1"], &["eth2 is down"]);
        interfaces.note(&Notice::InterfaceLost("eth1".to_owned()));
        told(&[], &["eth1 is gone, and is not opened again", "eth2 is down"]);
    }
}
