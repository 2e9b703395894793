//! Follows the types that some roots mention, and drops the rest with all comments and annotations.

use std::collections::{BTreeMap, BTreeSet};

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet, MessageOptions,
};

/// The part of `whole` that the services' methods and the messages need. Google's well-known types stay: the code
/// generator looks them up, though it takes them from `prost-types`.
pub fn shake(
    whole: &FileDescriptorSet,
    services: &[(&str, &[&str])],
    messages: &[&str],
) -> FileDescriptorSet {
    let index = Index::new(whole);
    let mut kept = BTreeSet::new();
    for (service, methods) in services {
        for method in *methods {
            let (input, output) = index.method(service, method);
            index.reach(&input, &mut kept);
            index.reach(&output, &mut kept);
        }
    }
    for message in messages {
        index.reach(&format!(".{message}"), &mut kept);
    }
    let files = whole.file.iter().filter_map(|file| cut(file, &kept, services)).collect();
    let mut set = FileDescriptorSet { file: files };
    let names: BTreeSet<String> = set.file.iter().map(|file| file.name().to_owned()).collect();
    for file in &mut set.file {
        file.dependency.retain(|name| names.contains(name));
        file.public_dependency.clear();
        file.weak_dependency.clear();
    }
    set
}

/// Which top-level type a full name belongs to, and what it mentions.
struct Index<'a> {
    /// By full name with a leading dot.
    messages: BTreeMap<String, &'a DescriptorProto>,
    enums: BTreeSet<String>,
    methods: BTreeMap<(String, String), (String, String)>,
}

impl<'a> Index<'a> {
    fn new(set: &'a FileDescriptorSet) -> Self {
        let mut index = Self { messages: BTreeMap::new(), enums: BTreeSet::new(), methods: BTreeMap::new() };
        for file in &set.file {
            let scope = format!(".{}", file.package());
            for message in &file.message_type {
                index.add(&scope, message);
            }
            index.enums.extend(file.enum_type.iter().map(|found| format!("{scope}.{}", found.name())));
            for service in &file.service {
                let service_name = format!("{}.{}", file.package(), service.name());
                for method in &service.method {
                    index.methods.insert(
                        (service_name.clone(), method.name().to_owned()),
                        (method.input_type().to_owned(), method.output_type().to_owned()),
                    );
                }
            }
        }
        index
    }

    fn add(&mut self, scope: &str, message: &'a DescriptorProto) {
        let name = format!("{scope}.{}", message.name());
        for nested in &message.nested_type {
            self.add(&name, nested);
        }
        self.enums.extend(message.enum_type.iter().map(|found| format!("{name}.{}", found.name())));
        self.messages.insert(name, message);
    }

    fn method(&self, service: &str, method: &str) -> (String, String) {
        self.methods
            .get(&(service.to_owned(), method.to_owned()))
            .unwrap_or_else(|| panic!("Temporal does not publish {service}/{method}"))
            .clone()
    }

    fn reach(&self, name: &str, kept: &mut BTreeSet<String>) {
        if !kept.insert(name.to_owned()) {
            return;
        }
        if self.enums.contains(name) {
            return;
        }
        let message = self.messages.get(name).unwrap_or_else(|| panic!("Temporal does not publish {name}"));
        for field in message.field.iter().filter(|field| field.type_name.is_some()) {
            self.reach(field.type_name(), kept);
        }
    }
}

fn cut(
    file: &FileDescriptorProto,
    kept: &BTreeSet<String>,
    services: &[(&str, &[&str])],
) -> Option<FileDescriptorProto> {
    let scope = format!(".{}", file.package());
    let mut cut = file.clone();
    cut.source_code_info = None;
    cut.options = None;
    cut.extension.clear();
    cut.message_type.retain_mut(|message| cut_message(&scope, message, kept));
    cut.enum_type.retain_mut(|found| cut_enum(&scope, found, kept));
    cut.service.retain_mut(|service| {
        let name = format!("{}.{}", file.package(), service.name());
        let Some((_, methods)) = services.iter().find(|(kept, _)| *kept == name) else { return false };
        service.options = None;
        service.method.retain(|method| methods.contains(&method.name()));
        for method in &mut service.method {
            method.options = None;
        }
        true
    });
    let empty = cut.message_type.is_empty() && cut.enum_type.is_empty() && cut.service.is_empty();
    (!empty).then_some(cut)
}

/// Whether the message is kept, for its own sake or for something inside it.
fn cut_message(scope: &str, message: &mut DescriptorProto, kept: &BTreeSet<String>) -> bool {
    let name = format!("{scope}.{}", message.name());
    message.nested_type.retain_mut(|nested| cut_message(&name, nested, kept));
    message.enum_type.retain_mut(|found| cut_enum(&name, found, kept));
    let wanted = kept.contains(&name);
    if !wanted {
        message.field.clear();
        message.oneof_decl.clear();
    }
    let is_map = message.options.as_ref().is_some_and(|options| options.map_entry());
    message.options = is_map.then(|| MessageOptions { map_entry: Some(true), ..MessageOptions::default() });
    message.reserved_name.clear();
    message.reserved_range.clear();
    for field in &mut message.field {
        field.options = None;
        field.json_name = None;
    }
    for oneof in &mut message.oneof_decl {
        oneof.options = None;
    }
    wanted || !message.nested_type.is_empty() || !message.enum_type.is_empty()
}

fn cut_enum(scope: &str, found: &mut EnumDescriptorProto, kept: &BTreeSet<String>) -> bool {
    found.options = None;
    found.reserved_name.clear();
    found.reserved_range.clear();
    for value in &mut found.value {
        value.options = None;
    }
    kept.contains(&format!("{scope}.{}", found.name()))
}
