//! Hands on where `temporalio-protos` put the descriptor set of everything Temporal publishes.

fn main() {
    println!("cargo:rerun-if-env-changed=DEP_TEMPORALIO_PROTOS_DESCRIPTOR_PATH");
    let path = std::env::var("DEP_TEMPORALIO_PROTOS_DESCRIPTOR_PATH")
        .expect("temporalio-protos links its descriptor set");
    println!("cargo:rustc-env=TEMPORAL_DESCRIPTOR_SET={path}");
}
