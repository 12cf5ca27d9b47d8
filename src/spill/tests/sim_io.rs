//! The simulated disk as the log sees it; its faults are in [`super::sim_disk`].

use std::io;

use super::super::disk::{Cache, Disk, Entry, File, Lock};
use super::sim_disk::{Change, EIO, ENOSPC, Faults, Inode, Lie, SimDisk, Unsynced};

struct Locked(SimDisk);

impl Drop for Locked {
    fn drop(&mut self) {
        self.0.state().is_locked = false;
    }
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<Entry>> {
        let state = self.state();
        let entries = state.names.iter().map(|(name, &inode)| Entry {
            name: name.clone(),
            bytes: state.inodes[inode].current.len() as u64,
        });
        Ok(entries.collect())
    }

    fn create(&self, name: &str, size: u64) -> io::Result<Box<dyn File>> {
        let mut state = self.state();
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if state.used() + size > state.capacity {
            state.begin()?;
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        let inode = state.inodes.len();
        let bytes = vec![0; size as usize];
        state.inodes.push(Inode {
            current: bytes.clone(),
            durable: bytes,
            is_sized: false,
        });
        state.change(Change::Add(name.into(), inode))?;
        Ok(Box::new(SimFile {
            disk: self.clone(),
            inode,
        }))
    }

    fn open_write(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.open_read(name)
    }

    fn open_read(&self, name: &str) -> io::Result<Box<dyn File>> {
        let inode = self.state().inode(name)?;
        Ok(Box::new(SimFile {
            disk: self.clone(),
            inode,
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.inode(from)?;
        state.change(Change::Rename(from.into(), to.into(), inode))
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.inode(name)?;
        state.change(Change::Remove(name.into()))
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.state();
        let crashes = state.begin()?;
        let percent = state.faults.directory;
        if crashes || state.random.percent(percent) {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        if state.lie != Lie::DirectorySync {
            state.durable_names = state.names.clone();
            state.changes.clear();
        }
        Ok(())
    }

    fn free_space(&self) -> io::Result<u64> {
        let state = self.state();
        Ok(state.capacity.saturating_sub(state.used()))
    }

    fn lock(&self) -> io::Result<Option<Lock>> {
        let mut state = self.state();
        if state.is_locked {
            return Ok(None);
        }
        state.is_locked = true;
        Ok(Some(Box::new(Locked(self.clone()))))
    }

    fn recycles(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        "simulated".into()
    }
}

struct SimFile {
    disk: SimDisk,
    inode: usize,
}

impl File for SimFile {
    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let state = &mut *state;
        let crashes = state.begin()?;
        state.writes += 1;
        assert!(offset.is_multiple_of(4096) && bytes.len().is_multiple_of(4096));
        let (offset, faults) = (offset as usize, state.faults.clone());
        let fails = state.random.percent(faults.write);
        if let Some(reaches) = state.next_write.take() {
            let inode = &mut state.inodes[self.inode];
            let end = offset + bytes.len();
            inode.current[offset..end].copy_from_slice(bytes);
            if reaches {
                inode.durable[offset..end].copy_from_slice(bytes);
            }
            return Err(io::Error::from_raw_os_error(EIO));
        }
        let inode = &mut state.inodes[self.inode];
        let size = inode.current.len();
        assert!(
            offset + bytes.len() <= size,
            "{offset} + {} > {size}",
            bytes.len()
        );
        // After a failed sync the page cache shows what isn't on disk.
        inode.current[offset..offset + bytes.len()].copy_from_slice(bytes);
        if crashes || fails {
            inode.tear(&mut state.random, offset, bytes);
            return Err(io::Error::from_raw_os_error(if crashes {
                EIO
            } else {
                faults.errno
            }));
        }
        if matches!(state.lie, Lie::Sync | Lie::LateSync) {
            let bytes = bytes.to_vec();
            state.unsynced.push(Unsynced {
                inode: self.inode,
                offset,
                bytes,
            });
            return Ok(());
        }
        inode.durable[offset..offset + bytes.len()].copy_from_slice(bytes);
        inode.is_sized = true;
        Ok(())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8], cache: Cache) -> io::Result<usize> {
        let mut state = self.disk.state();
        let state = &mut *state;
        let Faults { read, stale, .. } = state.faults;
        if state.is_crashed || state.random.percent(read) {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        let current = &state.inodes[self.inode].current;
        let start = current.len().min(offset as usize);
        let len = buffer.len().min(current.len() - start);
        if cache == Cache::Allowed && state.random.percent(stale) {
            buffer[..len].fill(0);
        } else {
            buffer[..len].copy_from_slice(&current[start..start + len]);
        }
        Ok(len)
    }
}
