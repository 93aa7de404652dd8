//! What differs between architectures: token, width, byte order, relatives, and the names docker uses.

use tare_error::{Error, Kind, Result};
use tare_spec_oci::Arch;

/// One system call interface, as the compiler needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) arch: Arch,
    /// `AUDIT_ARCH_*` of `linux/audit.h`, as the kernel puts it into `seccomp_data.arch`.
    pub(crate) token: u32,
    /// Whether arguments are compared as 64 bits. Not for x32: libseccomp treats it as a 32-bit interface.
    pub(crate) wide: bool,
    pub(crate) big_endian: bool,
    /// The column of the call table.
    pub(crate) column: usize,
    /// `socketcall` and `ipc` exist, and carry several calls each.
    pub(crate) multiplexed: bool,
}

const WIDE: u32 = 0x8000_0000;
const LITTLE: u32 = 0x4000_0000;

/// The bit that marks a call number as x32's.
pub(crate) const X32_BIT: u32 = 0x4000_0000;

#[rustfmt::skip]
const INTERFACES: [Interface; 11] = [
    little(Arch::X86_64, 62 | WIDE, true, 0, false),
    little(Arch::X86, 3, false, 1, true),
    little(Arch::X32, 62 | WIDE, false, 2, false),
    little(Arch::Aarch64, 183 | WIDE, true, 3, false),
    little(Arch::Arm, 40, false, 4, false),
    little(Arch::Riscv64, 243 | WIDE, true, 5, false),
    little(Arch::Loongarch64, 258 | WIDE, true, 6, false),
    little(Arch::Ppc64le, 21 | WIDE, true, 7, true),
    Interface { arch: Arch::Ppc64, token: 21 | WIDE, wide: true, big_endian: true, column: 7, multiplexed: true },
    Interface { arch: Arch::S390x, token: 22 | WIDE, wide: true, big_endian: true, column: 8, multiplexed: true },
    Interface { arch: Arch::S390, token: 22, wide: false, big_endian: true, column: 9, multiplexed: true },
];

const fn little(arch: Arch, token: u32, wide: bool, column: usize, multiplexed: bool) -> Interface {
    Interface {
        arch,
        token: token | LITTLE,
        wide,
        big_endian: false,
        column,
        multiplexed,
    }
}

impl Interface {
    /// The interface of an architecture, where there is a table of its calls.
    pub(crate) fn of(arch: Arch) -> Option<Interface> {
        INTERFACES.into_iter().find(|i| i.arch == arch)
    }

    /// As [`Interface::of`]; an architecture without a table is an error that lists those with one.
    pub(crate) fn required(arch: Arch) -> Result<Interface> {
        Interface::of(arch).ok_or_else(|| {
            let known: Vec<_> = INTERFACES.iter().map(|i| i.arch.as_str()).collect();
            Error::new(Kind::Unsupported, "compile seccomp filter for", arch).because(format!(
                "no table of its system calls; there is one for {}",
                known.join(", ")
            ))
        })
    }
}

/// The architectures for which policies can be compiled.
pub fn architectures() -> impl Iterator<Item = Arch> {
    INTERFACES.iter().map(|interface| interface.arch)
}

/// The architecture this program is built for.
///
/// # Errors
/// `Unsupported` where no table of its system calls exists.
pub fn native() -> Result<Arch> {
    let arch = match (std::env::consts::ARCH, cfg!(target_endian = "little")) {
        ("x86_64", _) if cfg!(target_pointer_width = "32") => Arch::X32,
        ("x86_64", _) => Arch::X86_64,
        ("x86", _) => Arch::X86,
        ("aarch64", true) => Arch::Aarch64,
        ("arm", true) => Arch::Arm,
        ("riscv64", _) => Arch::Riscv64,
        ("loongarch64", _) => Arch::Loongarch64,
        ("powerpc64", true) => Arch::Ppc64le,
        ("powerpc64", false) => Arch::Ppc64,
        ("s390x", _) => Arch::S390x,
        (other, _) => {
            return Err(Error::new(Kind::Unsupported, "compile seccomp filter for", other)
                .because("no table of its system calls"));
        }
    };
    Ok(arch)
}

/// The name that docker's profiles use for an architecture in `includes` and `excludes`.
pub(crate) fn docker_name(arch: Arch) -> &'static str {
    match arch {
        Arch::X86 => "x86",
        Arch::X86_64 => "amd64",
        Arch::X32 => "x32",
        Arch::Arm => "arm",
        Arch::Aarch64 => "arm64",
        Arch::Mips => "mips",
        Arch::Mips64 => "mips64",
        Arch::Mips64N32 => "mips64n32",
        Arch::Mipsel => "mipsel",
        Arch::Mipsel64 => "mipsel64",
        Arch::Mipsel64N32 => "mipsel64n32",
        Arch::Ppc => "ppc",
        Arch::Ppc64 => "ppc64",
        Arch::Ppc64le => "ppc64le",
        Arch::S390 => "s390",
        Arch::S390x => "s390x",
        Arch::Parisc => "parisc",
        Arch::Parisc64 => "parisc64",
        Arch::Riscv64 => "riscv64",
        Arch::Loongarch64 => "loong64",
        Arch::M68k => "m68k",
        Arch::Sh => "sh",
        Arch::Sheb => "sheb",
    }
}
