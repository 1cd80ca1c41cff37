//! Which action is asked for.

use crate::domain::refusal::Refusal;
use crate::downstream::form::Form;

/// An action that this gateway serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// What is sold.
    Services,
    /// Buy.
    Add,
    /// Where orders stand.
    Status,
    /// What the wallet holds.
    Balance,
}

impl Action {
    const ALL: [Self; 4] = [Self::Services, Self::Add, Self::Status, Self::Balance];

    /// The protocol's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Add => "add",
            Self::Status => "status",
            Self::Balance => "balance",
        }
    }

    /// The action that a form names, in any case; none is as good as an unknown one.
    pub fn read(form: &Form) -> Result<Self, Refusal> {
        let asked = form.scalar("action")?.unwrap_or_default();
        let known = Self::ALL.into_iter().find(|action| action.word().eq_ignore_ascii_case(&asked));
        known.ok_or(Refusal::UnknownAction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_read_in_any_case_and_what_is_not_served_is_unknown() {
        let read = |body: &str| Action::read(&Form::read(body.as_bytes()).unwrap());
        assert_eq!(read("action=ADD"), Ok(Action::Add));
        assert_eq!(read("action=services&action=services"), Ok(Action::Services));
        for unknown in ["", "action=", "action=refill", "action=refill_status", "action=cancel", "action=add%20"] {
            assert_eq!(read(unknown), Err(Refusal::UnknownAction), "{unknown}");
        }
        assert_eq!(read("action=add&action=balance"), Err(Refusal::Unreadable("action")));
    }
}
