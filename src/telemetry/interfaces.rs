//! How interfaces are, as their notices tell.

use std::sync::{Mutex, PoisonError};

use crate::capture::live::{Cut, Notice};

/// The interfaces of a run. Workers tell of changes, the telemetry thread reads.
#[derive(Debug)]
pub struct Interfaces(Mutex<Vec<InterfaceState>>);

/// How an interface is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct InterfaceState {
    pub(super) index: u32,
    pub(super) name: String,
    pub(super) cut: Cut,
    /// What is the matter with it.
    pub(super) trouble: Option<String>,
}

impl Interfaces {
    /// As they were when capture began: number, name, and where payload is cut off.
    pub fn new(points: impl IntoIterator<Item = (u32, String, Cut)>) -> Self {
        let state = |(index, name, cut): (u32, String, Cut)| InterfaceState {
            index,
            name,
            trouble: (cut == Cut::Waiting).then(|| "is down".to_owned()),
            cut,
        };
        Self(Mutex::new(points.into_iter().map(state).collect()))
    }

    /// Takes note of what happened to one.
    pub fn note(&self, notice: &Notice) {
        let (name, trouble) = match notice {
            Notice::InterfaceBack(name) => (name, None),
            Notice::InterfaceDown(name) => (name, Some("is down")),
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

    pub(super) fn read(&self) -> Vec<InterfaceState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut InterfaceState)) {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = states.iter_mut().find(|state| state.name == name) {
            change(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_goes_and_comes_back() {
        let interfaces = Interfaces::new([(7, "eth1".to_owned(), Cut::Waiting)]);
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
}
