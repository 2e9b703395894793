//! Messages and server traits from the one descriptor set that is checked in. No protoc, no network.

use std::fmt::Write as _;
use std::path::PathBuf;

use prost::Message as _;
use prost_types::FileDescriptorSet;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=temporal.binpb");
    let set = FileDescriptorSet::decode(std::fs::read("temporal.binpb")?.as_slice())?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("methods.rs"), methods(&set)?)?;
    let mut config = tonic_prost_build::Config::new();
    // Maps as the model has them, and sent in one order.
    config.btree_map(["."]);
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        .include_file("temporal.rs")
        .compile_fds_with_config(set, config)?;
    Ok(())
}

/// The paths of all methods: what is not among them is answered before it reaches a service.
fn methods(set: &FileDescriptorSet) -> Result<String, std::fmt::Error> {
    let mut text = String::from("&[\n");
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                writeln!(text, "    \"/{}.{}/{}\",", file.package(), service.name(), method.name())?;
            }
        }
    }
    text.push(']');
    Ok(text)
}
