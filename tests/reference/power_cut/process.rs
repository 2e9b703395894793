//! A process with the engine on a disk: the host of the comparison, over the real store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tidegate_engine::Input;
use tidegate_log::{Core, Options, Store, Upkeep};
use tidegate_model::codec;
use tidegate_model::event::HistoryBatch;
use tidegate_model::id::{Epoch, RunId};
use tidegate_model::lane::LaneRecord;
use tidegate_model::time::Timestamp;
use tidegate_reference::{Answer, Crash, Decided, Difference, Host, stamp};

use crate::disk::Disk;
use crate::site::{Diary, Planted, Site};

/// See the module.
pub(crate) struct Process {
    pub(crate) disk: Disk,
    core: Option<Core<Site>>,
    diary: Arc<Mutex<Diary>>,
    planted: Planted,
    /// How many processes there were before.
    pub(crate) boot: u64,
}

fn options() -> Options {
    Options { cache_bytes: 512 * 1024, preallocate_bytes: 0, new_epoch: Epoch::from_u128(1) }
}

impl Process {
    /// A process on a new store, whose making is not cut.
    pub(crate) fn begin(planted: Planted, seed: u64) -> Result<Self, String> {
        let making = Disk::default();
        let mut site = Site::new(making.clone(), Arc::default(), Planted::Nothing);
        drop(
            Store::open_on_backend(making.clone(), &options(), &mut site)
                .map_err(|error| error.to_string())?,
        );
        let disk = Disk::holding(making.image());
        if matches!(planted, Planted::LyingSync) {
            disk.lie(seed, 25);
        }
        Self::take_over(disk, planted, seed)
    }

    /// A process on what is left on a disk.
    pub(crate) fn take_over(disk: Disk, planted: Planted, boot: u64) -> Result<Self, String> {
        let mut process = Self { disk, core: None, diary: Arc::default(), planted, boot };
        process.open()?;
        Ok(process)
    }

    fn open(&mut self) -> Result<(), String> {
        let mut site = Site::new(self.disk.clone(), Arc::clone(&self.diary), self.planted);
        let (store, _) = Store::open_on_backend(self.disk.clone(), &options(), &mut site)
            .map_err(|error| format!("it does not open: {error}"))?;
        self.boot += 1;
        let core = Core::new(store, site, self.boot);
        let (moment, row) = (self.disk.moment(), core.store().last_row());
        self.diary().last_row = row;
        // Read from the disk after it was powered on, so it is on the disk.
        self.diary().told.push((moment, row));
        self.core = Some(core);
        Ok(())
    }

    fn core(&self) -> &Core<Site> {
        self.core.as_ref().expect("only `crash` takes it, and puts one back")
    }

    fn core_mut(&mut self) -> &mut Core<Site> {
        self.core.as_mut().expect("only `crash` takes it, and puts one back")
    }

    fn diary(&self) -> MutexGuard<'_, Diary> {
        self.diary.lock().expect("nothing panics with it in hand")
    }

    pub(crate) fn last_row(&self) -> u64 {
        self.core().store().last_row()
    }

    /// What people were told, by when, and in which row it is.
    pub(crate) fn told(&self) -> Vec<(usize, u64)> {
        self.diary().told.clone()
    }

    /// Whether all that was decided is on disk.
    fn is_settled(&self) -> bool {
        self.diary().last_row <= self.last_row()
    }

    fn note(&self, before: u64) {
        let (moment, row) = (self.disk.moment(), self.last_row());
        if row > before {
            self.diary().told.push((moment, row));
        }
    }

    /// A snapshot is taken, rows are trimmed.
    pub(crate) fn upkeep(&mut self) -> Result<(), String> {
        for _ in 0..3 {
            let before = self.last_row();
            let done = self.core_mut().upkeep(Upkeep::Now).map_err(|error| error.to_string())?;
            self.note(before);
            if !done {
                break;
            }
        }
        Ok(())
    }

    /// The histories on the disk, by run.
    pub(crate) fn histories(&self) -> Result<BTreeMap<RunId, Vec<HistoryBatch>>, String> {
        let failed = |error: tidegate_log::Error| format!("it cannot be read: {error}");
        let mut histories: BTreeMap<RunId, Vec<HistoryBatch>> = BTreeMap::new();
        for record in self.core().reader().rows_after(0, usize::MAX).map_err(failed)? {
            if record.lane.is_some()
                && let LaneRecord::History(batch) =
                    codec::from_cbor(&record.bytes).map_err(|error| error.to_string())?
            {
                histories.entry(batch.run_id).or_default().push(batch);
            }
        }
        Ok(histories)
    }
}

impl Host for Process {
    fn next_deadline(&self) -> Option<Timestamp> {
        self.core().next_deadline().map(|deadline| deadline.at)
    }

    fn is_open(&self, run_id: RunId) -> bool {
        self.core().machine().engine.is_open(run_id)
    }

    fn turn(&mut self, now: Timestamp, input: Option<Input>) -> Result<Vec<Decided>, Difference> {
        let before = self.last_row();
        let stamp = stamp(now, u128::from(self.boot));
        let released =
            self.core_mut().turn(stamp, &mut input.into_iter()).map_err(|error| error.to_string())?;
        self.note(before);
        let decided = std::mem::take(&mut self.diary().decided);
        let answers: Vec<Answer> = decided.iter().flat_map(|decided| decided.answers.clone()).collect();
        if released != answers {
            return Err(format!("released is {released:?}, and decided was {answers:?}"));
        }
        Ok(decided)
    }

    /// The cuts lose what was not committed, at every write of it.
    fn lose(&mut self, _now: Timestamp, _input: Input) -> Result<Vec<Decided>, Difference> {
        Ok(Vec::new())
    }

    /// In good order, or killed; not killed while something waits at leisure, which would be lost.
    fn crash(&mut self, crash: Crash) -> Result<(), Difference> {
        let before = self.last_row();
        let in_good_order = crash == Crash::Snapshot || !self.is_settled();
        let core = self.core.take().expect("it is always put back");
        if in_good_order {
            drop(core.close().map_err(|error| error.to_string())?);
        } else {
            drop(core);
        }
        self.open()?;
        self.note(before);
        Ok(())
    }

    fn settled(&self) -> Option<(u64, Vec<u8>)> {
        self.is_settled().then(|| (self.last_row(), self.core().machine().engine.snapshot()))
    }
}
