//! `tollgate`: commands for admins, natively. Each is a file here; what they do is done by the filter's own code.

#[cfg(not(target_arch = "wasm32"))]
mod redact;

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    use std::io::{Write as _, stderr};
    let mut arguments = std::env::args().skip(1);
    let result = match arguments.next().as_deref() {
        Some("redact") => redact::run(arguments),
        Some("--help" | "-h") => redact::help(),
        _ => Err(format!("usage: tollgate redact ...\n\n{}", redact::USAGE)),
    };
    let Err(message) = result else {
        return std::process::ExitCode::SUCCESS;
    };
    // Who closed our stderr cannot be told about it.
    drop(writeln!(stderr(), "{message}"));
    std::process::ExitCode::FAILURE
}

/// The module is the library; there are no programs in it.
#[cfg(target_arch = "wasm32")]
fn main() {}
