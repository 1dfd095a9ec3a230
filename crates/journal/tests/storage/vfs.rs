//! SQLite's view of the [`Disk`](super::disk::Disk): a file system that does everything through SQLite's own one and
//! asks the disk first.
//!
//! It becomes the default of this test program, so that the journal opens its files through it without knowing. Files
//! outside of a mounted directory are passed through. Locks, shared memory and reading always are; a sync of a mounted
//! file is only noted, which is why thousands of runs cost no time.

#![expect(unsafe_code, reason = "a SQLite VFS is a C interface")]

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::slice;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use rusqlite::ffi;

use super::disk::{self, FileOfDisk};

/// What SQLite gives us room for: our part, behind which lies the part of SQLite's own file system.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    /// Owned; null for a file that is passed through.
    of_disk: *mut FileOfDisk,
}

/// SQLite's own file system.
static UNIX: AtomicPtr<ffi::sqlite3_vfs> = AtomicPtr::new(ptr::null_mut());

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Makes this file system the default one. It stays so for as long as the process lives.
pub(crate) fn install() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        // SAFETY: a null name asks for the default file system, which SQLite never frees.
        let unix = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
        // SAFETY: SQLite has a default file system on every platform for which these tests are compiled.
        let mut ours = unsafe { *unix };
        UNIX.store(unix, Ordering::Release);
        ours.szOsFile += size_of::<File>() as c_int;
        ours.zName = c"disk".as_ptr();
        ours.pNext = ptr::null_mut();
        ours.xOpen = Some(open);
        ours.xDelete = Some(delete);
        // SAFETY: the box is given away, so that it lives as long as SQLite may use it; its name is static.
        let registered = unsafe { ffi::sqlite3_vfs_register(Box::into_raw(Box::new(ours)), 1) };
        assert_eq!(registered, ffi::SQLITE_OK, "SQLite takes the file system");
    });
}

/// The part of SQLite's own file system.
///
/// # Safety
/// `file` points to a [`File`] with that part behind it, as SQLite gives to every method.
unsafe fn inner(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: both parts lie in one allocation, and the size of the first is a multiple of a pointer's.
    unsafe { file.cast::<File>().add(1).cast() }
}

/// What the disk knows of the file; none if it is passed through.
///
/// # Safety
/// `file` points to a [`File`] that `open` has filled and `close` has not emptied.
unsafe fn of_disk<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a FileOfDisk> {
    // SAFETY: `open` stored a box there or null, and SQLite calls no method of a file after closing it.
    unsafe { (*file.cast::<File>()).of_disk.as_ref() }
}

/// Calls a method of SQLite's own file system.
macro_rules! forward {
    ($file:ident, $method:ident $(, $argument:expr)*) => {{
        // SAFETY: `$file` is what SQLite gave to this method.
        let inner = unsafe { inner($file) };
        // SAFETY: SQLite's own file system opened it, and stored its methods there.
        match unsafe { (*(*inner).pMethods).$method } {
            // SAFETY: the arguments are passed on as they came.
            Some(method) => unsafe { method(inner $(, $argument)*) },
            None => ffi::SQLITE_IOERR,
        }
    }};
}

/// Asks the disk, and answers its refusal.
macro_rules! ask {
    ($file:ident, $question:expr) => {
        // SAFETY: `$file` is what SQLite gave to this method.
        if let Some(of_disk) = unsafe { of_disk($file) }
            && let Err(refusal) = $question(of_disk)
        {
            return refusal;
        }
    };
}

/// The path behind a name.
///
/// # Safety
/// `name` is null or a string that lives as long as the caller uses the path.
unsafe fn path<'a>(name: *const c_char) -> Option<&'a Path> {
    // SAFETY: SQLite's names end with a zero.
    let name = (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) })?;
    Some(Path::new(OsStr::from_bytes(name.to_bytes())))
}

unsafe extern "C" fn open(
    _vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes room for a `File`; a file without methods counts as not open.
    unsafe {
        file.cast::<File>()
            .write(File { base: ffi::sqlite3_file { pMethods: ptr::null() }, of_disk: ptr::null_mut() })
    };
    // SAFETY: the name outlives this call.
    let opened = match disk::opening(unsafe { path(name) }, flags) {
        Ok(opened) => opened,
        Err(refusal) => return refusal,
    };
    let unix = UNIX.load(Ordering::Acquire);
    // SAFETY: `install` stored it before anything could be opened through us.
    let Some(open) = (unsafe { (*unix).xOpen }) else { return ffi::SQLITE_IOERR };
    // SAFETY: behind our part there is room for theirs; everything else is passed on.
    let code = unsafe { open(unix, name, inner(file), flags, flags_out) };
    if code == ffi::SQLITE_OK {
        let of_disk = opened.map_or(ptr::null_mut(), |opened| Box::into_raw(Box::new(opened.done())));
        // SAFETY: as above.
        unsafe {
            file.cast::<File>().write(File { base: ffi::sqlite3_file { pMethods: &METHODS }, of_disk })
        };
    }
    code
}

unsafe extern "C" fn delete(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_directory: c_int,
) -> c_int {
    // SAFETY: the name outlives this call.
    let path = unsafe { path(name) };
    if let Err(refusal) = disk::deleting(path, sync_directory != 0) {
        return refusal;
    }
    let unix = UNIX.load(Ordering::Acquire);
    // SAFETY: `install` stored it before anything could be deleted through us.
    let Some(delete) = (unsafe { (*unix).xDelete }) else { return ffi::SQLITE_IOERR };
    // SAFETY: the name is passed on as it came. A mounted directory is synced in the model only.
    unsafe { delete(unix, name, if path.is_some_and(disk::is_mounted) { 0 } else { sync_directory }) }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let code = forward!(file, xClose);
    // SAFETY: SQLite calls no method of a file after this one.
    let of_disk = unsafe { (*file.cast::<File>()).of_disk };
    if !of_disk.is_null() {
        // SAFETY: `open` made it from a box, and nobody takes it out but this line.
        drop(unsafe { Box::from_raw(of_disk) });
    }
    code
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    buffer: *mut c_void,
    amount: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    ask!(file, FileOfDisk::reading);
    forward!(file, xRead, buffer, amount, at)
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    buffer: *const c_void,
    amount: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite passes as many bytes as it says.
    let bytes = unsafe { slice::from_raw_parts(buffer.cast::<u8>(), amount.unsigned_abs() as usize) };
    ask!(file, |of_disk: &FileOfDisk| of_disk.writing(at.unsigned_abs() as usize, bytes));
    forward!(file, xWrite, buffer, amount, at)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    ask!(file, |of_disk: &FileOfDisk| of_disk.truncating(size.unsigned_abs() as usize));
    forward!(file, xTruncate, size)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: `file` is what SQLite gave to this method.
    match unsafe { of_disk(file) } {
        Some(of_disk) => of_disk.syncing().err().unwrap_or(ffi::SQLITE_OK),
        None => forward!(file, xSync, flags),
    }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut ffi::sqlite3_int64) -> c_int {
    forward!(file, xFileSize, size)
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    forward!(file, xLock, level)
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    forward!(file, xUnlock, level)
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, is_taken: *mut c_int) -> c_int {
    forward!(file, xCheckReservedLock, is_taken)
}

unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, what: c_int, argument: *mut c_void) -> c_int {
    forward!(file, xFileControl, what, argument)
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    forward!(file, xSectorSize)
}

unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    forward!(file, xDeviceCharacteristics)
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    size: c_int,
    extend: c_int,
    map: *mut *mut c_void,
) -> c_int {
    if extend != 0 {
        ask!(file, FileOfDisk::growing_shared_memory);
    }
    forward!(file, xShmMap, region, size, extend, map)
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    offset: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    forward!(file, xShmLock, offset, count, flags)
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: `file` is what SQLite gave to this method.
    let inner = unsafe { inner(file) };
    // SAFETY: SQLite's own file system opened it, and stored its methods there.
    if let Some(barrier) = unsafe { (*(*inner).pMethods).xShmBarrier } {
        // SAFETY: as above.
        unsafe { barrier(inner) };
    }
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    forward!(file, xShmUnmap, delete)
}
