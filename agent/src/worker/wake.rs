//! Who may wake workflow code: the executor while it feeds it, and the code itself while it is polled. Anyone else (a
//! thread, a runtime, another run) is something a replay cannot repeat, and is found out here.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Wake, Waker};

thread_local! {
    /// The run this thread is feeding or polling; 0 for none.
    static ACTIVE: Cell<u64> = const { Cell::new(0) };
}

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Watches over the wakers of one run.
#[derive(Debug)]
pub(super) struct WakeWatch {
    id: u64,
    woken: AtomicBool,
    foreign: AtomicBool,
}

impl WakeWatch {
    pub(super) fn new() -> Arc<Self> {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { id, woken: AtomicBool::new(false), foreign: AtomicBool::new(false) })
    }

    /// Does something in the run's name: wake-ups in the course of it are its own.
    pub(super) fn active<T>(&self, body: impl FnOnce() -> T) -> T {
        struct Restore(u64);
        impl Drop for Restore {
            fn drop(&mut self) {
                ACTIVE.set(self.0);
            }
        }
        let _restore = Restore(ACTIVE.replace(self.id));
        body()
    }

    /// Whether the code was woken by its own since the last call.
    pub(super) fn take_woken(&self) -> bool {
        self.woken.swap(false, Ordering::Relaxed)
    }

    /// Whether anyone else ever woke it.
    pub(super) fn is_foreign(&self) -> bool {
        self.foreign.load(Ordering::Relaxed)
    }

    pub(super) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }
}

impl Wake for WakeWatch {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if ACTIVE.get() == self.id {
            self.woken.store(true, Ordering::Relaxed);
        } else {
            self.foreign.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_up_from_another_thread_or_run_is_foreign() {
        let (own, other) = (WakeWatch::new(), WakeWatch::new());
        own.active(|| own.waker().wake());
        assert!(own.take_woken() && !own.is_foreign());
        other.active(|| own.waker().wake());
        assert!(own.is_foreign());

        let third = WakeWatch::new();
        let waker = third.waker();
        third.active(|| std::thread::spawn(move || waker.wake()).join().expect("the thread only wakes"));
        assert!(third.is_foreign());
    }
}
