//! A sensor on your laptop: `host_sensor --broker 127.0.0.1:1883 --source ward/bed-12 --count 1000`.

fn main() -> std::process::ExitCode {
    tidegate_firmware_examples::host::main(std::env::args_os())
}
