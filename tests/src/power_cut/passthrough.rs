//! The file system itself: every call goes to the folder behind it, unless a plan of faults refuses it.
//!
//! One thread serves it, so that the log has one order. Nothing is cached by the kernel but file pages, and those are
//! written through: what a program wrote is in the log before its call returns. Pages that a program maps (SQLite's
//! shared memory) come when the kernel writes them back, as they would to a disk.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use nix::fcntl::{FallocateFlags, OFlag};

use super::log::{Ino, Log, Op, ROOT};
use super::trouble::{Call, Trouble, Troubles};

/// The kernel asks every time: a fault must be able to meet every call.
const NO_TIME: Duration = Duration::ZERO;

const BLOCK_BYTES: u32 = 4096;

/// What the file system and the rig share.
#[derive(Debug)]
pub(super) struct Shared {
    backing: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub log: Log,
    pub recording: bool,
    pub troubles: Troubles,
    /// Where each known file or folder is now; none once its name went.
    places: Places,
    names: HashMap<(Ino, String), Ino>,
    handles: HashMap<u64, (Ino, Arc<File>)>,
    next_ino: Ino,
    next_handle: u64,
}

impl Shared {
    /// Over a folder, whose content becomes the beginning of the log.
    pub(super) fn new(backing: &Path, recording: bool) -> io::Result<Self> {
        let mut state = State {
            log: Log::default(),
            recording,
            troubles: Troubles::default(),
            places: HashMap::from([(ROOT, None)]),
            names: HashMap::new(),
            handles: HashMap::new(),
            next_ino: ROOT + 1,
            next_handle: 1,
        };
        state.take_in(backing, ROOT)?;
        state.log.prelude = state.log.ops.len();
        Ok(Self {
            backing: backing.to_owned(),
            state: Mutex::new(state),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What lies there already is durable.
    fn take_in(&mut self, folder: &Path, ino: Ino) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let (metadata, name) = (path.symlink_metadata()?, name_of(path.file_name())?);
            let known = self.know(ino, &name);
            self.note(Op::Create {
                folder: ino,
                name,
                ino: known,
                is_folder: metadata.is_dir(),
                mode: metadata.mode() & 0o7777,
            });
            if metadata.is_dir() {
                self.take_in(&path, known)?;
            } else if self.recording {
                self.take_in_file(&path, known, metadata.len())?;
            }
            self.note(Op::Sync { ino: known });
        }
        self.note(Op::Sync { ino });
        Ok(())
    }

    /// Holes stay holes: a disk is a file that is mostly empty.
    fn take_in_file(&mut self, path: &Path, ino: Ino, size: u64) -> io::Result<()> {
        let file = File::open(path)?;
        let mut chunk = vec![0; 64 * 1024];
        let mut offset = 0;
        while offset < size {
            let n = file.read_at(&mut chunk, offset)?;
            if n == 0 {
                break;
            }
            if chunk[..n].iter().any(|byte| *byte != 0) {
                self.note(Op::Write {
                    ino,
                    offset,
                    bytes: chunk[..n].into(),
                });
            }
            offset += n as u64;
        }
        self.note(Op::Resize { ino, bytes: size });
        Ok(())
    }

    pub(super) fn note(&mut self, op: Op) {
        if self.recording {
            self.log.ops.push(op);
        }
    }

    /// The number of a name, given anew where there is none.
    fn know(&mut self, folder: Ino, name: &str) -> Ino {
        let key = (folder, name.to_owned());
        if let Some(ino) = self.names.get(&key) {
            return *ino;
        }
        let ino = self.next_ino;
        self.next_ino += 1;
        self.names.insert(key.clone(), ino);
        self.places.insert(ino, Some(key));
        ino
    }

    fn forget(&mut self, folder: Ino, name: &str) {
        if let Some(ino) = self.names.remove(&(folder, name.to_owned())) {
            self.places.insert(ino, None);
        }
    }

    fn moved(&mut self, from: (Ino, String), to: (Ino, String)) {
        self.forget(to.0, &to.1);
        if let Some(ino) = self.names.remove(&from) {
            self.places.insert(ino, Some(to.clone()));
            self.names.insert(to, ino);
        }
    }

    fn path(&self, ino: Ino) -> Option<PathBuf> {
        path_of(&self.places, ino)
    }

    fn opened(&mut self, ino: Ino, file: File) -> FileHandle {
        let handle = self.next_handle;
        self.next_handle += 1;
        self.handles.insert(handle, (ino, Arc::new(file)));
        FileHandle(handle)
    }

    /// An open file: by its handle, or any of the same file.
    fn file(&self, ino: Ino, handle: Option<FileHandle>) -> Option<Arc<File>> {
        let by_handle = handle.and_then(|handle| self.handles.get(&handle.0));
        let found = by_handle.or_else(|| self.handles.values().find(|(of, _)| *of == ino));
        found.map(|(_, file)| file.clone())
    }
}

type Places = HashMap<Ino, Option<(Ino, String)>>;

/// The path of a file or folder below the folder behind; none once its name went.
fn path_of(places: &Places, ino: Ino) -> Option<PathBuf> {
    if ino == ROOT {
        return Some(PathBuf::new());
    }
    let (folder, name) = places.get(&ino)?.as_ref()?;
    Some(path_of(places, *folder)?.join(name))
}

fn name_of(name: Option<&OsStr>) -> io::Result<String> {
    name.and_then(OsStr::to_str)
        .map(str::to_owned)
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))
}

/// The file system.
#[derive(Debug)]
pub(super) struct Passthrough(pub Arc<Shared>);

/// What a call came to: a fault, or an error of the folder behind.
type Outcome<T> = Result<T, Errno>;

fn errno(error: &io::Error) -> Errno {
    Errno::from_i32(error.raw_os_error().unwrap_or(nix::libc::EIO))
}

fn of_nix(error: nix::errno::Errno) -> Errno {
    Errno::from_i32(error as i32)
}

impl Passthrough {
    /// Begins a call. A fault ends it here, but for [`Trouble::Short`], which is handed back.
    fn begin(
        &self,
        call: Call,
        ino: INodeNo,
        name: Option<&OsStr>,
    ) -> Outcome<(MutexGuard<'_, State>, bool)> {
        let mut guard = self.0.state();
        let state = &mut *guard;
        let (places, troubles) = (&state.places, &mut state.troubles);
        let path = || {
            let path = path_of(places, ino.0)?;
            Some(name.map_or(path.clone(), |name| path.join(name)))
        };
        let trouble = troubles.next(call, path);
        match trouble.map(Trouble::errno) {
            Some(Some(error)) => Err(of_nix(error)),
            short => Ok((guard, short.is_some())),
        }
    }

    fn behind(&self, state: &State, ino: INodeNo) -> Outcome<PathBuf> {
        let path = state.path(ino.0).ok_or(Errno::ENOENT)?;
        Ok(self.0.backing.join(path))
    }

    fn entry(&self, state: &mut State, folder: INodeNo, name: &str) -> Outcome<FileAttr> {
        let path = self.behind(state, folder)?.join(name);
        let metadata = path.symlink_metadata().map_err(|e| errno(&e))?;
        Ok(attributes(state.know(folder.0, name), &metadata))
    }

    fn attributes_of(
        &self,
        state: &State,
        ino: INodeNo,
        handle: Option<FileHandle>,
    ) -> Outcome<FileAttr> {
        let metadata = match state.file(ino.0, handle) {
            Some(file) => file.metadata(),
            None => self.behind(state, ino)?.symlink_metadata(),
        };
        metadata
            .map(|metadata| attributes(ino.0, &metadata))
            .map_err(|e| errno(&e))
    }

    fn set_size(
        &self,
        state: &mut State,
        ino: INodeNo,
        handle: Option<FileHandle>,
        bytes: u64,
    ) -> Outcome<()> {
        // A handle may be one that only reads: the file is opened again for this.
        let resized = match self.behind(state, ino) {
            Ok(path) => File::options().write(true).open(path),
            Err(error) => {
                let file = state.file(ino.0, handle).ok_or(error)?;
                file.try_clone()
            }
        };
        resized
            .and_then(|file| file.set_len(bytes))
            .map_err(|e| errno(&e))?;
        state.note(Op::Resize { ino: ino.0, bytes });
        Ok(())
    }

    fn remove(
        &self,
        folder: INodeNo,
        name: &OsStr,
        remove: fn(&Path) -> io::Result<()>,
    ) -> Outcome<()> {
        let (mut state, _) = self.begin(Call::Remove, folder, Some(name))?;
        let name = name_of(Some(name)).map_err(|e| errno(&e))?;
        remove(&self.behind(&state, folder)?.join(&name)).map_err(|e| errno(&e))?;
        state.forget(folder.0, &name);
        state.note(Op::Remove {
            folder: folder.0,
            name,
        });
        Ok(())
    }

    fn create_in(
        &self,
        folder: INodeNo,
        name: &OsStr,
        mode: u32,
        flags: i32,
    ) -> Outcome<(FileAttr, FileHandle)> {
        let (mut state, _) = self.begin(Call::Create, folder, Some(name))?;
        let name = name_of(Some(name)).map_err(|e| errno(&e))?;
        let path = self.behind(&state, folder)?.join(&name);
        let fresh = !path.exists();
        let exclusive = OFlag::from_bits_truncate(flags).contains(OFlag::O_EXCL);
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(flags & nix::libc::O_TRUNC != 0)
            .create_new(exclusive)
            .mode(mode & 0o7777)
            .open(&path)
            .map_err(|e| errno(&e))?;
        let ino = state.know(folder.0, &name);
        if fresh {
            state.note(Op::Create {
                folder: folder.0,
                name,
                ino,
                is_folder: false,
                mode: mode & 0o7777,
            });
        } else if flags & nix::libc::O_TRUNC != 0 {
            state.note(Op::Resize { ino, bytes: 0 });
        }
        let metadata = file.metadata().map_err(|e| errno(&e))?;
        let handle = state.opened(ino, file);
        Ok((attributes(ino, &metadata), handle))
    }

    fn open_file(&self, ino: INodeNo, flags: OpenFlags) -> Outcome<FileHandle> {
        let writes = flags.0 & nix::libc::O_ACCMODE != nix::libc::O_RDONLY;
        let call = if writes {
            Call::OpenToWrite
        } else {
            Call::Open
        };
        let (mut state, _) = self.begin(call, ino, None)?;
        let path = self.behind(&state, ino)?;
        // Reads too: the kernel fills the page that a write changes in part.
        let file = File::options()
            .read(true)
            .write(writes)
            .open(path)
            .map_err(|e| errno(&e))?;
        if writes && flags.0 & nix::libc::O_TRUNC != 0 {
            file.set_len(0).map_err(|e| errno(&e))?;
            state.note(Op::Resize {
                ino: ino.0,
                bytes: 0,
            });
        }
        Ok(state.opened(ino.0, file))
    }

    fn write_at(&self, ino: INodeNo, handle: FileHandle, offset: u64, data: &[u8]) -> Outcome<u32> {
        let (mut state, short) = self.begin(Call::Write, ino, None)?;
        let data = if short { &data[..data.len() / 2] } else { data };
        let file = state.file(ino.0, Some(handle)).ok_or(Errno::EBADF)?;
        file.write_all_at(data, offset).map_err(|e| errno(&e))?;
        state.note(Op::Write {
            ino: ino.0,
            offset,
            bytes: data.into(),
        });
        u32::try_from(data.len()).map_err(|_| Errno::EINVAL)
    }

    fn read_at(
        &self,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
    ) -> Outcome<Vec<u8>> {
        let (state, _) = self.begin(Call::Read, ino, None)?;
        let file = state.file(ino.0, Some(handle)).ok_or(Errno::EBADF)?;
        drop(state);
        let mut bytes = vec![0; size as usize];
        let mut read = 0;
        while read < bytes.len() {
            match file.read_at(&mut bytes[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(n) => read += n,
                Err(e) => return Err(errno(&e)),
            }
        }
        bytes.truncate(read);
        Ok(bytes)
    }

    fn list(&self, ino: INodeNo) -> Outcome<Vec<(Ino, FileType, String)>> {
        let (mut state, _) = self.begin(Call::Read, ino, None)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(self.behind(&state, ino)?).map_err(|e| errno(&e))? {
            let entry = entry.map_err(|e| errno(&e))?;
            let name = name_of(Some(&entry.file_name())).map_err(|e| errno(&e))?;
            let kind = match entry.file_type().map_err(|e| errno(&e))?.is_dir() {
                true => FileType::Directory,
                false => FileType::RegularFile,
            };
            found.push((state.know(ino.0, &name), kind, name));
        }
        found.sort_by(|a, b| a.2.cmp(&b.2));
        Ok(found)
    }

    fn rename_to(
        &self,
        from: (INodeNo, &OsStr),
        to: (INodeNo, &OsStr),
        flags: RenameFlags,
    ) -> Outcome<()> {
        let (mut state, _) = self.begin(Call::Rename, from.0, Some(from.1))?;
        if !(flags - RenameFlags::RENAME_NOREPLACE).is_empty() {
            return Err(Errno::EINVAL);
        }
        let name = name_of(Some(from.1)).map_err(|e| errno(&e))?;
        let new_name = name_of(Some(to.1)).map_err(|e| errno(&e))?;
        let old = self.behind(&state, from.0)?.join(&name);
        let new = self.behind(&state, to.0)?.join(&new_name);
        let renamed = match flags.is_empty() {
            true => fs::rename(old, new),
            false => base::durable::rename_new(&old, &new),
        };
        renamed.map_err(|e| errno(&e))?;
        state.moved((from.0.0, name.clone()), (to.0.0, new_name.clone()));
        state.note(Op::Rename {
            from: from.0.0,
            name,
            to: to.0.0,
            new_name,
        });
        Ok(())
    }

    fn sync(&self, ino: INodeNo) -> Outcome<()> {
        // The log is the disk: the folder behind it need not be durable.
        let (mut state, _) = self.begin(Call::Sync, ino, None)?;
        state.note(Op::Sync { ino: ino.0 });
        Ok(())
    }

    fn take_room(&self, ino: INodeNo, handle: FileHandle, end: u64, mode: i32) -> Outcome<()> {
        let (mut state, _) = self.begin(Call::Resize, ino, None)?;
        let flags = FallocateFlags::from_bits_truncate(mode);
        if !(flags - FallocateFlags::FALLOC_FL_KEEP_SIZE).is_empty() {
            return Err(Errno::EOPNOTSUPP);
        }
        let file = state.file(ino.0, Some(handle)).ok_or(Errno::EBADF)?;
        let before = file.metadata().map_err(|e| errno(&e))?.len();
        // Without really taking it: a rig that runs in memory would hold it there.
        if flags.is_empty() && end > before {
            file.set_len(end).map_err(|e| errno(&e))?;
            state.note(Op::Resize {
                ino: ino.0,
                bytes: end,
            });
        }
        Ok(())
    }
}

fn attributes(ino: Ino, metadata: &Metadata) -> FileAttr {
    let time = |s: i64, ns: i64| -> SystemTime {
        UNIX_EPOCH + Duration::new(s.max(0).cast_unsigned(), ns.clamp(0, 999_999_999) as u32)
    };
    FileAttr {
        ino: INodeNo(ino),
        size: metadata.len(),
        blocks: metadata.blocks(),
        atime: time(metadata.atime(), metadata.atime_nsec()),
        mtime: time(metadata.mtime(), metadata.mtime_nsec()),
        ctime: time(metadata.ctime(), metadata.ctime_nsec()),
        crtime: UNIX_EPOCH,
        kind: match metadata.is_dir() {
            true => FileType::Directory,
            false => FileType::RegularFile,
        },
        perm: (metadata.mode() & 0o7777) as u16,
        nlink: metadata.nlink() as u32,
        uid: metadata.uid(),
        gid: metadata.gid(),
        rdev: 0,
        blksize: BLOCK_BYTES,
        flags: 0,
    }
}

fn empty(outcome: Outcome<()>, reply: ReplyEmpty) {
    match outcome {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn found(outcome: Outcome<FileAttr>, reply: ReplyEntry) {
    match outcome {
        Ok(attributes) => reply.entry(&NO_TIME, &attributes, Generation(0)),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Passthrough {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let outcome = self
            .begin(Call::Look, parent, Some(name))
            .and_then(|(mut state, _)| {
                let name = name_of(Some(name)).map_err(|e| errno(&e))?;
                self.entry(&mut state, parent, &name)
            });
        found(outcome, reply);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, fh: Option<FileHandle>, reply: ReplyAttr) {
        let outcome = self
            .begin(Call::Look, ino, None)
            .and_then(|(state, _)| self.attributes_of(&state, ino, fh));
        match outcome {
            Ok(attributes) => reply.attr(&NO_TIME, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        fh: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let call = if size.is_some() {
            Call::Resize
        } else {
            Call::Look
        };
        let outcome = self.begin(call, ino, None).and_then(|(mut state, _)| {
            if let Some(bytes) = size {
                self.set_size(&mut state, ino, fh, bytes)?;
            }
            if let Some(mode) = mode {
                let permissions = fs::Permissions::from_mode(mode & 0o7777);
                fs::set_permissions(self.behind(&state, ino)?, permissions)
                    .map_err(|e| errno(&e))?;
            }
            self.attributes_of(&state, ino, fh)
        });
        match outcome {
            Ok(attributes) => reply.attr(&NO_TIME, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        let outcome = self
            .begin(Call::Create, parent, Some(name))
            .and_then(|(mut state, _)| {
                let name = name_of(Some(name)).map_err(|e| errno(&e))?;
                let path = self.behind(&state, parent)?.join(&name);
                fs::create_dir(&path)
                    .and_then(|()| {
                        fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o7777))
                    })
                    .map_err(|e| errno(&e))?;
                let attributes = self.entry(&mut state, parent, &name)?;
                state.note(Op::Create {
                    folder: parent.0,
                    name,
                    ino: attributes.ino.0,
                    is_folder: true,
                    mode: mode & 0o7777,
                });
                Ok(attributes)
            });
        found(outcome, reply);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        empty(
            self.remove(parent, name, |path| fs::remove_file(path)),
            reply,
        );
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        empty(
            self.remove(parent, name, |path| fs::remove_dir(path)),
            reply,
        );
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        empty(
            self.rename_to((parent, name), (newparent, newname), flags),
            reply,
        );
    }

    fn open(&self, _: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        match self.open_file(ino, flags) {
            Ok(handle) => reply.opened(handle, FopenFlags::empty()),
            Err(error) => reply.error(error),
        }
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        match self.create_in(parent, name, mode, flags) {
            Ok((attributes, handle)) => reply.created(
                &NO_TIME,
                &attributes,
                Generation(0),
                handle,
                FopenFlags::empty(),
            ),
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.read_at(ino, fh, offset, size) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.write_at(ino, fh, offset, data) {
            Ok(bytes) => reply.written(bytes),
            Err(error) => reply.error(error),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.0.state().handles.remove(&fh.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        empty(self.sync(ino), reply);
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        empty(self.sync(ino), reply);
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        match self.list(ino) {
            Ok(entries) => {
                for (n, (ino, kind, name)) in entries.iter().enumerate().skip(offset as usize) {
                    if reply.add(INodeNo(*ino), n as u64 + 1, *kind, name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(error) => reply.error(error),
        }
    }

    fn statfs(&self, _: &Request, ino: INodeNo, reply: ReplyStatfs) {
        let outcome = self.begin(Call::Open, ino, None).and_then(|(state, _)| {
            drop(state);
            nix::sys::statvfs::statvfs(&self.0.backing).map_err(of_nix)
        });
        match outcome {
            Ok(of) => reply.statfs(
                of.blocks(),
                of.blocks_free(),
                of.blocks_available(),
                of.files(),
                of.files_free(),
                of.block_size() as u32,
                of.name_max() as u32,
                of.fragment_size() as u32,
            ),
            Err(error) => reply.error(error),
        }
    }

    fn fallocate(
        &self,
        _: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        empty(self.take_room(ino, fh, offset + length, mode), reply);
    }
}
