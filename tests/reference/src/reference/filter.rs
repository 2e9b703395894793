//! The few words of the filter grammar that programs use.

use super::run::Run;

/// A filter: one of these must hold, all terms of it.
pub(super) struct Filter {
    any_of: Vec<Vec<Term>>,
    pub(super) groups: bool,
}

struct Term {
    name: String,
    is_equal: bool,
    value: String,
}

impl Filter {
    /// `None` where it cannot be understood.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "GROUP BY ExecutionStatus" {
            return Some(Self { any_of: vec![Vec::new()], groups: true });
        }
        let any_of = text
            .split(" OR ")
            .map(|all| all.split(" AND ").filter(|term| !term.is_empty()).map(Term::parse).collect())
            .collect::<Option<Vec<Vec<Term>>>>()?;
        Some(Self { any_of, groups: false })
    }

    pub(super) fn accepts(&self, value_of: impl Fn(&str) -> String) -> bool {
        let holds = |term: &Term| (value_of(&term.name) == term.value) == term.is_equal;
        self.any_of.iter().any(|all| all.iter().all(holds))
    }

    pub(super) fn accepts_run(&self, run: &Run) -> bool {
        self.accepts(|name| match name {
            "WorkflowId" => run.workflow_id.to_string(),
            "WorkflowType" => run.started().workflow_type.clone(),
            "ExecutionStatus" => run.status().name().to_owned(),
            _ => String::new(),
        })
    }
}

impl Term {
    fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once(' ')?;
        let (operator, value) = rest.split_once(' ')?;
        let value = value.trim_matches('\'').to_owned();
        let is_known =
            ["WorkflowId", "WorkflowType", "ExecutionStatus", "ScheduleId", "TemporalSchedulePaused"]
                .contains(&name);
        (is_known && !value.is_empty()).then(|| Self {
            name: name.to_owned(),
            is_equal: operator == "=",
            value,
        })
    }
}
