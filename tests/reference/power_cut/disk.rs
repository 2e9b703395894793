//! A disk that forgets: records what is done to it, and shows what may be left of it after the power was cut.
//!
//! Between two syncs a disk may keep any part of what was written, in any order, down to single sectors. What it said
//! is synced it must keep. [`Trace::after_cut`] builds one of the images that this allows.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;
use tidegate_model::chance::Chance;

/// The smallest piece a disk writes whole.
const SECTOR_BYTES: usize = 512;
/// The smallest piece many flash devices write whole.
const PAGE_BYTES: usize = 4_096;

/// One thing done to a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    /// Bytes written at an offset.
    Write(usize, Vec<u8>),
    /// The file made longer, with zeros, or shorter.
    SetLen(usize),
    /// Everything before this is on the platter.
    Sync,
}

/// A disk in memory that records what is done to it. Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    shared: Arc<Mutex<Recorded>>,
}

#[derive(Default)]
struct Recorded {
    image: Vec<u8>,
    trace: Trace,
    liar: Option<Liar>,
}

/// Leaves some syncs undone and says they are done.
struct Liar {
    chance: Chance,
    percent: u64,
}

/// What was done to a disk, from an image on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace {
    base: Vec<u8>,
    ops: Vec<Op>,
}

impl Disk {
    /// A disk that holds `image`, all of it on the platter.
    #[must_use]
    pub(crate) fn holding(image: Vec<u8>) -> Self {
        let trace = Trace { base: image.clone(), ops: Vec::new() };
        Self { shared: Arc::new(Mutex::new(Recorded { image, trace, liar: None })) }
    }

    /// From now on this disk lies about so many of 100 syncs.
    pub(crate) fn lie(&self, seed: u64, percent: u64) {
        self.recorded().liar = Some(Liar { chance: Chance::new(seed), percent });
    }

    /// How much has been done to it so far: a moment, for [`Trace::after_cut`].
    #[must_use]
    pub(crate) fn moment(&self) -> usize {
        self.recorded().trace.ops.len()
    }

    /// What it holds now, on the platter or not.
    #[must_use]
    pub(crate) fn image(&self) -> Vec<u8> {
        self.recorded().image.clone()
    }

    /// Everything done to it so far.
    #[must_use]
    pub(crate) fn trace(&self) -> Trace {
        self.recorded().trace.clone()
    }

    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.shared.lock().expect("nothing here panics with the disk in hand")
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recorded = self.recorded();
        f.debug_struct("Disk")
            .field("bytes", &recorded.image.len())
            .field("ops", &recorded.trace.ops.len())
            .finish_non_exhaustive()
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.recorded().image.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = in_memory(offset)?;
        let recorded = self.recorded();
        let bytes = recorded.image.get(offset..offset.saturating_add(out.len()));
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.recorded().record(Op::SetLen(in_memory(len)?));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut recorded = self.recorded();
        let lies = recorded.liar.as_mut().is_some_and(|liar| liar.chance.below(100) < liar.percent);
        if !lies {
            recorded.record(Op::Sync);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.recorded().record(Op::Write(in_memory(offset)?, data.to_vec()));
        Ok(())
    }
}

fn in_memory(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(io::Error::other)
}

impl Recorded {
    fn record(&mut self, op: Op) {
        op.apply(&mut self.image);
        self.trace.ops.push(op);
    }
}

impl Op {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => write(image, *offset, data),
            Self::SetLen(len) => {
                image.truncate(*len);
                // Not `resize`: that fills byte by byte where the compiler does not optimise.
                image.extend_from_slice(&vec![0; len - image.len()]);
            }
            Self::Sync => {}
        }
    }
}

/// Bytes beyond the end are lost: the file system learns of a longer file by `SetLen` alone.
fn write(image: &mut [u8], offset: usize, data: &[u8]) {
    let end = offset.saturating_add(data.len()).min(image.len());
    if let Some(length) = end.checked_sub(offset) {
        image[offset..end].copy_from_slice(&data[..length]);
    }
}

/// What a power cut does to everything after the last sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// All of it is gone.
    All,
    /// None of it is: the cut came after the disk had caught up.
    Nothing,
    /// A first part is kept.
    AllAfterSome,
    /// Any writes are kept.
    Some,
    /// Any writes are kept, and later ones may have been overtaken by earlier ones.
    SomeReordered,
    /// Any sectors of 512 bytes are kept.
    TornSectors,
    /// Any blocks of 4,096 bytes are kept.
    TornPages,
    /// Only the first block of the file is kept, where redb says which of its states counts.
    AllButHeader,
}

impl Loss {
    /// All models.
    pub(crate) const ALL: [Self; 8] = [
        Self::All,
        Self::Nothing,
        Self::AllAfterSome,
        Self::Some,
        Self::SomeReordered,
        Self::TornSectors,
        Self::TornPages,
        Self::AllButHeader,
    ];
}

impl Trace {
    /// How much was done.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.ops.len()
    }

    /// One of the images that may be found when the power goes after the first `moment` things were done.
    ///
    /// # Panics
    /// When less was done.
    #[must_use]
    pub(crate) fn after_cut(&self, moment: usize, loss: Loss, chance: &mut Chance) -> Vec<u8> {
        let done = &self.ops[..moment];
        let synced = done.iter().rposition(|op| *op == Op::Sync).map_or(0, |sync| sync + 1);
        let (safe, loose) = done.split_at(synced);
        let mut image = self.base.clone();
        safe.iter().for_each(|op| op.apply(&mut image));
        lose(loss, loose, &mut image, chance);
        image
    }
}

/// Applies what is left of `loose` under a model.
fn lose(loss: Loss, loose: &[Op], image: &mut Vec<u8>, chance: &mut Chance) {
    let coin = |chance: &mut Chance| chance.below(2) == 0;
    match loss {
        Loss::All => {}
        Loss::Nothing => loose.iter().for_each(|op| op.apply(image)),
        Loss::AllAfterSome => {
            let kept = below(chance, loose.len() + 1);
            loose[..kept].iter().for_each(|op| op.apply(image));
        }
        Loss::Some => loose.iter().filter(|_| coin(chance)).for_each(|op| op.apply(image)),
        Loss::SomeReordered => {
            // The length of a file is journalled, so lengths keep their order; data finds its own.
            let (lengths, mut writes): (Vec<&Op>, Vec<&Op>) =
                loose.iter().partition(|op| matches!(op, Op::SetLen(_)));
            let kept = below(chance, lengths.len() + 1);
            lengths[..kept].iter().for_each(|op| op.apply(image));
            writes.retain(|_| coin(chance));
            shuffle(&mut writes, chance);
            writes.iter().for_each(|op| op.apply(image));
        }
        Loss::TornSectors => tear(loose, SECTOR_BYTES, image, chance),
        Loss::TornPages => tear(loose, PAGE_BYTES, image, chance),
        Loss::AllButHeader => loose
            .iter()
            .filter(|op| matches!(op, Op::Write(offset, _) if *offset < PAGE_BYTES))
            .for_each(|op| op.apply(image)),
    }
}

/// Keeps any of the aligned pieces of each write.
fn tear(loose: &[Op], piece_bytes: usize, image: &mut Vec<u8>, chance: &mut Chance) {
    for op in loose {
        match op {
            Op::Write(offset, data) => {
                let mut at = 0;
                while at < data.len() {
                    let to_boundary = piece_bytes - (offset + at) % piece_bytes;
                    let end = (at + to_boundary).min(data.len());
                    if chance.below(2) == 0 {
                        write(image, offset + at, &data[at..end]);
                    }
                    at = end;
                }
            }
            Op::SetLen(_) | Op::Sync => {
                if chance.below(2) == 0 {
                    op.apply(image);
                }
            }
        }
    }
}

fn shuffle<T>(items: &mut [T], chance: &mut Chance) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(chance, last + 1));
    }
}

fn below(chance: &mut Chance, bound: usize) -> usize {
    usize::try_from(chance.below(bound as u64)).expect("below a usize")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> Disk {
        let disk = Disk::holding(vec![0; 8]);
        disk.write(0, b"aa").expect("memory");
        disk.sync_data().expect("memory");
        disk.write(2, b"bb").expect("memory");
        disk.write(4, b"cc").expect("memory");
        disk
    }

    #[test]
    fn what_is_synced_is_kept_under_every_model() {
        for loss in Loss::ALL {
            for seed in 0..50 {
                let image = disk().trace().after_cut(4, loss, &mut Chance::new(seed));
                assert_eq!(&image[..2], b"aa", "{loss:?}");
            }
        }
    }

    #[test]
    fn what_is_not_synced_is_kept_and_lost() {
        let image = |loss| disk().trace().after_cut(4, loss, &mut Chance::new(1));
        assert_eq!(image(Loss::All), b"aa\0\0\0\0\0\0");
        assert_eq!(image(Loss::Nothing), b"aabbcc\0\0");
    }

    #[test]
    fn a_cut_hides_what_came_after_it() {
        let image = disk().trace().after_cut(3, Loss::Nothing, &mut Chance::new(1));
        assert_eq!(image, b"aabb\0\0\0\0");
    }

    #[test]
    fn writes_find_every_order() {
        let disk = Disk::holding(vec![0; 1]);
        disk.write(0, b"a").expect("memory");
        disk.write(0, b"b").expect("memory");
        let mut seen: Vec<u8> = (0..100)
            .map(|seed| disk.trace().after_cut(2, Loss::SomeReordered, &mut Chance::new(seed))[0])
            .collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [0, b'a', b'b']);
    }

    #[test]
    fn a_tear_is_at_a_boundary_of_the_disk_and_not_of_the_write() {
        let disk = Disk::holding(vec![0; 1_536]);
        disk.write(500, &[1; 600]).expect("memory");
        for seed in 0..100 {
            let image = disk.trace().after_cut(1, Loss::TornSectors, &mut Chance::new(seed));
            for piece in [500..512, 512..1_024, 1_024..1_100] {
                assert!(image[piece.clone()].iter().all(|byte| *byte == image[piece.start]));
            }
        }
    }

    #[test]
    fn a_disk_that_lies_shows_no_sync() {
        let disk = Disk::holding(vec![0; 2]);
        disk.lie(1, 100);
        disk.write(0, b"ab").expect("memory");
        disk.sync_data().expect("it says so");
        assert_eq!(disk.trace().after_cut(disk.moment(), Loss::All, &mut Chance::new(1)), [0, 0]);
    }
}
