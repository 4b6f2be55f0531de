//! Names the file systems on which a lock of this machine may say nothing to another one. In: a path. Out: the file system's name.

use std::io;
use std::path::Path;

/// File systems behind which another machine or another program stands, by the `f_type` of statfs(2).
const NETWORK: [(u64, &str); 9] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0BD0_0BD0, "Lustre"),
];

/// The name of the network file system that a path is on; `None` on a local one.
///
/// # Errors
/// When the path can't be looked at.
pub fn file_system(path: &Path) -> io::Result<Option<&'static str>> {
    // The field's type differs between machines; the magic numbers have 32 bits.
    let found = u64::from(rustix::fs::statfs(path)?.f_type as u32);
    Ok(named(found))
}

fn named(magic: u64) -> Option<&'static str> {
    NETWORK.iter().find(|(number, _)| *number == magic).map(|(_, name)| *name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sec17_network_file_systems_are_named_and_local_ones_are_not() {
        for (magic, name) in [(0x6969, "NFS"), (0xFF53_4D42, "CIFS"), (0xFE53_4D42, "SMB"), (0x6573_5546, "FUSE")] {
            assert_eq!(named(magic), Some(name));
        }
        // ext4, tmpfs, overlay, btrfs, xfs.
        for local in [0xEF53, 0x0102_1994, 0x794C_7630, 0x9123_683E, 0x5846_5342] {
            assert_eq!(named(local), None, "{local:x}");
        }
        assert_eq!(file_system(Path::new("/proc")).unwrap(), None);
        assert!(file_system(Path::new("/none/such")).is_err());
    }
}
