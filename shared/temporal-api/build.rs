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
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        // Nothing prints messages: they hold what workflows exchange.
        .skip_debug(["."])
        .include_file("temporal.rs")
        .compile_fds(set)?;
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
