//! Page digests: every page of the database file carries a digest of itself, checked whenever it is read.
//!
//! SQLite notices damage to its own structure only by chance, and a damaged index makes rows vanish without any
//! error; a digest per row would not notice a row that is not found. So the digest is per page, in eight bytes that
//! SQLite reserves at each page's end, and covers tables, indices and free space alike. It is XXH3 over the page,
//! seeded with the page's number, so that a page in the wrong place is noticed too: damage is no attacker, and who
//! can write the file could write digests as well. Pages in the cache cost nothing; pages in the write-ahead log
//! have SQLite's own checksums.
//!
//! This is a file system for SQLite (a "VFS"): its default one with three methods of the database file replaced.

#![expect(unsafe_code, reason = "a file system for SQLite is a table of C functions")]

use std::{
    ffi::{CStr, c_int, c_void},
    sync::OnceLock,
};

use rusqlite::{Connection, ffi};
use twox_hash::XxHash3_64;

/// The file system's name, for opening connections.
pub(crate) const NAME: &CStr = c"loom-checked";
/// Size of every page.
pub(crate) const PAGE_BYTES: usize = 4096;
/// The digest at a page's end.
const DIGEST_BYTES: usize = 8;

/// Methods of a database file: the default ones, and those with ours in two places.
struct Methods {
    inner: &'static ffi::sqlite3_io_methods,
    checked: ffi::sqlite3_io_methods,
}

static METHODS: OnceLock<Methods> = OnceLock::new();

/// The default file system, for our `xOpen`.
struct Inner(*mut ffi::sqlite3_vfs);

// SAFETY: the default file system is registered for as long as the process lives, and SQLite itself calls it from
// every thread.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

static INNER: OnceLock<Inner> = OnceLock::new();

/// Makes the file system known to SQLite. Says whether it is.
pub(crate) fn register() -> bool {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    *REGISTERED.get_or_init(|| {
        // SAFETY: null asks for the default file system, which lives as long as the process.
        let inner = unsafe { ffi::sqlite3_vfs_find(std::ptr::null()) };
        if inner.is_null() {
            return false;
        }
        INNER.get_or_init(|| Inner(inner));
        // SAFETY: not null, and plain data. The copy keeps the default's own data and functions, which do not care
        // through which table they are called.
        let mut vfs = unsafe { *inner };
        vfs.zName = NAME.as_ptr();
        vfs.pNext = std::ptr::null_mut();
        vfs.xOpen = Some(open);
        // SAFETY: leaked, so that it lives as long as SQLite may use it. It does not become the default.
        unsafe { ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 0) == ffi::SQLITE_OK }
    })
}

/// Sets aside the room for digests. Has an effect only before the database is made.
pub(crate) fn reserve(connection: &Connection) -> rusqlite::Result<()> {
    let mut bytes = DIGEST_BYTES as c_int;
    let operation = ffi::SQLITE_FCNTL_RESERVE_BYTES;
    // SAFETY: the handle is open for as long as `connection` is borrowed, and the operation takes a pointer to an int.
    let code = unsafe {
        ffi::sqlite3_file_control(connection.handle(), c"main".as_ptr(), operation, (&raw mut bytes).cast::<c_void>())
    };
    match code {
        ffi::SQLITE_OK => Ok(()),
        code => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
    }
}

/// Opens a file as the default file system does; a database gets our methods.
unsafe extern "C" fn open(
    _vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    let Some(Inner(inner)) = INNER.get() else { return ffi::SQLITE_CANTOPEN };
    // SAFETY: SQLite's own arguments, handed on to the file system that ours is a copy of.
    let code = unsafe {
        let Some(open) = (**inner).xOpen else { return ffi::SQLITE_CANTOPEN };
        open(*inner, name, file, flags, flags_out)
    };
    if code != ffi::SQLITE_OK || flags & ffi::SQLITE_OPEN_MAIN_DB == 0 {
        return code;
    }
    // SAFETY: after a successful open the file's methods are a static table of the default file system's.
    let Some(inner) = (unsafe { (*file).pMethods.as_ref::<'static>() }) else { return ffi::SQLITE_CANTOPEN };
    let methods = METHODS.get_or_init(|| {
        // Version 2 has shared memory, for the write-ahead log, but no memory-mapped reads, which would pass us by.
        let checked = ffi::sqlite3_io_methods {
            iVersion: 2,
            xRead: Some(read),
            xWrite: Some(write),
            xDeviceCharacteristics: Some(characteristics),
            ..*inner
        };
        Methods { inner, checked }
    });
    if !std::ptr::eq(methods.inner, inner) {
        // Another kind of file than the first: there is one table only.
        // SAFETY: the file is open, and closed with its own method.
        unsafe { inner.xClose.map(|close| close(file)) };
        return ffi::SQLITE_CANTOPEN;
    }
    // SAFETY: the file is SQLite's to use from now on, and the table static.
    unsafe { (*file).pMethods = &raw const methods.checked };
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, into: *mut c_void, bytes: c_int, offset: i64) -> c_int {
    let Some(inner) = METHODS.get().and_then(|methods| methods.inner.xRead) else { return ffi::SQLITE_IOERR_READ };
    // SAFETY: SQLite's own arguments, for a file that the default file system opened.
    let code = unsafe { inner(file, into, bytes, offset) };
    // Before the page size is known, SQLite reads a part of the header; it comes again with the whole first page.
    if bytes < 512 {
        return code;
    }
    let (Some(number), ffi::SQLITE_OK) = (page_number(bytes, offset), code) else {
        // A page that ends with the file is no page, and SQLite would take it for zeros.
        return if code == ffi::SQLITE_OK || code == ffi::SQLITE_IOERR_SHORT_READ { damaged(offset) } else { code };
    };
    // SAFETY: SQLite gave room for so many bytes, and the read has filled them.
    let page = unsafe { std::slice::from_raw_parts(into.cast::<u8>().cast_const(), PAGE_BYTES) };
    let (content, found) = page.split_at(PAGE_BYTES - DIGEST_BYTES);
    if found == digest(number, content) { code } else { damaged(offset) }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, bytes: c_int, offset: i64) -> c_int {
    let Some(inner) = METHODS.get().and_then(|methods| methods.inner.xWrite) else { return ffi::SQLITE_IOERR_WRITE };
    let Some(number) = page_number(bytes, offset) else { return ffi::SQLITE_IOERR_WRITE };
    let mut page = [0u8; PAGE_BYTES];
    // SAFETY: SQLite gave so many bytes to write.
    page.copy_from_slice(unsafe { std::slice::from_raw_parts(from.cast::<u8>(), PAGE_BYTES) });
    let (content, room) = page.split_at_mut(PAGE_BYTES - DIGEST_BYTES);
    room.copy_from_slice(&digest(number, content));
    // SAFETY: as many bytes as SQLite asked for, in a buffer that outlives the call.
    unsafe { inner(file, page.as_ptr().cast(), bytes, offset) }
}

/// As the default file system says, but that parts of pages cannot be read: they have no digests.
unsafe extern "C" fn characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    let inner = METHODS.get().and_then(|methods| methods.inner.xDeviceCharacteristics);
    // SAFETY: SQLite's own argument, for a file that the default file system opened.
    inner.map_or(0, |inner| unsafe { inner(file) }) & !ffi::SQLITE_IOCAP_SUBPAGE_READ
}

/// The number of the page at `offset`; none if this is not one whole page.
fn page_number(bytes: c_int, offset: i64) -> Option<u64> {
    let (bytes, offset) = (usize::try_from(bytes).ok()?, u64::try_from(offset).ok()?);
    let page_bytes = PAGE_BYTES as u64;
    (bytes == PAGE_BYTES && offset % page_bytes == 0).then(|| offset / page_bytes + 1)
}

fn digest(page_number: u64, content: &[u8]) -> [u8; DIGEST_BYTES] {
    XxHash3_64::oneshot_with_seed(page_number, content).to_le_bytes()
}

fn damaged(offset: i64) -> c_int {
    tracing::error!(page = offset / PAGE_BYTES as i64 + 1, "a page of the database does not match its digest");
    ffi::SQLITE_IOERR_DATA
}
