//! Cuts Temporal's published descriptor set down to the methods that are served, and writes it as the one file the
//! package's build reads. Run it in this folder: `cargo run`. Neither the product nor its build depends on it.

mod methods;
mod shake;

use prost::Message as _;
use prost_types::FileDescriptorSet;

/// Where the result lies, beside the package's manifest.
const OUTPUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../temporal.binpb");

fn main() {
    let whole =
        std::fs::read(env!("TEMPORAL_DESCRIPTOR_SET")).expect("the build of temporalio-protos wrote it");
    let whole = FileDescriptorSet::decode(whole.as_slice()).expect("it is a descriptor set");
    let cut = shake::shake(&whole, methods::SERVICES, methods::MESSAGES);
    let messages: usize = cut.file.iter().map(|file| file.message_type.len()).sum();
    let bytes = cut.encode_to_vec();
    println!("{} files, {messages} messages, {} bytes", cut.file.len(), bytes.len());
    std::fs::write(OUTPUT, bytes).expect("the package's folder can be written");
}
