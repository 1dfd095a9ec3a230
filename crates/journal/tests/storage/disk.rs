//! A disk that can lose its power, be full, and fail.
//!
//! A directory is mounted: what SQLite does to its files really happens there, and is noted here as a disk would see
//! it, per file: what was synced, and every change since. When the power is cut, [`Image`] is what the disk may hold
//! afterwards: of each file the synced content and any part of the changes since, down to sectors of 512 bytes; of the
//! names, those that were synced and any part of the creations and removals since. A change that an earlier one of the
//! same bytes overtakes is not modelled, because no page cache does that.
//!
//! What a program does to files without SQLite is not seen, apart from removals.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use rusqlite::ffi;
use tempfile::TempDir;

use super::vfs;

/// The files of a directory.
pub(crate) type Image = BTreeMap<String, Vec<u8>>;

/// A code by which SQLite's file system refuses.
pub(crate) type Refusal = i32;

const SECTOR_BYTES: usize = 512;

/// The mounted directories.
static MOUNTED: Mutex<BTreeMap<PathBuf, Arc<Mutex<Disk>>>> = Mutex::new(BTreeMap::new());

/// A mounted directory; unmounted and removed when dropped.
pub(crate) struct Mount {
    directory: TempDir,
    path: PathBuf,
    disk: Arc<Mutex<Disk>>,
}

/// What SQLite may ask of a disk that can be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Write,
    Truncate,
    Sync,
    Delete,
    GrowSharedMemory,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No room: nothing can be written or enlarged. Syncing and removing work.
    Full,
    /// Writing fails.
    Write,
    /// Syncing fails.
    Sync,
}

/// When something goes wrong: from that request on, counted from 1.
#[derive(Clone, Copy, Debug)]
struct Plan {
    from: u64,
    trouble: Trouble,
}

#[derive(Default)]
struct Disk {
    path: PathBuf,
    files: Vec<Content>,
    names: BTreeMap<String, usize>,
    names_synced: BTreeMap<String, usize>,
    renames: Vec<Rename>,
    requests: u64,
    cut_at: Option<u64>,
    is_off: bool,
    forgets_syncs: bool,
    plan: Option<Plan>,
    refused: u64,
}

#[derive(Default)]
struct Content {
    synced: Vec<u8>,
    changes: Vec<Change>,
}

enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

enum Rename {
    Created(String, usize),
    Removed(String),
}

/// How much of what was not synced the disk has kept.
enum Kept {
    Nothing,
    All,
    /// So many changes in order, and the next one up to some sector.
    Prefix(usize),
    /// Each change with this probability, whole or up to some sector.
    Changes(f64),
    /// Each sector of each change with this probability.
    Sectors(f64),
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a file costs the least: in memory, if the system has such a place.
fn memory() -> PathBuf {
    let shared = PathBuf::from("/dev/shm");
    if shared.is_dir() { shared } else { std::env::temp_dir() }
}

fn mounted(directory: &Path) -> Option<Arc<Mutex<Disk>>> {
    locked(&MOUNTED).get(directory).map(Arc::clone)
}

/// Whether the file lies in a mounted directory.
pub(crate) fn is_mounted(path: &Path) -> bool {
    path.parent().and_then(mounted).is_some()
}

impl Mount {
    /// Mounts a new directory that holds these files, all of them synced.
    pub(crate) fn new(image: &Image) -> Self {
        vfs::install();
        let directory = tempfile::tempdir_in(memory()).unwrap();
        let path = fs::canonicalize(directory.path()).unwrap();
        let mut disk = Disk { path: path.clone(), ..Disk::default() };
        for (name, content) in image {
            fs::write(path.join(name), content).unwrap();
            disk.names.insert(name.clone(), disk.files.len());
            disk.files.push(Content { synced: content.clone(), changes: Vec::new() });
        }
        disk.names_synced = disk.names.clone();
        let disk = Arc::new(Mutex::new(disk));
        locked(&MOUNTED).insert(path.clone(), Arc::clone(&disk));
        Self { directory, path, disk }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Cuts the power in the middle of the request with this number, counted from the next one as 1.
    pub(crate) fn cut_at(&self, request: u64) {
        let mut disk = locked(&self.disk);
        disk.cut_at = Some(disk.requests + request);
    }

    /// Cuts the power now.
    pub(crate) fn cut(&self) {
        let mut disk = locked(&self.disk);
        disk.note_removals();
        disk.is_off = true;
    }

    pub(crate) fn is_off(&self) -> bool {
        locked(&self.disk).is_off
    }

    /// From now on syncs are answered and not done.
    pub(crate) fn forget_syncs(&self) {
        locked(&self.disk).forgets_syncs = true;
    }

    /// Lets something go wrong from the request with this number on, counted from the next one as 1.
    pub(crate) fn fail_from(&self, request: u64, trouble: Trouble) {
        let mut disk = locked(&self.disk);
        disk.plan = Some(Plan { from: disk.requests + request, trouble });
    }

    /// Lets everything work again.
    pub(crate) fn heal(&self) {
        locked(&self.disk).plan = None;
    }

    /// How many requests were refused since something went wrong.
    pub(crate) fn refused(&self) -> u64 {
        locked(&self.disk).refused
    }

    /// What the program outside of SQLite does when it syncs the directory.
    pub(crate) fn sync_names(&self) {
        locked(&self.disk).sync_names();
    }

    /// What the disk may hold after the power was cut.
    pub(crate) fn image(&self, random: &mut Rng) -> Image {
        locked(&self.disk).image(random)
    }

    /// What a program sees that reads the files now.
    pub(crate) fn seen(&self) -> Image {
        let disk = locked(&self.disk);
        disk.names.iter().map(|(name, file)| (name.clone(), disk.files[*file].seen())).collect()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        locked(&MOUNTED).remove(&self.path);
    }
}

impl Disk {
    /// Counts a request, and says whether it is refused. In the middle of the one at which the power is cut, `noted` adds
    /// what may have reached the disk.
    fn request(&mut self, kind: Kind, noted: impl FnOnce(&mut Self)) -> Result<(), Refusal> {
        if self.is_off {
            return Err(refusal(kind, Trouble::Write));
        }
        self.requests += 1;
        if let Some(Plan { from, trouble }) = self.plan
            && self.requests >= from
            && concerns(trouble, kind)
        {
            self.refused += 1;
            return Err(refusal(kind, trouble));
        }
        if self.cut_at == Some(self.requests) {
            self.note_removals();
            self.is_off = true;
            if kind != Kind::Sync {
                noted(self);
            }
            return Err(refusal(kind, Trouble::Write));
        }
        noted(self);
        Ok(())
    }

    /// Notes what has been removed without SQLite.
    fn note_removals(&mut self) {
        let gone: Vec<String> =
            self.names.keys().filter(|name| !self.path.join(name).exists()).cloned().collect();
        for name in gone {
            self.removed(&name);
        }
    }

    fn sync_names(&mut self) {
        self.note_removals();
        if !self.is_off && !self.forgets_syncs {
            self.names_synced = self.names.clone();
            self.renames.clear();
        }
    }

    fn created(&mut self, name: &str) -> usize {
        self.removed(name);
        let file = self.files.len();
        self.files.push(Content::default());
        self.names.insert(name.to_owned(), file);
        self.renames.push(Rename::Created(name.to_owned(), file));
        file
    }

    fn removed(&mut self, name: &str) {
        if self.names.remove(name).is_some() {
            self.renames.push(Rename::Removed(name.to_owned()));
        }
    }

    fn image(&self, random: &mut Rng) -> Image {
        let mut names = self.names_synced.clone();
        let kept = random.f64();
        let is_journaled = random.bool();
        for rename in &self.renames {
            if random.f64() >= kept {
                if is_journaled {
                    break;
                }
                continue;
            }
            match rename {
                Rename::Created(name, file) => names.insert(name.clone(), *file),
                Rename::Removed(name) => names.remove(name),
            };
        }
        names.into_iter().map(|(name, file)| (name, self.files[file].after_a_cut(random))).collect()
    }
}

/// Whether trouble of that kind shows in such a request.
fn concerns(trouble: Trouble, kind: Kind) -> bool {
    match (trouble, kind) {
        (Trouble::Full, Kind::Write | Kind::GrowSharedMemory) => true,
        (Trouble::Full, Kind::Truncate | Kind::Sync | Kind::Delete) => false,
        (Trouble::Write, Kind::Write | Kind::Truncate | Kind::Delete | Kind::GrowSharedMemory) => true,
        (Trouble::Write, Kind::Sync) => false,
        (Trouble::Sync, Kind::Sync) => true,
        (Trouble::Sync, Kind::Write | Kind::Truncate | Kind::Delete | Kind::GrowSharedMemory) => false,
    }
}

/// The code by which SQLite's own file system on Unix says so.
fn refusal(kind: Kind, trouble: Trouble) -> Refusal {
    match (kind, trouble) {
        (Kind::Write, Trouble::Full) => ffi::SQLITE_FULL,
        (Kind::Write, Trouble::Write | Trouble::Sync) => ffi::SQLITE_IOERR_WRITE,
        (Kind::Truncate, _) => ffi::SQLITE_IOERR_TRUNCATE,
        (Kind::Sync, _) => ffi::SQLITE_IOERR_FSYNC,
        (Kind::Delete, _) => ffi::SQLITE_IOERR_DELETE,
        (Kind::GrowSharedMemory, _) => ffi::SQLITE_IOERR_SHMSIZE,
    }
}

impl Content {
    fn sync(&mut self) {
        for change in std::mem::take(&mut self.changes) {
            match change {
                Change::Write(at, bytes) => put(&mut self.synced, at, &bytes, &mut || 0),
                Change::Truncate(size) => self.synced.resize(size, 0),
            }
        }
    }

    fn seen(&self) -> Vec<u8> {
        let mut seen = self.synced.clone();
        for change in &self.changes {
            match change {
                Change::Write(at, bytes) => put(&mut seen, *at, bytes, &mut || 0),
                Change::Truncate(size) => seen.resize(*size, 0),
            }
        }
        seen
    }

    fn after_a_cut(&self, random: &mut Rng) -> Vec<u8> {
        let kept = match random.u8(..8) {
            0 => Kept::Nothing,
            1 => Kept::All,
            2 | 3 => Kept::Prefix(random.usize(..=self.changes.len())),
            4 | 5 => Kept::Changes(random.f64()),
            _ => Kept::Sectors(random.f64()),
        };
        let mut gaps = random.fork();
        let is_zeroed = random.bool();
        let mut gap = move || if is_zeroed { 0 } else { gaps.u8(..) };
        let mut left = self.synced.clone();
        for (n, change) in self.changes.iter().enumerate() {
            match change {
                Change::Write(at, bytes) => {
                    for (from, to) in kept.pieces(n, *at, bytes.len(), random) {
                        put(&mut left, at + from, &bytes[from..to], &mut gap);
                    }
                }
                Change::Truncate(size) => {
                    if !kept.pieces(n, 0, 1, random).is_empty() {
                        left.resize(*size, 0);
                    }
                }
            }
        }
        left
    }
}

impl Kept {
    /// Which parts of a change have reached the disk.
    fn pieces(&self, n: usize, at: usize, length: usize, random: &mut Rng) -> Vec<(usize, usize)> {
        let sectors = sectors(at, length);
        match self {
            Self::Nothing => Vec::new(),
            Self::All => sectors,
            Self::Prefix(changes) if n < *changes => sectors,
            Self::Prefix(changes) if n == *changes => torn(sectors, random),
            Self::Prefix(_) => Vec::new(),
            Self::Changes(probability) if random.f64() >= *probability => Vec::new(),
            Self::Changes(_) if random.bool() => sectors,
            Self::Changes(_) => torn(sectors, random),
            Self::Sectors(probability) => {
                sectors.into_iter().filter(|_| random.f64() < *probability).collect()
            }
        }
    }
}

/// The parts of a change that lie in different sectors.
fn sectors(at: usize, length: usize) -> Vec<(usize, usize)> {
    let (mut sectors, mut from) = (Vec::new(), 0);
    while from < length {
        let to = length.min(from + SECTOR_BYTES - (at + from) % SECTOR_BYTES);
        sectors.push((from, to));
        from = to;
    }
    sectors
}

fn torn(mut sectors: Vec<(usize, usize)>, random: &mut Rng) -> Vec<(usize, usize)> {
    sectors.truncate(random.usize(..=sectors.len()));
    sectors
}

/// Writes bytes; what comes to lie between them and the end so far is whatever the disk had there.
fn put(content: &mut Vec<u8>, at: usize, bytes: &[u8], gap: &mut dyn FnMut() -> u8) {
    while content.len() < at {
        content.push(gap());
    }
    let (over, beyond) = bytes.split_at(bytes.len().min(content.len() - at));
    content[at..at + over.len()].copy_from_slice(over);
    content.extend_from_slice(beyond);
}

/// A file that SQLite is about to open.
pub(crate) struct Opening {
    disk: Arc<Mutex<Disk>>,
    name: String,
    existed: bool,
    syncs_names: bool,
}

/// A file that SQLite has opened, and where it lies.
pub(crate) struct FileOfDisk {
    disk: Arc<Mutex<Disk>>,
    file: usize,
    /// SQLite's file system on Unix syncs the directory, too, with the first sync of a log or a rollback journal that it
    /// was allowed to create.
    syncs_names: Mutex<bool>,
}

fn place(path: &Path) -> Option<(Arc<Mutex<Disk>>, String)> {
    let disk = mounted(path.parent()?)?;
    Some((disk, path.file_name()?.to_str()?.to_owned()))
}

/// SQLite opens a file; nothing if it is none of a mounted directory.
pub(crate) fn opening(path: Option<&Path>, flags: i32) -> Result<Option<Opening>, Refusal> {
    let Some((path, (disk, name))) = path.and_then(|path| Some((path, place(path)?))) else {
        return Ok(None);
    };
    if locked(&disk).is_off {
        return Err(ffi::SQLITE_CANTOPEN);
    }
    let syncing = ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL | ffi::SQLITE_OPEN_WAL;
    let syncs_names = flags & syncing != 0 && flags & ffi::SQLITE_OPEN_CREATE != 0;
    Ok(Some(Opening { disk, name, existed: path.exists(), syncs_names }))
}

/// SQLite deletes a file, and may want the directory synced after that.
pub(crate) fn deleting(path: Option<&Path>, sync_names: bool) -> Result<(), Refusal> {
    let Some((disk, name)) = path.and_then(place) else { return Ok(()) };
    let mut disk = locked(&disk);
    disk.request(Kind::Delete, |disk| disk.removed(&name))?;
    if sync_names {
        disk.sync_names();
    }
    Ok(())
}

impl Opening {
    pub(crate) fn done(self) -> FileOfDisk {
        let Self { disk, name, existed, syncs_names } = self;
        let mut of_disk = locked(&disk);
        let known = of_disk.names.get(&name).copied().filter(|_| existed);
        let file = known.unwrap_or_else(|| of_disk.created(&name));
        drop(of_disk);
        FileOfDisk { disk, file, syncs_names: Mutex::new(syncs_names) }
    }
}

impl FileOfDisk {
    pub(crate) fn reading(&self) -> Result<(), Refusal> {
        if locked(&self.disk).is_off { Err(ffi::SQLITE_IOERR_READ) } else { Ok(()) }
    }

    pub(crate) fn writing(&self, at: usize, bytes: &[u8]) -> Result<(), Refusal> {
        let change = Change::Write(at, bytes.to_vec());
        locked(&self.disk).request(Kind::Write, |disk| disk.files[self.file].changes.push(change))
    }

    pub(crate) fn truncating(&self, size: usize) -> Result<(), Refusal> {
        let change = Change::Truncate(size);
        locked(&self.disk).request(Kind::Truncate, |disk| disk.files[self.file].changes.push(change))
    }

    pub(crate) fn syncing(&self) -> Result<(), Refusal> {
        let syncs_names = std::mem::take(&mut *locked(&self.syncs_names));
        locked(&self.disk).request(Kind::Sync, |disk| {
            if !disk.forgets_syncs {
                disk.files[self.file].sync();
            }
            if syncs_names {
                disk.sync_names();
            }
        })
    }

    pub(crate) fn growing_shared_memory(&self) -> Result<(), Refusal> {
        locked(&self.disk).request(Kind::GrowSharedMemory, |_| ())
    }
}
