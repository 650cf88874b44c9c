//! What compilers call for memory, and what drivers compare it with.
//!
//! An address that faults is the caller's: these routines hold nothing, and each of their places
//! can be left for a handler. They are written in instructions where a compiler might make a call
//! of the same routine of them.

use core::arch::asm;

/// Copies from the first byte to the last.
///
/// # Safety
///
/// The source can be read, and the target written, or the caller's caller has the exception.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a few instructions, with a frame of whoever uses them"
)]
unsafe fn copy_forward(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: the caller's promise. What the instructions change is declared.
    unsafe {
        asm!(
            "rep movsq", "mov rcx, {rest}", "rep movsb",
            rest = in(reg) count % 8,
            inout("rcx") count / 8 => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags)
        );
    }
}

/// Copies from the last byte to the first.
///
/// # Safety
///
/// As [`copy_forward`].
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a few instructions, with a frame of whoever uses them"
)]
unsafe fn copy_backward(to: *mut u8, from: *const u8, count: usize) {
    let last = count.wrapping_sub(1);
    // SAFETY: as above. The direction flag is clear again behind it, and whoever leaves it for a
    // handler clears the flag.
    unsafe {
        asm!(
            "std", "rep movsb", "cld",
            inout("rcx") count => _,
            inout("rdi") to.wrapping_add(last) => _, inout("rsi") from.wrapping_add(last) => _,
            options(nostack)
        );
    }
}

/// Copies ranges that may overlap.
///
/// # Safety
///
/// As [`copy_forward`].
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a few instructions, with a frame of whoever uses them"
)]
unsafe fn copy_overlapping(to: *mut u8, from: *const u8, count: usize) {
    // Forward unless the target begins within the source.
    if to.addr().wrapping_sub(from.addr()) >= count {
        // SAFETY: the caller's promise.
        unsafe { copy_forward(to, from, count) };
    } else {
        // SAFETY: the caller's promise.
        unsafe { copy_backward(to, from, count) };
    }
}

/// Fills.
///
/// # Safety
///
/// As [`copy_forward`].
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a few instructions, with a frame of whoever uses them"
)]
unsafe fn fill(to: *mut u8, value: u8, count: usize) {
    let word = u64::from_ne_bytes([value; 8]);
    // SAFETY: the caller's promise. What the instructions change is declared.
    unsafe {
        asm!(
            "rep stosq", "mov rcx, {rest}", "rep stosb",
            rest = in(reg) count % 8, in("rax") word,
            inout("rcx") count / 8 => _, inout("rdi") to => _,
            options(nostack, preserves_flags)
        );
    }
}

/// Compares: negative, zero or positive by the first byte that differs.
///
/// # Safety
///
/// As [`copy_forward`].
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a few instructions, with a frame of whoever uses them"
)]
unsafe fn compare(first: *const u8, second: *const u8, count: usize) -> i32 {
    let (result, other): (i32, i32);
    // SAFETY: the caller's promise. What the instructions change is declared.
    unsafe {
        asm!(
            "xor {result:e}, {result:e}",
            "2:",
            "test {count}, {count}", "jz 3f",
            "movzx {result:e}, byte ptr [{first}]", "movzx {other:e}, byte ptr [{second}]",
            "inc {first}", "inc {second}", "dec {count}",
            "sub {result:e}, {other:e}", "jz 2b",
            "3:",
            result = out(reg) result, other = out(reg) other,
            count = inout(reg) count => _,
            first = inout(reg) first => _, second = inout(reg) second => _,
            options(nostack, readonly)
        );
    }
    let _ = other;
    result
}

/// What the compiler calls in nthost itself. The library that comes with it has such routines too,
/// but no tables by which they can be left.
mod own {
    /// C's.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { super::copy_forward(to, from, count) };
        to
    }

    /// C's.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { super::copy_overlapping(to, from, count) };
        to
    }

    /// C's.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memset(to: *mut u8, value: i32, count: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { super::fill(to, value as u8, count) };
        to
    }

    /// C's.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcmp(first: *const u8, second: *const u8, count: usize) -> i32 {
        // SAFETY: the caller's promise.
        unsafe { super::compare(first, second, count) }
    }

    /// As `memcmp`, for those who ask for equality alone.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn bcmp(first: *const u8, second: *const u8, count: usize) -> i32 {
        // SAFETY: the caller's promise.
        unsafe { super::compare(first, second, count) }
    }
}

/// No cache holds more.
const MOST_PREFETCHED: usize = 64 << 20;

macro_rules! c_routine {
    ($($(#[$meta:meta])* fn $name:ident($($argument:ident: $type:ty),*) -> $return:ty $body:block)*) => { $(
        $(#[$meta])*
        ///
        /// # Safety
        ///
        /// As C's routine of this name.
        pub unsafe extern "win64" fn $name($($argument: $type),*) -> $return $body
        nt_export_data!($name = $name);
    )* };
}

c_routine! {
    /// Copies; the ranges do not overlap. Any IRQL at which both are resident.
    fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        super::overlap::check(to, from, count);
        // SAFETY: the caller's promise.
        unsafe { copy_forward(to, from, count) };
        to
    }
    /// Copies; the ranges may overlap.
    fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { copy_overlapping(to, from, count) };
        to
    }
    /// Fills.
    fn memset(to: *mut u8, value: i32, count: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { fill(to, value as u8, count) };
        to
    }
    /// Compares: negative, zero or positive by the first byte that differs.
    fn memcmp(first: *const u8, second: *const u8, count: usize) -> i32 {
        // SAFETY: the caller's promise.
        unsafe { compare(first, second, count) }
    }
    /// The bytes of a string before its NUL.
    fn strlen(text: *const u8) -> usize {
        let length;
        // SAFETY: the caller's promise. What the instructions change is declared.
        unsafe {
            asm!(
                "xor {length:e}, {length:e}",
                "2:",
                "cmp byte ptr [{text} + {length}], 0", "je 3f",
                "inc {length}", "jmp 2b",
                "3:",
                text = in(reg) text, length = out(reg) length,
                options(nostack, readonly)
            );
        }
        length
    }
    /// The characters of a UTF-16 string before its NUL.
    fn wcslen(text: *const u16) -> usize {
        let length;
        // SAFETY: the caller's promise. What the instructions change is declared.
        unsafe {
            asm!(
                "xor {length:e}, {length:e}",
                "2:",
                "cmp word ptr [{text} + 2*{length}], 0", "je 3f",
                "inc {length}", "jmp 2b",
                "3:",
                text = in(reg) text, length = out(reg) length,
                options(nostack, readonly)
            );
        }
        length
    }
}

naked! {
    /// Touches the pages of a large frame, one by one, so that the guard page is met in order. RAX
    /// has the frame's size, and nothing is changed: the compiler's own convention.
    ///
    /// # Safety
    ///
    /// Called by a prolog.
    pub unsafe extern "win64" fn __chkstk() {
        frame!(begin),
        frame!(push),
        "push rcx",
        "push rax",
        "lea rcx, [rbp + 16]",
        "2:",
        "cmp rax, 0x1000",
        "jb 3f",
        "sub rcx, 0x1000",
        "test byte ptr [rcx], 0",
        "sub rax, 0x1000",
        "jmp 2b",
        "3:",
        "sub rcx, rax",
        "test byte ptr [rcx], 0",
        "pop rax",
        "pop rcx",
        frame!(pop),
        "ret",
        frame!(end),
    }
}
nt_export_data!(__chkstk = __chkstk);

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// How many bytes are equal, from the start.
    ///
    /// Source: RtlCompareMemory.
    ///
    /// # Safety
    ///
    /// Both ranges can be read.
    pub unsafe fn RtlCompareMemory(first: *const u8, second: *const u8, count: usize) -> usize {
        let equal = |&index: &usize| {
            let (first, second) = (first.wrapping_add(index), second.wrapping_add(index));
            // SAFETY: the caller's promise: up to the first that differs, as the routine reads.
            let first = unsafe { first.read() };
            // SAFETY: as above.
            first == unsafe { second.read() }
        };
        (0..count).take_while(equal).count()
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// How many bytes are equal to a pattern of four that repeats, from the start; zero for what is
    /// not aligned, or no multiple of four.
    ///
    /// Source: RtlCompareMemoryUlong.
    ///
    /// # Safety
    ///
    /// The range can be read.
    pub unsafe fn RtlCompareMemoryUlong(start: *const u8, count: usize, pattern: u32) -> usize {
        if !start.addr().is_multiple_of(4) || !count.is_multiple_of(4) {
            return 0;
        }
        let start = start.cast::<u32>();
        let equal = |&index: &usize| {
            // SAFETY: the caller's promise; it is aligned, as was seen.
            unsafe { start.wrapping_add(index).read() == pattern }
        };
        4 * (0..count / 4).take_while(equal).count()
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Copies; the ranges do not overlap.
    ///
    /// Source: RtlCopyMemory.
    ///
    /// # Safety
    ///
    /// Both ranges are such.
    pub unsafe fn RtlCopyMemory(to: *mut u8, from: *const u8, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { memcpy(to, from, count) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Copies; the ranges do not overlap. That the cache is left alone is a matter of speed.
    ///
    /// Source: RtlCopyMemoryNonTemporal.
    ///
    /// # Safety
    ///
    /// Both ranges are such.
    pub unsafe fn RtlCopyMemoryNonTemporal(to: *mut u8, from: *const u8, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { memcpy(to, from, count) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Copies; the ranges may overlap.
    ///
    /// Source: RtlMoveMemory.
    ///
    /// # Safety
    ///
    /// Both ranges are such.
    pub unsafe fn RtlMoveMemory(to: *mut u8, from: *const u8, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { memmove(to, from, count) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Fills.
    ///
    /// Source: RtlFillMemory.
    ///
    /// # Safety
    ///
    /// The range can be written.
    pub unsafe fn RtlFillMemory(to: *mut u8, count: usize, value: u8) {
        // SAFETY: the caller's promise.
        unsafe { memset(to, value.into(), count) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Fills with zeros.
    ///
    /// Source: RtlZeroMemory.
    ///
    /// # Safety
    ///
    /// The range can be written.
    pub unsafe fn RtlZeroMemory(to: *mut u8, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { memset(to, 0, count) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Says what will soon be read: a hint that changes nothing, of which as much is taken as a
    /// cache may hold.
    ///
    /// Source: RtlPrefetchMemoryNonTemporal.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn RtlPrefetchMemoryNonTemporal(start: *const u8, count: usize) {
        for offset in (0..count.min(MOST_PREFETCHED)).step_by(64) {
            let line = start.wrapping_add(offset);
            // SAFETY: a prefetch faults at no address.
            unsafe {
                core::arch::asm!("prefetchnta [{}]", in(reg) line,
                    options(nostack, readonly, preserves_flags));
            };
        }
    }
}
