//! What is refused, and how.

use crate::archive::{Archive, Header, seal};
use crate::{gzip, zstd};
use std::path::Path;
use tare_error::Kind::{self, Corrupt, Exhausted, Unsupported};

/// Name, archive, kind, words of the message.
pub(crate) type Refused = (&'static str, Vec<u8>, Kind, &'static str);

/// Everything that is refused.
pub(crate) fn all(yard: &Path) -> Vec<Refused> {
    [names(yard), numbers(), headers(), sparse(), streams()].concat()
}

/// Names and links that lead out, or nowhere.
#[rustfmt::skip]
fn names(yard: &Path) -> Vec<Refused> {
    let a = Archive::new;
    let out = "name leads out of the layer";
    let absolute = yard.join("secret").to_str().unwrap().to_owned();
    vec![
        ("dots", a().file("../secret", "x").end(), Corrupt, out),
        ("rooted dots", a().file("/../../secret", "x").end(), Corrupt, out),
        ("dots behind", a().file("a/../../secret", "x").end(), Corrupt, out),
        ("dots as directory", a().dir("..").end(), Corrupt, out),
        ("dots by pax", a().pax(&[("path", b"x/../../../secret")]).file("a", "x").end(), Corrupt, out),
        ("link out", a().link("h", "../secret").end(), Corrupt, out),
        ("link to root", a().link("h", "/").end(), Corrupt, "leads to the layer's root"),
        ("link to directory", a().dir("d").link("h", "d").end(), Corrupt, "leads to a directory"),
        ("link to whiteout", a().file(".wh.x", "").link("h", "x").end(), Corrupt, "leads to a whiteout"),
        ("link to whiteout name", a().link("h", ".wh.x").end(), Corrupt, "leads to a whiteout"),
        ("target with dots", a().link("h", format!("{absolute}/../../../../../../../../x")).end(), Corrupt, out),
        ("circle", a().symlink("a", "b").symlink("b", "a").file("a/x", "").end(), Corrupt, "circle"),
        ("file as directory", a().file("a", "").file("a/b", "").end(), Corrupt, "a file stands where"),
        ("file below link", a().file("f", "").symlink("l", "f").file("l/b", "").end(), Corrupt, "a file stands where"),
        ("whiteout of nothing", a().file(".wh.", "").end(), Corrupt, "no base name"),
        ("whiteout of dot", a().file("d/.wh..", "").end(), Corrupt, "no base name"),
        ("whiteout of dots", a().file("d/.wh...", "").end(), Corrupt, "no base name"),
        ("whiteout directory", a().file(".wh.a/x", "").end(), Corrupt, "used as a directory"),
        ("root as link", a().symlink("./", "/etc").end(), Corrupt, "root is no directory"),
        ("root as file", a().file(".", "x").end(), Corrupt, "root is no directory"),
        ("link without target", a().symlink("l", "").end(), Corrupt, "no valid target"),
        ("name with NUL", a().pax(&[("path", b"a\0b")]).file("a", "").end(), Corrupt, "NUL"),
    ]
}

/// Devices, owners and sizes.
#[rustfmt::skip]
fn numbers() -> Vec<Refused> {
    let a = Archive::new;
    let file = |name: &str| Header::new(b'0', name);
    vec![
        ("forged whiteout", a().entry(&Header::new(b'3', "x"), b"").end(), Corrupt, "0/0 character device"),
        ("cut to 0/0", a().entry(&Header::new(b'3', "x").device(4096, 0), b"").end(), Corrupt, "device number"),
        ("minor too large", a().entry(&Header::new(b'4', "x").device(1, 1 << 20), b"").end(), Corrupt, "device number"),
        ("uid of 32 ones", a().entry(&file("a").owner(u64::from(u32::MAX), 0), b"").end(), Corrupt, "uid does not fit"),
        ("gid too large", a().pax(&[("gid", b"4294967296")]).file("a", "").end(), Corrupt, "gid does not fit"),
        ("uid negative", a().pax(&[("uid", b"-1")]).file("a", "").end(), Corrupt, "uid does not fit"),
        ("size negative", a().entry(&file("a").size(&[0xff; 12]), b"").end(), Corrupt, "size is negative"),
        ("size by pax negative", a().pax(&[("size", b"-5")]).file("a", "").end(), Corrupt, "size is negative"),
        ("size huge", a().pax(&[("size", b"9223372036854775807")]).file("a", "").end(), Exhausted, "file_bytes"),
        ("size beyond the end", a().entry(&file("a").size(b"00000077777\0"), b"x").end(), Corrupt, "ends too early"),
        ("size no number", a().entry(&file("a").size(b"0000009999x\0"), b"").end(), Corrupt, "size is no number"),
    ]
}

/// Headers and extensions.
#[rustfmt::skip]
fn headers() -> Vec<Refused> {
    let a = Archive::new;
    let many: Vec<String> = (0..600).map(|n| format!("SCHILY.xattr.user.{n}")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let mut broken_sum = a().file("a", "x").end();
    broken_sum[0] = b'b';
    vec![
        ("header huge", a().entry(&Header::new(b'x', "p").size(b"77777777777\0"), b"").end(), Exhausted, "header"),
        ("name huge", a().entry(&Header::new(b'L', "p").size(b"77777777777\0"), b"").end(), Exhausted, "header"),
        ("header negative", a().entry(&Header::new(b'x', "p").size(&[0xff; 12]), b"").end(), Corrupt, "negative"),
        ("path long", a().pax(&[("path", &[b'/'; 5000])]).file("a", "").end(), Exhausted, "limit path"),
        ("path deep", a().pax(&[("path", &b"d/".repeat(2000))]).file("a", "").end(), Exhausted, "limit depth"),
        ("name long", a().pax(&[("path", &[b'n'; 300])]).file("a", "").end(), Exhausted, "limit name"),
        ("xattr large", a().pax(&[("SCHILY.xattr.user.a", &[0; 70_000])]).file("a", "").end(), Exhausted, "limit xattr"),
        ("xattrs many", a().pax(&many).file("a", "").end(), Exhausted, "limit xattrs"),
        ("pax broken", a().entry(&Header::new(b'x', "p"), b"99 path=x\n").file("a", "").end(), Corrupt, "malformed"),
        ("pax alone", a().pax(&[("path", b"x")]).open_end(), Corrupt, "ends too early"),
        ("type unknown", a().entry(&Header::new(b'Z', "a"), b"").end(), Corrupt, "type 'Z'"),
        ("sum wrong", broken_sum, Corrupt, "check sum"),
        ("one zero block", a().raw(&[0; 512]).file("a", "").end(), Corrupt, "single block of zeros"),
        ("no archive", vec![b'#'; 4096], Corrupt, "check sum"),
        ("half a block", vec![0; 700], Corrupt, "ends too early"),
    ]
}

/// Sparse maps.
#[rustfmt::skip]
fn sparse() -> Vec<Refused> {
    let a = Archive::new;
    let sparse = |map: &[u8], size: &[u8]| {
        a().pax(&[("GNU.sparse.map", map), ("GNU.sparse.size", size)])
            .file("s", "12345")
            .end()
    };
    let mut gnu_sparse = Header::new(b'S', "s").block(0);
    gnu_sparse[257..265].copy_from_slice(b"ustar  \0");
    gnu_sparse[386..398].copy_from_slice(b"77777777777\0");
    gnu_sparse[398..410].copy_from_slice(b"77777777777\0");
    seal(&mut gnu_sparse);
    vec![
        ("sparse overlap", sparse(b"0,3,2,2", b"10"), Corrupt, "sparse map"),
        ("sparse beyond", sparse(b"8,5", b"10"), Corrupt, "sparse map"),
        ("sparse negative", sparse(b"-8,5", b"10"), Corrupt, "malformed"),
        ("sparse odd", sparse(b"0,5,9", b"10"), Corrupt, "sparse map"),
        ("sparse uncovered", sparse(b"0,4", b"10"), Corrupt, "cover"),
        ("sparse overflow", sparse(b"9223372036854775807,9223372036854775807", b"10"), Corrupt, "sparse map"),
        ("sparse huge", sparse(b"0,5", b"9223372036854775807"), Exhausted, "file_bytes"),
        ("old sparse beyond", a().raw(&gnu_sparse).end(), Corrupt, "sparse map"),
    ]
}

/// Compression.
#[rustfmt::skip]
fn streams() -> Vec<Refused> {
    let a = Archive::new;
    let mut cut_gzip = gzip(&a().file("a", "x").end());
    cut_gzip.truncate(cut_gzip.len() - 9);
    let mut bad_gzip = gzip(&a().file("a", [7; 9000]).end());
    let middle = bad_gzip.len() - 6;
    bad_gzip[middle] ^= 0xff;
    let mut cut_zstd = zstd(&a().file("a", "x").end());
    cut_zstd.truncate(cut_zstd.len() - 3);
    vec![
        ("xz", b"\xfd7zXZ\0abc".to_vec(), Unsupported, "xz"),
        ("bzip2", b"BZh91AY&SY".to_vec(), Unsupported, "bzip2"),
        ("gzip cut", cut_gzip, Corrupt, "ends too early"),
        ("gzip sum", bad_gzip, Corrupt, "gzip data damaged"),
        ("gzip and garbage", [gzip(&a().end()), b"garbage after the archive".to_vec()].concat(), Corrupt, "gzip data damaged"),
        ("zstd cut", cut_zstd, Corrupt, "too early"),
    ]
}
