//! Namespaces: they come, change and go, and with them search attributes.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_engine::{IndexedValueType, NamespaceChange, NamespaceRef, NamespaceState, Request};
use tidegate_model::chance::Chance;
use tidegate_model::id::NamespaceId;

use super::words::{below, flip, name, namespace, seldom, small};
use crate::seen::Seen;

/// See the module.
#[derive(Debug, Clone)]
pub enum Asked {
    Register { namespace: u8, retention: Option<u64> },
    Describe { namespace: u8, by_id: bool },
    List { size: u8, after: Option<u8> },
    Update { namespace: u8, retention: Option<u64>, state: Option<NamespaceState> },
    Delete { namespace: u8 },
    AddAttributes { namespace: u8, name: u8, is_number: bool },
    RemoveAttributes { namespace: u8, name: u8 },
    ListAttributes { namespace: u8 },
}

const HOUR: u64 = 3_600;

pub(super) fn random(chance: &mut Chance) -> Asked {
    let there = small(chance, 2);
    match chance.below(16) {
        0..=2 => Asked::Register {
            namespace: if seldom(chance, 4) { 0 } else { 1 },
            retention: [None, Some(24 * HOUR), Some(60)][below(chance, 3)],
        },
        3 | 4 => Asked::Describe { namespace: small(chance, 3), by_id: seldom(chance, 3) },
        5 => Asked::List { size: 1 + small(chance, 2), after: [None, Some(0), Some(1)][below(chance, 3)] },
        6 | 7 => Asked::Update {
            namespace: there,
            retention: [None, Some(24 * HOUR), Some(48 * HOUR)][below(chance, 3)],
            state: [
                None,
                None,
                Some(NamespaceState::Deprecated),
                Some(NamespaceState::Registered),
                Some(NamespaceState::Deleted),
            ][below(chance, 5)],
        },
        8 | 9 => Asked::Delete { namespace: if seldom(chance, 4) { 0 } else { 1 } },
        10..=12 => Asked::AddAttributes { namespace: there, name: small(chance, 3), is_number: flip(chance) },
        13 | 14 => Asked::RemoveAttributes { namespace: there, name: small(chance, 3) },
        15.. => Asked::ListAttributes { namespace: there },
    }
}

impl Asked {
    #[expect(clippy::unnecessary_wraps, reason = "as the other subjects")]
    pub(super) fn request(&self, _seen: &Seen) -> Option<Request> {
        Some(match self {
            Self::Register { namespace: n, retention } => Request::RegisterNamespace {
                name: namespace(*n),
                wanted: NamespaceChange {
                    description: Some(String::from("a place")),
                    retention: retention.map(Duration::from_secs),
                    ..NamespaceChange::default()
                },
            },
            Self::Describe { namespace: n, by_id } => Request::DescribeNamespace(if *by_id {
                NamespaceRef::Id(NamespaceId::from_u128(u128::from(*n) + 1))
            } else {
                NamespaceRef::Name(namespace(*n))
            }),
            Self::List { size, after } => {
                Request::ListNamespaces { page_size: usize::from(*size), after: after.map(namespace) }
            }
            Self::Update { namespace: n, retention, state } => Request::UpdateNamespace {
                name: namespace(*n),
                change: NamespaceChange {
                    owner_email: Some(String::from("somebody")),
                    retention: retention.map(Duration::from_secs),
                    state: *state,
                    ..NamespaceChange::default()
                },
            },
            Self::Delete { namespace: n } => Request::DeleteNamespace(NamespaceRef::Name(namespace(*n))),
            Self::AddAttributes { namespace: n, name: attribute, is_number } => {
                let kind = if *is_number { IndexedValueType::Int } else { IndexedValueType::Keyword };
                Request::AddSearchAttributes {
                    namespace: namespace(*n),
                    attributes: BTreeMap::from([(name('s', *attribute), kind)]),
                }
            }
            Self::RemoveAttributes { namespace: n, name: attribute } => Request::RemoveSearchAttributes {
                namespace: namespace(*n),
                names: vec![name('s', *attribute)],
            },
            Self::ListAttributes { namespace: n } => {
                Request::ListSearchAttributes { namespace: namespace(*n) }
            }
        })
    }
}
