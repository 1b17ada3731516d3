//! AMX-BF16: tiles of 16 rows of 64 bytes.
//!
//! The intrinsics of AMX are not in stable Rust, and the assembler is. Intel 64 and IA-32 Architectures
//! Software Developer's Manual, volume 2, `TDPBF16PS`, `LDTILECFG`; Linux: Documentation/arch/x86/xstate.rst.

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::sync::OnceLock;

use super::block::{Block, SIDE};
use half::bf16;

/// Proof of AMX-BF16 and of the system's permission to use it. Only [`Amx::detect`] creates one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amx(());

/// The operand of `ldtilecfg`: palette 1, eight tiles of 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Configuration([u8; 64]);

const CONFIGURATION: Configuration = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut tile = 0;
    while tile < 8 {
        bytes[16 + 2 * tile] = 64;
        bytes[48 + tile] = 16;
        tile += 1;
    }
    Configuration(bytes)
};

impl Amx {
    /// Asks the processor, then the system, once.
    pub(super) fn detect() -> Option<Self> {
        static DETECTED: OnceLock<Option<Amx>> = OnceLock::new();
        *DETECTED.get_or_init(|| {
            const BF16: u32 = 1 << 22;
            const TILE: u32 = 1 << 24;
            let has = __cpuid_count(0, 0).eax >= 7 && __cpuid_count(7, 0).edx & (BF16 | TILE) == BF16 | TILE;
            (has && permit()).then_some(Self(()))
        })
    }

    /// [`super::Tiles::multiply`].
    ///
    /// # Safety
    /// Every step is inside `left` and inside `right`.
    pub(super) unsafe fn multiply(
        self,
        left: &[bf16],
        steps: &[usize],
        right: &[bf16],
        columns: usize,
        c: &mut Block,
        add: bool,
    ) {
        if steps.is_empty() {
            if !add {
                c.0.fill(0.0);
            }
            return;
        }
        /// Tiles 0 to 3 are the quarters of `c`, 4 and 5 the halves of the left factor, 6 and 7 those of the
        /// right one.
        macro_rules! run {
            ($($line:literal),+ $(,)?) => {
                asm!(
                    // Begins with zeros in all tiles.
                    "ldtilecfg [{configuration}]",
                    $($line),+,
                    "tilerelease",
                    configuration = in(reg) &CONFIGURATION,
                    c = in(reg) c.0.as_mut_ptr(),
                    add = in(reg) usize::from(add),
                    left = in(reg) left.as_ptr(),
                    left_row = in(reg) SIDE * size_of::<bf16>(),
                    right = inout(reg) right.as_ptr() => _,
                    right_row = in(reg) 2 * SIDE * size_of::<bf16>(),
                    step = inout(reg) steps.as_ptr() => _,
                    end = in(reg) steps.as_ptr_range().end,
                    a = out(reg) _,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                )
            };
        }
        const { assert!(SIDE * size_of::<f32>() == 2 * SIDE * size_of::<bf16>()) }; // `right_row` is `c`'s, too
        // SAFETY: `self` proves that the processor has the instructions and that the system permits them. By
        // the caller's promise every tile that is loaded is inside its factor; the tiles of `c` are the
        // quarters of a whole block. The tiles are free at the end.
        unsafe {
            if columns > 16 {
                run!(
                    "test {add}, {add}",
                    "jz 2f",
                    "tileloadd tmm0, [{c} + {right_row}]",
                    "tileloadd tmm1, [{c} + {right_row} + 64]",
                    "tileloadd tmm2, [{c} + {right_row} + 2048]",
                    "tileloadd tmm3, [{c} + {right_row} + 2112]",
                    "2:",
                    "mov {a}, [{step}]",
                    "lea {a}, [{left} + 2 * {a}]",
                    "tileloadd tmm4, [{a} + {left_row}]",
                    "tileloadd tmm6, [{right} + {right_row}]",
                    "tdpbf16ps tmm0, tmm4, tmm6",
                    "tileloadd tmm7, [{right} + {right_row} + 64]",
                    "tdpbf16ps tmm1, tmm4, tmm7",
                    "tileloadd tmm5, [{a} + {left_row} + 1024]",
                    "tdpbf16ps tmm2, tmm5, tmm6",
                    "tdpbf16ps tmm3, tmm5, tmm7",
                    "add {right}, 2048",
                    "add {step}, 8",
                    "cmp {step}, {end}",
                    "jne 2b",
                    "tilestored [{c} + {right_row}], tmm0",
                    "tilestored [{c} + {right_row} + 64], tmm1",
                    "tilestored [{c} + {right_row} + 2048], tmm2",
                    "tilestored [{c} + {right_row} + 2112], tmm3",
                );
            } else {
                run!(
                    "test {add}, {add}",
                    "jz 2f",
                    "tileloadd tmm0, [{c} + {right_row}]",
                    "tileloadd tmm2, [{c} + {right_row} + 2048]",
                    "2:",
                    "mov {a}, [{step}]",
                    "lea {a}, [{left} + 2 * {a}]",
                    "tileloadd tmm4, [{a} + {left_row}]",
                    "tileloadd tmm6, [{right} + {right_row}]",
                    "tdpbf16ps tmm0, tmm4, tmm6",
                    "tileloadd tmm5, [{a} + {left_row} + 1024]",
                    "tdpbf16ps tmm2, tmm5, tmm6",
                    "add {right}, 2048",
                    "add {step}, 8",
                    "cmp {step}, {end}",
                    "jne 2b",
                    "tilestored [{c} + {right_row}], tmm0",
                    "tilestored [{c} + {right_row} + 2048], tmm2",
                );
            }
        }
    }
}

/// Asks the system for the state of the tiles, for all threads of the process.
fn permit() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XTILEDATA: libc::c_long = 18;
    // SAFETY: the call changes no memory of the process.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0 }
}
