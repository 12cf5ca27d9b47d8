//! File systems that are small, full, frozen, slow or broken: images on loop devices, mounted by root and unmounted when
//! dropped. What a killed test process left behind is taken away by the next one.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

const PREFIX: &str = "forebay-volume-";

/// A file system of its own. Everything on it goes when it is dropped.
pub struct Volume {
    folder: PathBuf,
    /// The device, as it's called in `/dev`.
    device: String,
    /// The tmpfs that the image is on has less room than the image pretends.
    is_thin: bool,
}

impl Volume {
    /// An ext4 of this size, or `None` where it can't be had.
    pub fn or_skip(mib: u64) -> Option<Volume> {
        Volume::make(mib, None)
    }

    /// An ext4 that pretends to have `mib`, on a device that has `room`: a write may fail that has a place in its file.
    pub fn thin_or_skip(mib: u64, room: u64) -> Option<Volume> {
        Volume::make(mib, Some(room))
    }

    fn make(mib: u64, room: Option<u64>) -> Option<Volume> {
        sweep();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "{PREFIX}{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Relaxed)
        );
        let mut volume = Volume {
            folder: std::env::temp_dir().join(name),
            device: String::new(),
            is_thin: room.is_some(),
        };
        let folder = volume.folder.display();
        let tmpfs = room.map_or(String::new(), |room| {
            format!("mount -t tmpfs -o size={room}m tmpfs {folder}/under")
        });
        let programs = "type -P mkfs.ext4 fsfreeze mount findmnt";
        let programs = super::need(programs, &["e2fsprogs", "util-linux", "mount"]);
        let make = |_| {
            run(&format!(
                "mkdir -p {folder}/under {folder}/on\n{tmpfs}\n\
             truncate -s {mib}M {folder}/under/image\nmkfs.ext4 -q -F -m 0 -b 4096 {folder}/under/image\n\
             mount -o loop,errors=remount-ro {folder}/under/image {folder}/on\n\
             findmnt -n -o SOURCE {folder}/on"
            ))
        };
        match programs
            .and_then(make)
            .and_then(|device| volume.is_on(&device))
        {
            Ok(()) => Some(volume),
            Err(why) => super::skip("a file system on a loop device", &why),
        }
    }

    /// Linux 6.18's loop driver tells a write as done that the file below took in part (seen: 4 pages with room for one), so
    /// a thin device gets one page at a time: that is taken or refused.
    fn is_on(&mut self, device: &str) -> Result<(), String> {
        self.device = device.trim().trim_start_matches("/dev/").to_owned();
        if !self.is_thin {
            return Ok(());
        }
        let most = format!("/sys/block/{}/queue/max_sectors_kb", self.device);
        fs::write(&most, "4").map_err(|error| format!("{most}: {error}"))
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.join("on")
    }

    /// Its device: `loop3`.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Takes all room: of the device if that is thin, else of the file system.
    pub fn fill(&self) {
        let mut filler = File::create(self.filler()).unwrap();
        let mut chunk = vec![1; 1 << 20];
        while !chunk.is_empty() {
            if filler.write_all(&chunk).is_err() {
                chunk.truncate(chunk.len() / 2);
            }
        }
        // A full file system may not even say so at once.
        drop(filler.sync_all());
    }

    /// Gives one page of it back.
    pub fn make_room_for_a_page(&self) {
        let filler = File::options().write(true).open(self.filler()).unwrap();
        let filled = filler.metadata().unwrap().len();
        filler
            .set_len(filled.next_multiple_of(4096) - 4096)
            .unwrap();
    }

    /// Gives it back.
    pub fn make_room(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        let place = if self.is_thin { "under" } else { "on" };
        self.folder.join(place).join("filler")
    }

    /// Lets every write wait until the guard is dropped.
    pub fn freeze(&self) -> Frozen<'_> {
        self.control("fsfreeze -f");
        Frozen(self)
    }

    /// The file system finds an error in itself, and takes no more writes.
    pub fn break_down(&self) {
        let trigger = format!("/sys/fs/ext4/{}/trigger_fs_error", self.device);
        fs::write(trigger, "broken by a test").unwrap();
    }

    /// Makes it read-only, or writable again.
    #[track_caller]
    pub fn remount(&self, how: &str) {
        self.control(&format!("mount -o remount,{how}"));
    }

    /// Unmounts, checks and mounts it again: nothing stays in the page cache that isn't on the device.
    #[track_caller]
    pub fn reopen(&mut self) {
        let folder = self.folder.display();
        let device = run(&format!(
            "umount {folder}/on\ne2fsck -fp {folder}/under/image > /dev/null || [ $? -lt 4 ]\n\
             mount -o loop,errors=remount-ro {folder}/under/image {folder}/on\n\
             findmnt -n -o SOURCE {folder}/on"
        ));
        device.and_then(|device| self.is_on(&device)).unwrap();
    }

    #[track_caller]
    fn control(&self, what: &str) {
        run(&format!("{what} {}", self.path().display())).unwrap();
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

/// Writes to the volume wait.
pub struct Frozen<'a>(&'a Volume);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        drop(run(&format!("fsfreeze -u {}", self.0.path().display())));
    }
}

/// A bound on what a process writes to a device per second, until this is dropped.
pub struct Throttle {
    group: PathBuf,
}

impl Throttle {
    /// `None` where the kernel has no blkio controller of control groups v1.
    pub fn or_skip(volume: &Volume, pid: u32, bytes_per_second: u64) -> Option<Throttle> {
        let name = format!("forebay-tests-{}-{pid}", std::process::id());
        let throttle = Throttle {
            group: Path::new("/sys/fs/cgroup/blkio").join(name),
        };
        let set = || {
            fs::create_dir(&throttle.group)?;
            let device = fs::read_to_string(format!("/sys/block/{}/dev", volume.device()))?;
            let limit = format!("{} {bytes_per_second}", device.trim());
            fs::write(
                throttle.group.join("blkio.throttle.write_bps_device"),
                limit,
            )?;
            fs::write(throttle.group.join("cgroup.procs"), pid.to_string())
        };
        match set() {
            Ok(()) => Some(throttle),
            Err(error) => super::skip("a throttled disk", &error.to_string()),
        }
    }
}

impl Drop for Throttle {
    fn drop(&mut self) {
        let processes = fs::read_to_string(self.group.join("cgroup.procs")).unwrap_or_default();
        for pid in processes.lines() {
            drop(fs::write("/sys/fs/cgroup/blkio/cgroup.procs", pid));
        }
        drop(fs::remove_dir(&self.group));
    }
}

/// Runs shell commands until one fails; what the last one printed, or what went wrong.
pub fn run(script: &str) -> Result<String, String> {
    let output = Command::new("sh").args(["-ec", script]).output();
    let output = output.map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!("{}{}", text(&output.stdout), text(&output.stderr))),
    }
}

fn remove(folder: &Path) {
    let name = folder.display();
    // Lazily, because a gateway that outlived its test may still hold it.
    drop(run(&format!(
        "fsfreeze -u {name}/on || true; for at in on under; do umount -l {name}/$at || true; done"
    )));
    drop(fs::remove_dir_all(folder));
}

/// Removes the volumes of processes that are gone.
fn sweep() {
    for entry in fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let owner = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            remove(&entry.path());
        }
    }
}
