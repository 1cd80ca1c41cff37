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
    /// Deliver again what fell off.
    Refill,
    /// Where refills stand.
    RefillStatus,
    /// Deliver no more.
    Cancel,
    /// What the wallet holds.
    Balance,
}

impl Action {
    const ALL: [Self; 7] = [
        Self::Services,
        Self::Add,
        Self::Status,
        Self::Refill,
        Self::RefillStatus,
        Self::Cancel,
        Self::Balance,
    ];

    /// The protocol's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Add => "add",
            Self::Status => "status",
            Self::Refill => "refill",
            Self::RefillStatus => "refill_status",
            Self::Cancel => "cancel",
            Self::Balance => "balance",
        }
    }

    /// The action that a form names, in any case. None is as good as an unknown one, but for
    /// refills: who names one and nothing else asks where it stands.
    pub fn read(form: &Form) -> Result<Self, Refusal> {
        let Some(asked) = form.scalar("action")? else {
            let names_refills = form.has("refill") || form.has("refills");
            return if names_refills {
                Ok(Self::RefillStatus)
            } else {
                Err(Refusal::UnknownAction)
            };
        };

        let known = Self::ALL
            .into_iter()
            .find(|action| action.as_str().eq_ignore_ascii_case(&asked));

        known.ok_or(Refusal::UnknownAction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Action, Refusal> {
        let mut form = Form::default();
        form.read_encoded(body.as_bytes()).unwrap();
        Action::read(&form)
    }

    #[test]
    fn actions_are_read_in_any_case_and_others_are_unknown() {
        assert_eq!(read("action=ADD"), Ok(Action::Add));
        assert_eq!(read("action=Refill_Status"), Ok(Action::RefillStatus));
        assert_eq!(read("action=%09add%20%0d%0a"), Ok(Action::Add));
        assert_eq!(
            read("action=services&action=services"),
            Ok(Action::Services)
        );

        for unknown in [
            "",
            "action=",
            "order=1",
            "action=dance&refill=1",
            "action=multi_status",
            "action=ad%20d",
            "action=true",
        ] {
            assert_eq!(read(unknown), Err(Refusal::UnknownAction), "{unknown}");
        }

        assert_eq!(
            read("action=add&action=balance"),
            Err(Refusal::Unreadable("action"))
        );
    }

    #[test]
    fn a_refill_without_an_action_is_asked_about() {
        assert_eq!(read("refill=1"), Ok(Action::RefillStatus));
        assert_eq!(read("action=&refills=1,2"), Ok(Action::RefillStatus));
        assert_eq!(read("action=undefined&refill=1"), Ok(Action::RefillStatus));
    }
}
