//! A panic in workflow code, with the line it happened at, instead of the end of the thread.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static CAUGHT: RefCell<Option<String>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Runs workflow code. A panic in it comes back as its message and line, and is not printed.
pub(super) fn catch<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    // The line is known to the hook alone, so ours goes in front of whatever hook there is; panics elsewhere pass.
    HOOK.call_once(|| {
        let other = take_hook();
        set_hook(Box::new(move |info| {
            if CATCHING.get() {
                CAUGHT.set(Some(describe(info)));
            } else {
                other(info);
            }
        }));
    });
    let before = CATCHING.replace(true);
    // What workflow code leaves half-done goes with its run: a run that panicked is dropped.
    let result = catch_unwind(AssertUnwindSafe(body));
    CATCHING.set(before);
    result.map_err(|payload| {
        // A panic's payload may panic in its turn when it is dropped.
        std::mem::forget(payload);
        CAUGHT.take().unwrap_or_else(|| "workflow code panicked".to_owned())
    })
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let message = info.payload_as_str().unwrap_or("a panic without words");
    match info.location() {
        Some(at) => format!("panicked at {}:{}: {message}", at.file(), at.line()),
        None => format!("panicked: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_comes_back_with_its_line() {
        let line = line!() + 1;
        let caught = catch(|| panic!("no bed {}", 7)).expect_err("it panics");
        assert!(caught.ends_with(&format!("panics.rs:{line}: no bed 7")), "{caught}");
        assert_eq!(catch(|| 5), Ok(5));
    }
}
