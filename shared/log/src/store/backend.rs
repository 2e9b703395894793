//! The file under redb, with its space taken in advance.
//!
//! redb grows a file by doubling its length, sparsely. A hole that is first written in a commit makes the file system
//! find space and journal it in that commit; and a disk that fills up shows late. So space is reserved in steps ahead
//! of the writes: not the whole doubled length, which a small disk may not have and the store may never need.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// The least that is reserved at a time.
const RESERVE_STEP_BYTES_MIN: u64 = 1024 * 1024;

/// Bytes of disk a file takes, which is not its length: it may have holes, and blocks beyond its end.
pub(super) fn allocated_bytes(file: &File) -> io::Result<u64> {
    // st_blocks counts 512-byte units whatever the file system's block is (stat(2)).
    Ok(file.metadata()?.blocks().saturating_mul(512))
}

/// redb's own file backend, which also takes the lock, over a file whose blocks are reserved ahead.
#[derive(Debug)]
pub(super) struct ReservingFile {
    inner: FileBackend,
    file: File,
    step_bytes: u64,
    /// Blocks up to here are reserved; `u64::MAX` where the file system cannot.
    reserved: AtomicU64,
}

impl ReservingFile {
    /// Reserves `step_bytes` at once, and as much again whenever writes have used that up.
    pub(super) fn new(file: File, step_bytes: u64) -> io::Result<Self> {
        let inner = FileBackend::new(file.try_clone()?).map_err(io::Error::other)?;
        // Reserved blocks are the first ones, so their count says how far an earlier process got.
        let reserved = AtomicU64::new(allocated_bytes(&file)?);
        let step_bytes = step_bytes.max(RESERVE_STEP_BYTES_MIN);
        let reserving = Self { inner, file, step_bytes, reserved };
        reserving.reserve(step_bytes)?;
        Ok(reserving)
    }

    /// Makes sure that bytes up to `end` have blocks.
    fn reserve(&self, end: u64) -> io::Result<()> {
        let reserved = self.reserved.load(Ordering::Acquire);
        if end <= reserved {
            return Ok(());
        }
        let wanted = end.max(reserved.saturating_add(self.step_bytes));
        // The length of the file stays redb's business: only its blocks are taken.
        let taken = match fallocate(&self.file, FallocateFlags::KEEP_SIZE, reserved, wanted - reserved) {
            Ok(()) => wanted,
            // Not every file system can (NFS, some FUSE): go on without, growth is slower there.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => u64::MAX,
            // Near the end of the disk what is needed now may still fit.
            Err(Errno::NOSPC | Errno::DQUOT) => end,
            Err(error) => return Err(error.into()),
        };
        self.reserved.store(taken, Ordering::Release);
        Ok(())
    }
}

impl StorageBackend for ReservingFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let shrinks = len < self.inner.len()?;
        self.inner.set_len(len)?;
        // A file cut shorter has given its blocks back beyond the cut.
        if shrinks && self.reserved.load(Ordering::Acquire) != u64::MAX {
            self.reserved.fetch_min(len, Ordering::AcqRel);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        self.reserve(end)?;
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}
